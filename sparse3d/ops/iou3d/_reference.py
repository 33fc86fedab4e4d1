"""Overlap of two boxes by cutting one rectangle with the sides of the other, in float64."""

import math
from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor

__all__ = ["crossed", "paired"]

Point = tuple[float, float]


def crossed(
    first: Float[Tensor, "n 7"], second: Float[Tensor, "m 7"], volume: bool
) -> Float[Tensor, "n m"]:
    """Every row of one with every row of the other."""
    rows = [[_iou(a, b, volume) for b in second.tolist()] for a in first.tolist()]
    return first.new_tensor(rows).reshape(len(first), len(second))


def paired(
    first: Float[Tensor, "n 7"], second: Float[Tensor, "n 7"], volume: bool
) -> Float[Tensor, " n"]:
    """Row i with row i."""
    pairs = zip(first.tolist(), second.tolist(), strict=True)
    return first.new_tensor([_iou(a, b, volume) for a, b in pairs])


def _iou(a: Sequence[float], b: Sequence[float], volume: bool) -> float:
    shared, size_a, size_b = _shared_area(a, b), a[3] * a[4], b[3] * b[4]
    if volume:
        top = min(a[2] + a[5] / 2, b[2] + b[5] / 2)
        bottom = max(a[2] - a[5] / 2, b[2] - b[5] / 2)
        shared *= max(0.0, top - bottom)
        size_a, size_b = size_a * a[5], size_b * b[5]
    return shared / (size_a + size_b - shared)


def _shared_area(a: Sequence[float], b: Sequence[float]) -> float:
    """Sutherland and Hodgman (1974): what is left of one after a cut by each side of the other."""
    polygon, sides = _corners(a, a[:2]), _corners(b, a[:2])
    for start, end in zip(sides, sides[1:] + sides[:1], strict=True):
        polygon = _cut(polygon, start, end)
    pairs = zip(polygon, polygon[1:] + polygon[:1], strict=True)
    return max(0.0, sum(p[0] * q[1] - p[1] * q[0] for p, q in pairs) / 2)


def _corners(box: Sequence[float], origin: Sequence[float]) -> list[Point]:
    """Counter-clockwise, relative to an origin near by, so that areas keep their digits."""
    x, y, _, length, width, _, yaw = box
    c, s = math.cos(yaw), math.sin(yaw)
    local = [(length / 2 * i, width / 2 * j) for i, j in ((1, 1), (-1, 1), (-1, -1), (1, -1))]
    dx, dy = x - origin[0], y - origin[1]
    return [(dx + c * u - s * v, dy + s * u + c * v) for u, v in local]


def _cut(polygon: list[Point], start: Point, end: Point) -> list[Point]:
    """The part of a polygon to the left of a line."""
    sides = [
        (end[0] - start[0]) * (p[1] - start[1]) - (end[1] - start[1]) * (p[0] - start[0])
        for p in polygon
    ]
    kept: list[Point] = []
    for i, (p, side) in enumerate(zip(polygon, sides, strict=True)):
        q, other = polygon[i - 1], sides[i - 1]
        if (side >= 0) != (other >= 0):
            t = other / (other - side)
            kept.append((q[0] + t * (p[0] - q[0]), q[1] + t * (p[1] - q[1])))
        if side >= 0:
            kept.append(p)
    return kept
