"""Point attributes under the column names that point cloud files use."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from sparse3d.errors import DataError
from sparse3d.scene.formats.arrays import tensor_of
from sparse3d.scene.points import PointCloud
from sparse3d.scene.scene import Scene

__all__ = ["cloud_from_columns", "colors_in_unit_range", "columns_from_cloud", "the_points_of"]

Columns = dict[str, np.ndarray]

_COLORS = (
    ("red", "green", "blue"),
    ("r", "g", "b"),
    ("diffuse_red", "diffuse_green", "diffuse_blue"),
)
_NORMALS = (("nx", "ny", "nz"), ("normal_x", "normal_y", "normal_z"))
_SCALARS = {
    "intensity": "intensities",
    "reflectance": "intensities",
    "remission": "intensities",
    "label": "labels",
    "class": "labels",
    "classification": "labels",
    "time": "times",
    "ring": "rings",
}


def cloud_from_columns(path: Path, columns: Mapping[str, np.ndarray]) -> PointCloud:
    """Sort named columns into the attributes of a point cloud; unknown ones become ``extra``.

    Nothing is dropped: non-finite coordinates stay as the file has them. Names are compared without
    case and without CloudCompare's prefix ``scalar_``.

    Raises:
        DataError: If there is no x, y, z or not a single point.
    """
    left = dict(columns)
    positions = _take(left, (("x", "y", "z"),))
    if positions is None:
        raise DataError(path, f"points need x, y and z, found the columns {', '.join(columns)}")
    if len(positions) == 0:
        raise DataError(path, "point cloud is empty, at least one point expected")
    colors, normals = _take(left, _COLORS), _take(left, _NORMALS)
    scalars = _take_scalars(left)
    return PointCloud(
        positions=_floating(positions),
        colors=None if colors is None else colors_in_unit_range(colors),
        normals=None if normals is None else _floating(normals),
        extra={name: tensor_of(values) for name, values in left.items()},
        **scalars,
    )


def columns_from_cloud(cloud: PointCloud) -> Columns:
    """The columns x, y, z and those of all attributes; extra ones with k channels become k columns.

    Colours become 8-bit ``red``, ``green``, ``blue``, which every viewer reads.
    """
    columns = _split(cloud.positions, ("x", "y", "z"))
    if cloud.normals is not None:
        columns |= _split(cloud.normals, ("nx", "ny", "nz"))
    if cloud.colors is not None:
        bytes_ = (cloud.colors.detach().clamp(0, 1) * 255).round().to(torch.uint8)
        columns |= _split(bytes_, ("red", "green", "blue"))
    for name, attribute in (
        ("intensity", "intensities"),
        ("label", "labels"),
        ("time", "times"),
        ("ring", "rings"),
    ):
        values = getattr(cloud, attribute)
        if values is not None:
            columns[name] = _array(values)
    for name, values in cloud.extra.items():
        plain = "_".join(name.split()) or "unnamed"
        flat = values.reshape(len(values), -1) if len(values) else values.reshape(0, 1)
        names = (
            (plain,) if values.ndim == 1 else tuple(f"{plain}_{k}" for k in range(flat.shape[1]))
        )
        columns |= _split(flat, names)
    return columns


def the_points_of(scene: Scene, target: Path) -> PointCloud:
    """The points that a single point cloud file can hold: the static ones, or the only sweep.

    Raises:
        DataError: If there is neither, or several sweeps.
    """
    cloud = scene.read_points()
    if cloud is not None:
        return cloud
    sweeps = [frame for frame in scene.frames if frame.points is not None]
    if len(sweeps) != 1:
        found = f"{len(sweeps)} sweeps" if sweeps else "no points"
        raise DataError(target, f"a scene with one point cloud expected, {scene.name} has {found}")
    sweep = sweeps[0].read_points()
    assert sweep is not None  # its frame was picked for having points
    return sweep


def colors_in_unit_range(colors: np.ndarray) -> Float[Tensor, "n 3"]:
    """Colours in [0, 1] from integers of any width, or floats up to 1 or (above that) up to 255."""
    if np.issubdtype(colors.dtype, np.integer):
        return torch.from_numpy(colors.astype(np.float32) / np.float32(np.iinfo(colors.dtype).max))
    values = colors.astype(np.float32)
    return torch.from_numpy(values / np.float32(255) if bool((values > 1).any()) else values)


def _take(columns: Columns, choices: Iterable[tuple[str, ...]]) -> np.ndarray | None:
    lower = {name.lower(): name for name, values in columns.items() if values.ndim == 1}
    for names in choices:
        if all(name in lower for name in names):
            return np.stack([columns.pop(lower[name]) for name in names], axis=-1)
    return None


def _take_scalars(columns: Columns) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}
    for name in tuple(columns):
        attribute = _SCALARS.get(name.lower().removeprefix("scalar_"))
        if attribute is None or attribute in found or columns[name].ndim != 1:
            continue
        integral = attribute in ("labels", "rings")
        if integral and not _is_integral(columns[name]):
            continue  # a column that is called so, but holds fractions, stays extra
        values = columns.pop(name)
        found[attribute] = _integer(values) if integral else _floating(values)
    return found


def _is_integral(values: np.ndarray) -> bool:
    return np.issubdtype(values.dtype, np.integer) or bool(
        (np.isfinite(values) & (values == np.rint(values)) & (np.abs(values) < 2**31)).all()
    )


def _integer(values: np.ndarray) -> Shaped[Tensor, " n"]:
    small = values.dtype.kind == "f" or np.can_cast(values.dtype, np.int32)
    return torch.from_numpy(values.astype(np.int32 if small else np.int64))


def _floating(values: np.ndarray) -> Float[Tensor, "..."]:
    exact = values.dtype.kind == "f" or values.dtype.itemsize < 4
    kind = values.dtype if values.dtype.kind == "f" else np.float32 if exact else np.float64
    return tensor_of(values.astype(kind))


def _array(values: Tensor) -> np.ndarray:
    return values.detach().cpu().numpy()


def _split(rows: Shaped[Tensor, "n k"], names: tuple[str, ...]) -> Columns:
    return {name: _array(rows[:, k]) for k, name in enumerate(names)}
