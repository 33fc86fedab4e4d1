"""The arrays of a scene folder: which files a value is written to, and how it is read back."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Shaped
from torch import Tensor

from sparse3d.errors import DataError
from sparse3d.scene.boxes import Boxes3D, ImageBoxes
from sparse3d.scene.formats.arrays import open_npy, save_npy
from sparse3d.scene.gaussians import Gaussians
from sparse3d.scene.mesh import Mesh
from sparse3d.scene.points import PointCloud
from sparse3d.scene.sparse_grid import SparseGrid

__all__ = [
    "StoredArrays",
    "read_boxes",
    "read_gaussians",
    "read_grid",
    "read_mesh",
    "read_points",
    "save_boxes",
    "save_gaussians",
    "save_grid",
    "save_mesh",
    "save_points",
]

_POINTS = ("colors", "normals", "intensities", "labels", "times", "rings")
_GAUSSIANS = ("means", "quaternions", "log_scales", "logit_opacities", "sh")
_MESH = ("vertices", "triangles", "colors", "normals")
_BOXES = {"center": "centers", "size": "sizes", "yaw": "yaws"}
_OPTIONAL = {"score": "scores", "velocity": "velocities"}
_IMAGE = {
    "rectangle": "rectangles",
    "alpha": "alphas",
    "truncation": "truncations",
    "occlusion": "occlusions",
}


@dataclass(frozen=True, slots=True)
class StoredArrays:
    """The files of one value."""

    files: Mapping[str, Path]
    """File of each array, by the name of the attribute."""
    extra: Mapping[str, Path]
    """File of each extra attribute, by its name."""
    count: int
    """Number of rows that all of them have (vertices of a mesh)."""

    def tensor(self, name: str) -> Shaped[Tensor, "..."] | None:
        """The memory-mapped array, None where there is no such file.

        Raises:
            DataError: If the file is damaged or has another number of rows.
        """
        return _tensor(self.files[name], self.count) if name in self.files else None


def save_points(folder: Path, cloud: PointCloud) -> dict[str, Any]:
    """Write the arrays of a point cloud; returns its entry in the index, paths from ``folder``."""
    files = {"positions": cloud.positions}
    files |= {k: v for k in _POINTS if (v := getattr(cloud, k)) is not None}
    entry = _save(folder, files, len(cloud))
    entry["extra"] = {}
    for number, (name, values) in enumerate(cloud.extra.items()):
        save_npy(folder / f"extra_{number}.npy", _array(values))
        entry["extra"][name] = f"extra_{number}.npy"
    return entry


def read_points(path: Path, stored: StoredArrays) -> PointCloud:
    """The point cloud, memory-mapped: values are read from disk where they are used.

    Raises:
        DataError: If an array is missing, damaged or of the wrong shape.
    """
    values = {name: stored.tensor(name) for name in ("positions", *_POINTS)}
    extra = {name: _tensor(file, stored.count) for name, file in stored.extra.items()}
    positions = _required(path, values.pop("positions"), "positions", (3,))
    for name in ("colors", "normals"):
        _check_shape(path, values[name], name, (3,))
    for name in ("intensities", "labels", "times", "rings"):
        _check_shape(path, values[name], name, ())
    return PointCloud(positions, extra=extra, **values)


def save_gaussians(folder: Path, gaussians: Gaussians) -> dict[str, Any]:
    """Write the arrays of a splat; returns its entry in the index."""
    return _save(folder, {k: getattr(gaussians, k) for k in _GAUSSIANS}, len(gaussians))


def read_gaussians(path: Path, stored: StoredArrays) -> Gaussians:
    """The splat, memory-mapped; errors as :func:`read_points`."""
    shapes = {"means": (3,), "quaternions": (4,), "log_scales": (3,), "logit_opacities": ()}
    parts = {k: _required(path, stored.tensor(k), k, shape) for k, shape in shapes.items()}
    sh = stored.tensor("sh")
    if sh is None or sh.ndim != 3 or sh.shape[1] not in (1, 4, 9, 16) or sh.shape[2] != 3:
        raise DataError(path, "array sh of n x 1, 4, 9 or 16 x 3 numbers expected")
    return Gaussians(sh=sh, **parts)


def save_mesh(folder: Path, mesh: Mesh) -> dict[str, Any]:
    """Write the arrays of a mesh; returns its entry in the index."""
    files = {k: v for k in _MESH if (v := getattr(mesh, k)) is not None}
    return _save(folder, files, len(mesh.vertices))


def read_mesh(path: Path, stored: StoredArrays) -> Mesh:
    """The mesh, memory-mapped; errors as :func:`read_points`."""
    vertices = _required(path, stored.tensor("vertices"), "vertices", (3,))
    file = stored.files.get("triangles")
    triangles = None if file is None else _tensor(file, None)
    triangles = _required(path, triangles, "triangles", (3,))
    colors, normals = stored.tensor("colors"), stored.tensor("normals")
    _check_shape(path, colors, "colors", (3,))
    _check_shape(path, normals, "normals", (3,))
    try:
        return Mesh(vertices, triangles, colors, normals)
    except ValueError as error:
        raise DataError(path, str(error)) from None


def save_grid(folder: Path, grid: SparseGrid) -> dict[str, Any]:
    """Write the arrays of a grid; returns its entry in the index, shape and space included."""
    files = {"keys": grid.keys} | ({} if grid.features is None else {"features": grid.features})
    entry = _save(folder, files, len(grid))
    entry |= {"shape": list(grid.shape), "batch_size": grid.batch_size}
    if grid.space is not None:
        entry |= {"low": list(grid.space.low), "size": list(grid.space.size)}
    return entry


def read_grid(path: Path, stored: StoredArrays, empty: SparseGrid) -> SparseGrid:
    """The grid; features are memory-mapped, keys are looked through.

    Args:
        path: The index, for messages.
        stored: Which files.
        empty: A grid of the same shape, batch and space without a cell.

    Raises:
        DataError: If an array is missing, damaged or of the wrong shape or type, or keys are not
            sorted or lie outside the grid.
    """
    keys = _required(path, stored.tensor("keys"), "keys", ())
    features = stored.tensor("features")
    if features is not None and not (features.ndim == 2 and features.is_floating_point()):
        raise DataError(path, "array features of n x c floats expected")
    try:
        return SparseGrid.of_keys(
            keys, empty.shape, empty.batch_size, space=empty.space, features=features
        )
    except (TypeError, ValueError) as error:
        raise DataError(path, f"grid: {error}") from None


def save_boxes(path: Path, boxes: Boxes3D) -> None:
    """Write boxes as one structured array: a row a box, types as they are."""
    columns = {column: getattr(boxes, name) for column, name in _BOXES.items()}
    columns |= {c: v for c, name in _OPTIONAL.items() if (v := getattr(boxes, name)) is not None}
    if boxes.image is not None:
        columns |= {column: getattr(boxes.image, name) for column, name in _IMAGE.items()}
    arrays = {"name": np.array(boxes.names, dtype=np.str_)} | {
        column: _array(values) for column, values in columns.items()
    }
    types = [(column, array.dtype, array.shape[1:]) for column, array in arrays.items()]
    rows = np.empty(len(boxes), dtype=types)
    for column, array in arrays.items():
        rows[column] = array
    save_npy(path, rows)


def read_boxes(path: Path, count: int) -> Boxes3D:
    """Read boxes.

    Raises:
        DataError: If the file is damaged, has another number of rows, or lacks a column.
    """
    rows = open_npy(path)
    columns = rows.dtype.names or ()
    wanted = ("name", *_BOXES)
    if rows.shape != (count,) or not set(wanted) <= set(columns):
        raise DataError(path, f"{count} rows with {', '.join(wanted)} expected")
    tensors = {name: _from_disk(rows[name]) for name in columns if name != "name"}
    image = None
    if set(_IMAGE) <= set(tensors):
        image = ImageBoxes(**{name: tensors[column] for column, name in _IMAGE.items()})
    shapes = {"center": (3,), "size": (3,), "yaw": (), "score": (), "velocity": (2,)}
    for column, shape in shapes.items():
        _check_shape(path, tensors.get(column), column, shape)
    try:
        return Boxes3D(
            tensors["center"],
            tensors["size"],
            tensors["yaw"],
            tuple(rows["name"].tolist()),
            tensors.get("score"),
            tensors.get("velocity"),
            image,
        )
    except ValueError as error:
        raise DataError(path, str(error)) from None


def _save(folder: Path, tensors: Mapping[str, Tensor], count: int) -> dict[str, Any]:
    for name, values in tensors.items():
        save_npy(folder / f"{name}.npy", _array(values))
    return {"count": count, "arrays": {name: f"{name}.npy" for name in tensors}}


def _array(values: Tensor) -> np.ndarray:
    return values.detach().cpu().numpy()


def _tensor(path: Path, count: int | None) -> Shaped[Tensor, "..."]:
    array = open_npy(path)
    if array.ndim == 0 or (count is not None and len(array) != count):
        raise DataError(path, f"array of {count} rows expected, found shape {array.shape}")
    if array.dtype.kind not in "fiub":
        raise DataError(path, f"array of numbers expected, found {array.dtype}")
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    return torch.from_numpy(array)


def _from_disk(column: np.ndarray) -> Shaped[Tensor, "..."]:
    return torch.from_numpy(np.array(column, dtype=column.dtype.newbyteorder("="), order="C"))


def _required(
    path: Path, values: Tensor | None, name: str, shape: tuple[int, ...]
) -> Shaped[Tensor, "..."]:
    if values is None:
        raise DataError(path, f"array {name} expected, but there is none")
    _check_shape(path, values, name, shape)
    return values


def _check_shape(path: Path, values: Tensor | None, name: str, shape: tuple[int, ...]) -> None:
    if values is not None and tuple(values.shape[1:]) != shape:
        wanted = " x ".join(map(str, ("n", *shape)))
        raise DataError(path, f"array {name} must be {wanted}, got {tuple(values.shape)}")
