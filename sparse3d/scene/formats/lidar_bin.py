"""LiDAR sweeps as bare float32 rows (``.bin``) and as ``.npy`` arrays.

A ``.bin`` file has no header. Rows are either x y z intensity (KITTI) or x y z intensity and a
fifth column: the laser ring where all its values are small whole numbers (nuScenes), else the time.
Which of the two is decided on the first 1024 rows: intensities are never negative, rings are whole
and differ. A file whose rows fit neither layout, or whose size is no multiple of the row, is
refused.
Columns of ``.npy`` arrays are x y z [intensity], further ones become ``extra``.
"""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from sparse3d.errors import DataError
from sparse3d.scene.atomic import writing
from sparse3d.scene.formats.arrays import (
    file_size,
    head,
    open_npy,
    read_rows,
    tensor_of,
    write_rows,
)
from sparse3d.scene.formats.columns import the_points_of
from sparse3d.scene.formats.format import Format
from sparse3d.scene.points import PointCloud
from sparse3d.scene.scene import Frame, Scene
from sparse3d.scene.stored import Stored

__all__ = [
    "FORMAT",
    "count_rows",
    "read_points",
    "read_sweep",
    "rows_from_sweep",
    "sweep_from_rows",
    "write_sweep",
]

_HEAD_ROWS = 1024
_FARTHEST = 1e5
"""Metres; no LiDAR sees that far, and bytes that are no coordinates are mostly farther."""


def count_rows(path: Path, columns: int, size: int | None = None) -> int:
    """Number of rows of float32 by the file's size.

    Args:
        path: The ``.bin`` file.
        columns: Values a row.
        size: Size in bytes where it is known.

    Raises:
        DataError: If the size is no multiple of a row, or zero.
    """
    size = file_size(path) if size is None else size
    if size == 0:
        raise DataError(path, "point cloud is empty, at least one point expected")
    if size % (4 * columns):
        raise DataError(
            path,
            f"file is cut short or no point cloud: {size} bytes are no whole number of rows of"
            f" {columns} float32",
        )
    return size // (4 * columns)


def read_sweep(path: Path, columns: int = 4) -> PointCloud:
    """Read a ``.bin`` file with a known number of columns; non-finite points stay.

    Raises:
        DataError: If it is cut short or empty.
    """
    count = count_rows(path, columns)
    rows = read_rows(path, np.dtype(("<f4", (columns,))), count)
    return sweep_from_rows(torch.from_numpy(rows))


def read_points(path: Path) -> PointCloud:
    """Read a ``.bin`` or ``.npy`` file, the layout by its content.

    Raises:
        DataError: If it is cut short, empty or of no known layout.
    """
    if head(path, 6) == b"\x93NUMPY":
        return _from_array(tensor_of(_open_array(path)))
    return read_sweep(path, _columns(path))


def sweep_from_rows(rows: Float[Tensor, "n k"]) -> PointCloud:
    """Points from x y z intensity and, where there is a fifth column, ring or time."""
    fifth = rows[:, 4] if rows.shape[1] > 4 else None
    is_ring = fifth is not None and _are_rings(fifth.numpy())
    return PointCloud(
        rows[:, :3].contiguous(),
        intensities=rows[:, 3].contiguous(),
        rings=fifth.to(torch.int32) if fifth is not None and is_ring else None,
        times=None if is_ring or fifth is None else fifth.contiguous(),
    )


def rows_from_sweep(cloud: PointCloud) -> np.ndarray:
    """X y z intensity as float32 rows [n, 4]; intensity is 0 where the cloud has none."""
    intensities = cloud.intensities
    if intensities is None:
        intensities = torch.zeros(len(cloud))
    columns = [cloud.positions.float(), intensities.float()[:, None]]
    return torch.cat(columns, dim=1).detach().cpu().numpy().astype("<f4")


def write_sweep(path: Path, cloud: PointCloud) -> None:
    """Write x y z intensity; other attributes have no place in the file."""
    with writing(path) as draft, draft.open("wb") as file:
        write_rows(file, rows_from_sweep(cloud))


def _columns(path: Path) -> int:
    size, plausible = file_size(path), _plausible_layouts(path)
    if size == 0:
        raise DataError(path, "point cloud is empty, at least one point expected")
    fitting = [columns for columns in plausible if size % (4 * columns) == 0]
    if not fitting:
        raise DataError(
            path,
            f"file is cut short or no point cloud: {size} bytes are no whole number of rows of"
            f" {' or '.join(map(str, plausible)) or '4 or 5'} float32 coordinates",
        )
    return fitting[0]


def _plausible_layouts(path: Path) -> list[int]:
    """4 and 5 where the first rows look like it, the likelier first."""
    data = head(path, 20 * _HEAD_ROWS)
    values = np.frombuffer(data, "<f4", len(data) // 4)
    tables = {k: values[: len(values) // k * k].reshape(-1, k) for k in (5, 4)}
    plausible = [k for k, table in tables.items() if len(table) and _is_sweep(table)]
    if len(plausible) == 2 and not _are_rings(tables[5][:, 4], varied=True):
        plausible.reverse()
    return plausible


def _is_sweep(table: np.ndarray) -> bool:
    finite = table[np.isfinite(table).all(1)]
    if 2 * len(finite) < len(table):
        return False
    sizes = np.abs(finite)
    tiny = (sizes > 0) & (sizes < 1e-30)  # integers and text read as floats
    return bool(sizes.max() < _FARTHEST and (finite[:, 3] >= 0).all() and tiny.mean() < 0.01)


def _are_rings(values: np.ndarray, *, varied: bool = False) -> bool:
    whole = bool(((values == np.rint(values)) & (values >= 0) & (values < 1024)).all())
    return whole and (not varied or bool((values != values[0]).any()))


def _open_array(path: Path) -> np.ndarray:
    array = open_npy(path)
    if array.ndim != 2 or array.shape[1] < 3 or array.dtype.kind not in "fiu":
        raise DataError(
            path, f"array of N x 3 or more numbers expected, got {array.dtype} {array.shape}"
        )
    if len(array) == 0:
        raise DataError(path, "point cloud is empty, at least one point expected")
    return array


def _from_array(rows: Tensor) -> PointCloud:
    rows = rows if rows.is_floating_point() else rows.double()
    extra = {f"column_{k}": rows[:, k].contiguous() for k in range(4, rows.shape[1])}
    intensities = rows[:, 3].contiguous() if rows.shape[1] > 3 else None
    return PointCloud(rows[:, :3].contiguous(), intensities=intensities, extra=extra)


def _recognises(path: Path) -> bool:
    if head(path, 6) == b"\x93NUMPY":
        try:
            array = open_npy(path)
        except DataError:
            return path.suffix == ".npy"  # damaged: reading it says how
        return array.ndim == 2 and array.shape[1] >= 3 and array.dtype.kind in "fiu"
    if path.suffix != ".bin" or not path.is_file():
        return False
    return path.stat().st_size == 0 or bool(_plausible_layouts(path))


def _read(path: Path) -> Scene:
    if head(path, 6) == b"\x93NUMPY":
        count = len(_open_array(path))
    else:
        count = count_rows(path, _columns(path))
    frame = Frame(path.stem, points=Stored(path, read_points, count))
    return Scene(path.stem, frames=(frame,), metric=True, format="bin", source=path)


def _write(scene: Scene, path: Path) -> None:
    write_sweep(path, the_points_of(scene, path))


FORMAT = Format(
    name="bin",
    summary="LiDAR sweep: .bin of float32 x y z intensity [ring or time], or .npy of N x 3 or more",
    recognises=_recognises,
    read=_read,
    write=_write,
)
