"""Point clouds and meshes in PLY files; splats in PLY files are formats of their own."""

from pathlib import Path

import numpy as np

from sparse3d.errors import DataError
from sparse3d.scene.atomic import writing
from sparse3d.scene.formats.columns import (
    cloud_from_columns,
    columns_from_cloud,
    the_points_of,
)
from sparse3d.scene.formats.format import Format
from sparse3d.scene.formats.ply_file import (
    PlyHeader,
    ply_properties,
    read_header,
    read_lists,
    read_table,
    write_ply,
)
from sparse3d.scene.formats.polygons import fan_triangles
from sparse3d.scene.mesh import Mesh
from sparse3d.scene.points import PointCloud
from sparse3d.scene.scene import Scene
from sparse3d.scene.stored import Stored

__all__ = ["FORMAT", "read_mesh", "read_points", "write_mesh", "write_points"]

_FACE_COLUMNS = ("vertex_indices", "vertex_index")


def read_points(path: Path) -> PointCloud:
    """The vertices of a PLY file as points, in the float type of the file.

    Raises:
        DataError: If the file is damaged, cut short or without points.
    """
    return cloud_from_columns(path, read_table(read_header(path), "vertex"))


def read_mesh(path: Path) -> Mesh:
    """Vertices and faces of a PLY file; polygons become fans of triangles.

    Raises:
        DataError: If the file is damaged, cut short, or a face names a vertex that is not there.
    """
    header = read_header(path)
    vertices = cloud_from_columns(path, read_table(header, "vertex"))
    triangles = fan_triangles(path, read_lists(header, "face", _face_column(header)))
    try:
        return Mesh(vertices.positions, triangles, vertices.colors, vertices.normals)
    except ValueError as error:
        raise DataError(path, str(error)) from None


def write_points(path: Path, cloud: PointCloud) -> None:
    """Write points with all attributes; colours as 8 bits, 64-bit integers as 32 or as doubles."""
    columns = {name: _storable(values) for name, values in columns_from_cloud(cloud).items()}
    with writing(path) as draft, draft.open("wb") as file:
        write_ply(file, {"vertex": columns})


def write_mesh(path: Path, mesh: Mesh) -> None:
    """Write vertices with colours and normals, and triangles."""
    cloud = PointCloud(mesh.vertices, colors=mesh.colors, normals=mesh.normals)
    columns = {name: _storable(values) for name, values in columns_from_cloud(cloud).items()}
    with writing(path) as draft, draft.open("wb") as file:
        write_ply(file, {"vertex": columns}, mesh.triangles.cpu().numpy())


def _recognises(path: Path) -> bool:
    names = ply_properties(path)
    return names is not None and not _is_splat(names)


def _is_splat(names: frozenset[str]) -> bool:
    return "packed_position" in names or {"f_dc_0", "scale_0"} <= names


def _read(path: Path) -> Scene:
    header = read_header(path)
    vertex, face = header.require("vertex", ("x", "y", "z")), header.element("face")
    if vertex.count == 0:
        raise DataError(path, "point cloud is empty, at least one point expected")
    if face is None or face.count == 0:
        points = Stored(path, read_points, vertex.count)
        return Scene(path.stem, points=points, format="ply", source=path)
    _face_column(header)
    mesh = Stored(path, read_mesh, vertex.count)
    return Scene(path.stem, mesh=mesh, format="ply", source=path)


def _face_column(header: PlyHeader) -> str:
    names = header.require("face").names
    column = next((name for name in _FACE_COLUMNS if name in names), None)
    if column is None:
        raise DataError(header.path, f"PLY faces need {' or '.join(_FACE_COLUMNS)}, found {names}")
    return column


def _write(scene: Scene, path: Path) -> None:
    mesh = scene.read_mesh()
    if mesh is not None:
        write_mesh(path, mesh)
    else:
        write_points(path, the_points_of(scene, path))


def _storable(values: np.ndarray) -> np.ndarray:
    if values.dtype == np.bool_:
        return values.astype(np.uint8)
    if values.dtype == np.float16:
        return values.astype(np.float32)
    if values.dtype.kind in "iu" and values.dtype.itemsize == 8:
        fits = not len(values) or (values.min() >= -(2**31) and values.max() < 2**31)
        return values.astype(np.int32 if fits else np.float64)
    return values


FORMAT = Format(
    name="ply",
    summary="PLY file of points (any attributes) or of a triangle mesh",
    recognises=_recognises,
    read=_read,
    write=_write,
)
