"""Overlap of boxes as a sum over the edges of one rectangle, seen from the other.

In the frame of the second rectangle, |x| < a and |y| < b. By Green's theorem, the area that the
first one shares with it is the integral of clamp(x, -a, a) dy along the outline of the first, over
the parts where |y| < b. Along an edge that is a piecewise linear function: no sorting of corners,
no tolerance, and nothing that goes wrong where edges coincide.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

__all__ = ["crossed", "paired"]

_PAIRS = 1 << 18  # pairs a chunk: the edges and their cuts take about 100 MB in float64
_ROWS = 1 << 22  # entries of a matrix that are searched for near pairs at once


def crossed(
    first: Float[Tensor, "n 7"], second: Float[Tensor, "m 7"], volume: bool
) -> Float[Tensor, "n m"]:
    """Every row of one with every row of the other."""
    result = first.new_zeros(len(first), len(second))
    step = max(1, _ROWS // max(1, len(second)))
    for start in range(0, len(first), step):
        rows = first[start : start + step]
        i, j = _near(rows[:, None], second[None]).nonzero().unbind(1)
        result[start + i, j] = _iou(rows[i], second[j], volume)
    return result


def paired(
    first: Float[Tensor, "n 7"], second: Float[Tensor, "n 7"], volume: bool
) -> Float[Tensor, " n"]:
    """Row i with row i."""
    result = first.new_zeros(len(first))
    rows = _near(first, second).nonzero()[:, 0]
    result[rows] = _iou(first[rows], second[rows], volume)
    return result


def _near(first: Float[Tensor, "*p 7"], second: Float[Tensor, "*q 7"]) -> Bool[Tensor, "*r"]:
    """Whether the circles around the rectangles overlap."""
    x, y = (first[..., axis] - second[..., axis] for axis in range(2))
    reach = torch.hypot(first[..., 3], first[..., 4]) + torch.hypot(second[..., 3], second[..., 4])
    return torch.hypot(x, y) < reach / 2


def _iou(
    first: Float[Tensor, "n 7"], second: Float[Tensor, "n 7"], volume: bool
) -> Float[Tensor, " n"]:
    chunks = zip(first.split(_PAIRS), second.split(_PAIRS), strict=True)
    parts = [_shared_area(one, other) for one, other in chunks]
    shared = torch.cat(parts) if parts else first.new_zeros(0)
    size_a, size_b = first[:, 3] * first[:, 4], second[:, 3] * second[:, 4]
    if volume:
        shared = shared * _shared_height(first, second)
        size_a, size_b = size_a * first[:, 5], size_b * second[:, 5]
    return (shared / (size_a + size_b - shared)).clamp(0, 1)


def _shared_height(
    first: Float[Tensor, "n 7"], second: Float[Tensor, "n 7"]
) -> Float[Tensor, " n"]:
    """From the offset of the centres, so that large z costs no digits."""
    offset = (first[:, 2] - second[:, 2]).abs()
    half, other = first[:, 5] / 2, second[:, 5] / 2
    return (half + other - offset).clamp(min=0).minimum(2 * half.minimum(other))


def _shared_area(first: Float[Tensor, "n 7"], second: Float[Tensor, "n 7"]) -> Float[Tensor, " n"]:
    x, y = _corners(first, second)  # [n, 4] each
    half = second[:, 3:5, None] / 2
    area = _integral(x, y, x.roll(-1, 1), y.roll(-1, 1), half[:, 0], half[:, 1]).sum(1)
    sizes = torch.stack([first[:, 3] * first[:, 4], second[:, 3] * second[:, 4]])
    rounding = 16 * torch.finfo(area.dtype).eps * sizes.amax(0)
    return torch.where(area > rounding, area.minimum(sizes.amin(0)), 0)


def _corners(
    first: Float[Tensor, "n 7"], second: Float[Tensor, "n 7"]
) -> tuple[Float[Tensor, "n 4"], Float[Tensor, "n 4"]]:
    """Corners of the first rectangle in the frame of the second, counter-clockwise."""
    cos, sin = torch.cos(second[:, 6]), torch.sin(second[:, 6])
    dx, dy = (first[:, :2] - second[:, :2]).unbind(1)
    turn = first[:, 6] - second[:, 6]
    u = first[:, 3:4] / 2 * first.new_tensor([1.0, -1.0, -1.0, 1.0])
    v = first[:, 4:5] / 2 * first.new_tensor([1.0, 1.0, -1.0, -1.0])
    c, s = torch.cos(turn)[:, None], torch.sin(turn)[:, None]
    x = (cos * dx + sin * dy)[:, None] + (c * u - s * v)
    y = (cos * dy - sin * dx)[:, None] + (s * u + c * v)
    return x, y


def _integral(
    x: Float[Tensor, "n 4"],
    y: Float[Tensor, "n 4"],
    x_end: Float[Tensor, "n 4"],
    y_end: Float[Tensor, "n 4"],
    a: Float[Tensor, "n 1"],
    b: Float[Tensor, "n 1"],
) -> Float[Tensor, "n 4"]:
    """Of clamp(x, -a, a) dy along each edge, where |y| < b."""
    dx, dy = x_end - x, y_end - y
    enter, leave = _crossings(y, dy, b)
    low, high = _crossings(x, dx, a)
    low, high = low.maximum(enter).minimum(leave), high.maximum(enter).minimum(leave)
    times = torch.stack([enter, low, high, leave])
    values = (x + times * dx).maximum(-a).minimum(a)
    heights = (y + times * dy).maximum(-b).minimum(b)
    return ((values[1:] + values[:-1]) / 2 * heights.diff(dim=0)).sum(0)


def _crossings(
    start: Float[Tensor, "n 4"], change: Float[Tensor, "n 4"], limit: Float[Tensor, "n 1"]
) -> tuple[Float[Tensor, "n 4"], Float[Tensor, "n 4"]]:
    """When an edge, run through in the times 0 to 1, passes one limit and then the other."""
    slope = torch.where(change == 0, 1, change)
    one, other = (-limit - start) / slope, (limit - start) / slope
    return one.minimum(other).clamp(0, 1), one.maximum(other).clamp(0, 1)
