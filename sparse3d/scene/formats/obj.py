"""Meshes and points in Wavefront OBJ files.

``v`` (with colours behind the coordinates, as MeshLab writes them) and ``f`` are read; negative
numbers count from the last vertex so far, polygons become fans. ``vn`` is used where normals and
vertices correspond one to one; groups, materials and textures are passed over.
"""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from sparse3d.errors import DataError
from sparse3d.scene.formats.arrays import head, is_text, read_all
from sparse3d.scene.formats.columns import colors_in_unit_range
from sparse3d.scene.formats.format import Format
from sparse3d.scene.formats.polygons import fan_triangles
from sparse3d.scene.mesh import Mesh
from sparse3d.scene.points import PointCloud
from sparse3d.scene.scene import Scene
from sparse3d.scene.stored import Stored

__all__ = ["FORMAT", "read_mesh", "read_points"]

_WORDS = frozenset(b"v vn vt vp f l p o g s mtllib usemtl cstype deg curv surf end".split())


@dataclass(slots=True)
class _Lines:
    """The lines of a file by what they are, each split into words."""

    vertices: list[list[bytes]] = field(default_factory=list)
    normals: list[list[bytes]] = field(default_factory=list)
    faces: list[list[bytes]] = field(default_factory=list)
    vertices_before: list[int] = field(default_factory=list)


def read_points(path: Path) -> PointCloud:
    """The vertices as points.

    Raises:
        DataError: If a vertex is not made of numbers, or there is none.
    """
    lines = _lines(path)
    positions, colors = _vertices(path, lines)
    return PointCloud(positions, colors=colors, normals=_normals(path, lines))


def read_mesh(path: Path) -> Mesh:
    """Vertices and faces.

    Raises:
        DataError: If there is no vertex, a line is not made of numbers, or a face names a vertex
            that is not there.
    """
    lines = _lines(path)
    positions, colors = _vertices(path, lines)
    triangles = fan_triangles(path, _faces(path, lines))
    try:
        return Mesh(positions, triangles, colors, _normals(path, lines))
    except ValueError as error:
        raise DataError(path, str(error)) from None


def _lines(path: Path) -> _Lines:
    lines = _Lines()
    by_word = {b"v": lines.vertices, b"vn": lines.normals}
    for line in _joined(read_all(path)).splitlines():
        words = line.split()
        if not words:
            continue
        if words[0] == b"f":
            lines.faces.append(words[1:])
            lines.vertices_before.append(len(lines.vertices))
        elif words[0] in by_word:
            by_word[words[0]].append(words[1:])
    return lines


def _joined(data: bytes) -> bytes:
    """Lines that end in a backslash go on in the next one."""
    return data.replace(b"\\\n", b" ").replace(b"\\\r\n", b" ")


def _vertices(
    path: Path, lines: _Lines
) -> tuple[Float[Tensor, "n 3"], Float[Tensor, "n 3"] | None]:
    if not lines.vertices:
        raise DataError(path, "OBJ file has no vertices, at least one 'v x y z' line expected")
    widths = {len(words) for words in lines.vertices}
    if min(widths) < 3:
        raise DataError(path, "OBJ vertex with fewer than 3 coordinates")
    columns = 6 if min(widths) >= 6 else 3
    table = _table(path, lines.vertices, columns)
    colors = colors_in_unit_range(table[:, 3:]) if columns == 6 else None
    return torch.from_numpy(table[:, :3].astype(np.float32)), colors


def _normals(path: Path, lines: _Lines) -> Float[Tensor, "n 3"] | None:
    if not lines.normals or len(lines.normals) != len(lines.vertices):
        return None
    for face in lines.faces:
        for corner in face:
            numbers = corner.split(b"/")
            if len(numbers) != 3 or numbers[0] != numbers[2]:
                return None
    if min(len(words) for words in lines.normals) < 3:
        raise DataError(path, "OBJ normal with fewer than 3 coordinates")
    return torch.from_numpy(_table(path, lines.normals, 3).astype(np.float32))


def _table(path: Path, rows: list[list[bytes]], columns: int) -> np.ndarray:
    try:
        values = [float(word) for words in rows for word in words[:columns]]
    except ValueError as error:
        raise DataError(path, f"OBJ vertices must be numbers ({error})") from None
    return np.array(values, dtype=np.float64).reshape(len(rows), columns)


def _faces(path: Path, lines: _Lines) -> np.ndarray | list[np.ndarray]:
    sizes = np.array([len(words) for words in lines.faces], dtype=np.int64)
    words = [corner for face in lines.faces for corner in face]
    if any(b"/" in corner for corner in words):
        words = [corner.split(b"/", 1)[0] for corner in words]
    try:
        numbers = np.array([int(word) for word in words], dtype=np.int64)
    except (ValueError, OverflowError) as error:
        raise DataError(path, f"OBJ faces must name vertices by number ({error})") from None
    if (numbers == 0).any():
        raise DataError(path, "OBJ vertices are numbered from 1, found a face with 0")
    before = np.repeat(np.array(lines.vertices_before, dtype=np.int64), sizes)
    flat = np.where(numbers > 0, numbers - 1, before + numbers)
    if (sizes == 3).all():
        return flat.reshape(-1, 3)
    return np.split(flat, np.cumsum(sizes)[:-1])


def _recognises(path: Path) -> bool:
    data = head(path)
    if not is_text(data):
        return False
    lines = [line.split() for line in _joined(data).splitlines()[:-1] or [data]]
    words = [line for line in lines if line and not line[0].startswith(b"#")]
    known = all(line[0] in _WORDS for line in words)
    return known and any(len(line) >= 2 for line in words)


def _has_faces(path: Path) -> bool:
    with path.open("rb") as file:
        return any(line.startswith((b"f ", b"f\t")) for line in file)


def _read(path: Path) -> Scene:
    if _has_faces(path):
        return Scene(path.stem, mesh=Stored(path, read_mesh), format="obj", source=path)
    return Scene(path.stem, points=Stored(path, read_points), format="obj", source=path)


FORMAT = Format(
    name="obj",
    summary="Wavefront OBJ mesh, or points where it has no faces",
    recognises=_recognises,
    read=_read,
)
