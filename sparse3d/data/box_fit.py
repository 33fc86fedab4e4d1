"""How well boxes fit the points of a cloud, as they are and read in other conventions."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from sparse3d.geometry.rotations import matrix_from_yaw

__all__ = ["CONVENTIONS", "LIFTS", "Convention", "SortedPoints"]

Rows = Float[Tensor, "n 7"]
Sizes = Float[Tensor, "n 3"]
Column = Float[Tensor, " n"]

_RING = (0.2, 2.0)
"""Metres around a box in which the ground is looked for."""
_BELOW = 3.0
"""Metres above and below a box within which its ground may lie."""
_FEWEST = 6
"""Points without which neither the ground nor the top of an object is known."""


@dataclass(frozen=True, slots=True)
class Convention:
    """A way in which somebody may have written the same boxes."""

    says: str
    """What is wrong with the boxes if it fits better."""
    convert: Callable[[Rows], Rows]
    """From rows x, y, z, length, width, height, yaw as they stand to what they would mean."""


def _rows(columns: tuple[Column, Column, Column], sizes: Sizes, yaws: Column) -> Rows:
    return torch.cat([torch.stack(columns, 1), sizes, yaws[:, None]], dim=1)


def _turned(rows: Rows) -> Rows:
    return torch.cat([rows[:, :3], rows[:, [4, 3, 5]], rows[:, 6:]], dim=1)


def _negated(rows: Rows) -> Rows:
    return torch.cat([rows[:, :6], -rows[:, 6:]], dim=1)


def _swapped(rows: Rows) -> Rows:
    x, y, z = rows[:, :3].unbind(1)
    return _rows((y, x, z), rows[:, 3:6], math.pi / 2 - rows[:, 6])


def _quarter_left(rows: Rows) -> Rows:
    x, y, z = rows[:, :3].unbind(1)
    return _rows((-y, x, z), rows[:, 3:6], rows[:, 6] + math.pi / 2)


def _quarter_right(rows: Rows) -> Rows:
    x, y, z = rows[:, :3].unbind(1)
    return _rows((y, -x, z), rows[:, 3:6], rows[:, 6] - math.pi / 2)


def _half_turn(rows: Rows) -> Rows:
    x, y, z = rows[:, :3].unbind(1)
    return _rows((-x, -y, z), rows[:, 3:6], rows[:, 6] + math.pi)


def _mirrored(rows: Rows) -> Rows:
    x, y, z = rows[:, :3].unbind(1)
    return _rows((x, -y, z), rows[:, 3:6], -rows[:, 6])


def _of_camera(rows: Rows) -> Rows:
    """From x right, y down, z forward with the bottom's centre, the axes at the LiDAR."""
    x, y, z = rows[:, :3].unbind(1)
    up = rows[:, 5] / 2 - y
    return _rows((z, -x, up), rows[:, 3:6], -math.pi / 2 - rows[:, 6])


def _lifted(rows: Rows) -> Rows:
    return torch.cat([rows[:, :2], (rows[:, 2] + rows[:, 5] / 2)[:, None], rows[:, 3:]], dim=1)


def _lowered(rows: Rows) -> Rows:
    return torch.cat([rows[:, :2], (rows[:, 2] - rows[:, 5] / 2)[:, None], rows[:, 3:]], dim=1)


CONVENTIONS = (
    Convention("the yaw is off by 90 degrees, or length and width are swapped", _turned),
    Convention("the yaw turns the wrong way: it is measured from +x towards +y", _negated),
    Convention("x and y are swapped", _swapped),
    Convention("axes are turned: the boxes' x is the cloud's y, their y its -x", _quarter_left),
    Convention("axes are turned: the boxes' x is the cloud's -y, their y its x", _quarter_right),
    Convention("x and y point backwards: both need the other sign", _half_turn),
    Convention("y has the wrong sign: it points to the left", _mirrored),
    Convention("the boxes are in a camera's axes (x right, y down, z forward)", _of_camera),
)
"""Of the plane, and of whole frames of reference."""
LIFTS = (
    Convention("z is that of the bottom, not of the geometric centre", _lifted),
    Convention("z is that of the top, not of the geometric centre", _lowered),
)
"""Of the height."""


class SortedPoints:
    """Points sorted by x, so that those near a box are found quickly.

    Args:
        positions: Finite x, y, z, metres.
    """

    def __init__(self, positions: Float[Tensor, "p 3"]) -> None:
        self._positions = positions[positions[:, 0].argsort()]
        self._x = self._positions[:, 0].contiguous()

    def count_inside(self, rows: Rows) -> Int64[Tensor, " n"]:
        """Number of points in each box, its faces included."""
        half = rows[:, 3:6] / 2
        found = zip(self._near(rows, 0.0), half, strict=True)
        counts = [int((local.abs() <= side).all(1).sum()) for local, side in found]
        return torch.tensor(counts, dtype=torch.int64)

    def ground_and_top(self, rows: Rows) -> Float[Tensor, "n 2"]:
        """How far the ground lies above a box's bottom, and the object's top above its top.

        The ground is the lowest tenth of the points around the box, the top the highest points on
        its footprint. Both are near 0 for boxes that are in place, the top a little below.

        Returns:
            Metres; NaN where there are too few points to tell.
        """
        found = zip(self._near(rows, _RING[1]), rows[:, 3:6] / 2, strict=True)
        heights = [_ground_and_top(local, half) for local, half in found]
        return torch.tensor(heights, dtype=torch.float64).reshape(-1, 2)

    def _near(self, rows: Rows, margin: float) -> Iterator[Float[Tensor, "m 3"]]:
        """For each box, the points whose x is near enough, in the frame of the box."""
        radii = torch.linalg.vector_norm(rows[:, 3:5], dim=1) / 2 + margin
        first = torch.searchsorted(self._x, rows[:, 0] - radii).tolist()
        last = torch.searchsorted(self._x, rows[:, 0] + radii, right=True).tolist()
        rotations = matrix_from_yaw(rows[:, 6])
        for a, b, center, rotation in zip(first, last, rows[:, :3], rotations, strict=True):
            yield (self._positions[a:b] - center) @ rotation  # R^T (p - c), as rows


def _ground_and_top(local: Float[Tensor, "m 3"], half: Float[Tensor, " 3"]) -> tuple[float, float]:
    """As :meth:`SortedPoints.ground_and_top` for one box; points in its own frame."""
    outside = (local[:, :2].abs() - half[:2]).amax(1)  # metres beyond the nearest side
    z = local[:, 2]
    ring = z[(outside > _RING[0]) & (outside < _RING[1]) & (z.abs() < half[2] + _BELOW)]
    column = z[(local[:, :2].abs() < 0.9 * half[:2]).all(1) & (z.abs() < 3 * half[2] + 1)]
    return _quantile(ring, 0.1) + float(half[2]), _quantile(column, 0.98) - float(half[2])


def _quantile(values: Float[Tensor, " n"], share: float) -> float:
    if len(values) < _FEWEST:
        return math.nan
    return values.sort().values[round(share * (len(values) - 1))].item()
