"""Vectorised over pairs of a thing and a pixel of its bounding box, on any device with float64.

The nearest is found by the least of 64-bit keys: the bits of the depth, which are ordered as
positive floats are, above the number of the thing.
"""

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float64, Int64
from torch import Tensor

from sparse3d.ops.draw._canvas import Camera, Canvas
from sparse3d.ops.draw._clipping import lines_in_front, triangles_in_front
from sparse3d.ops.draw._shapes import Dots, Faces, Strokes

__all__ = ["lines", "points", "triangles"]

_PAIRS = 1 << 22  # pairs at once: some 300 MB
_SLACK = 1e-6  # pixels by which boxes are larger, so that rounding loses none
_GRID = 256  # corners of faces are rounded to this part of a pixel

Cover = Callable[[Int64[Tensor, " p"], Float64[Tensor, " p"], Float64[Tensor, " p"]], tuple]
"""From rows and pixel centres to whether those are covered, and the depth there."""
Paint = Callable[[Int64[Tensor, " p"], Float64[Tensor, " p"], Float64[Tensor, " p"]], Tensor]
"""From rows and pixel centres to colours."""


def points(canvas: Canvas, camera: Camera, dots: Dots) -> None:
    """Dots of a radius in pixels, or in scene units."""
    positions, colors, radius, in_world, first = dots
    local = _in_camera(camera, positions.double())
    number = (local[:, 2] > camera.near).nonzero()[:, 0]
    local = local[number]
    middle, z = _pixel(camera, local), local[:, 2]
    focal = camera.matrix.diagonal()[:2]
    reach = radius * focal / z[:, None] if in_world else torch.full_like(middle, radius)
    home, square = middle.floor(), reach * reach
    low, high = (middle - reach).minimum(home + 0.5), (middle + reach).maximum(home + 0.5)

    def cover(row: Tensor, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        dx, dy = x - middle[row, 0], y - middle[row, 1]
        rx, ry = square[row].unbind(1)
        within = dx * dx * ry + dy * dy * rx < rx * ry
        inside = (x - 0.5 == home[row, 0]) & (y - 0.5 == home[row, 1])
        return within | inside, z[row]

    _draw(canvas, low, high, cover, lambda row, _x, _y: colors[number[row]], number + first)


def lines(canvas: Canvas, camera: Camera, strokes: Strokes) -> None:
    """Lines of a width in pixels, their depths multiplied by a factor."""
    ends, colors, half, nearer, first = strokes
    local = _in_camera(camera, ends)
    number = (local[..., 2].amax(1) > camera.near).nonzero()[:, 0]
    local = lines_in_front(local[number], camera.near)
    a, b = _pixel(camera, local).unbind(1)
    along, closeness = b - a, 1 / local[..., 2]
    length = along[:, 0] * along[:, 0] + along[:, 1] * along[:, 1]
    flat = (length == 0)[:, None]  # seen from its end
    closeness = torch.where(flat, closeness.amax(1, keepdim=True), closeness)
    low, high = a.minimum(b) - half, a.maximum(b) + half

    def cover(row: Tensor, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        (u, v), (du, dv) = a[row].unbind(1), along[row].unbind(1)
        x, y, squared = x - u, y - v, length[row]
        t = ((x * du + y * dv) / torch.where(squared > 0, squared, 1.0)).clamp(0, 1)
        dx, dy = x - t * du, y - t * dv
        z = 1 / ((1 - t) * closeness[row, 0] + t * closeness[row, 1]) * nearer
        return dx * dx + dy * dy <= half * half, z

    _draw(canvas, low, high, cover, lambda row, _x, _y: colors[number[row]], number + first)


def triangles(canvas: Canvas, camera: Camera, faces: Faces) -> None:
    """Faces, seen from both sides, with a colour a corner."""
    corners, colors, first = faces
    local = torch.cat([_in_camera(camera, corners), colors.double()], -1)  # [n, 3, 6]
    local, number = triangles_in_front(local, camera.near)
    seen = (_pixel(camera, local) * _GRID + 0.5).floor() / _GRID  # [m, 3, 2]
    area = _edge(seen[:, 0], seen[:, 1], seen[:, 2])
    order = torch.where((area < 0)[:, None], *torch.tensor([[0, 2, 1], [0, 1, 2]]).to(number))
    every = torch.arange(len(order), device=order.device)[:, None]
    kept = area != 0
    seen, local, number = (
        value[kept] for value in (seen[every, order], local[every, order], number)
    )
    closeness = 1 / local[..., 2]

    def edges(row: Tensor, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Areas opposite to the corners, and whether each side has the pixel."""
        centre, corner = torch.stack([x, y], 1), seen[row]
        areas, sides = [], []
        for k in range(3):
            a, b = corner[:, (k + 1) % 3], corner[:, (k + 2) % 3]
            value = _edge(a, b, centre)
            areas.append(value)
            sides.append((value > 0) | ((value == 0) & _top_left(a, b)))
        return torch.stack(areas, 1), torch.stack(sides, 1)

    def cover(row: Tensor, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        areas, sides = edges(row, x, y)
        return sides.all(1), _sum(areas) / _sum(areas * closeness[row])

    def paint(row: Tensor, x: Tensor, y: Tensor) -> Tensor:
        weights = edges(row, x, y)[0] * closeness[row]
        return (weights[..., None] * local[row, :, 3:]).sum(1) / _sum(weights)[:, None]

    _draw(canvas, seen.amin(1), seen.amax(1), cover, paint, number + first)


def _draw(
    canvas: Canvas,
    low: Float64[Tensor, "n 2"],
    high: Float64[Tensor, "n 2"],
    cover: Cover,
    paint: Paint,
    ids: Int64[Tensor, " n"],
) -> None:
    """Find the nearest row at each pixel, then paint where it is nearer than what was there."""
    height, width = canvas.depths.shape
    size = torch.tensor([width, height], dtype=torch.float64, device=low.device)
    start = (low - 0.5 - _SLACK).ceil().clamp(min=0).minimum(size).long()
    extent = (high - 0.5 + _SLACK).floor().clamp(min=-1).minimum(size - 1).long() - start + 1
    extent = extent.clamp(min=0)
    keys = (canvas.depths.view(torch.int32).long() << 32).flatten()
    ends = (extent[:, 0] * extent[:, 1]).cumsum(0)
    for begin in range(0, int(ends[-1]) if len(ends) else 0, _PAIRS):
        stop = min(begin + _PAIRS, int(ends[-1]))
        row, x, y = _pairs(begin, stop, ends, start, extent)
        covered, depth = cover(row, x.double() + 0.5, y.double() + 0.5)
        row, x, y, depth = row[covered], x[covered], y[covered], depth[covered]
        key = (depth.float().view(torch.int32).long() << 32) + row + 1
        keys.scatter_reduce_(0, y * width + x, key, "amin")
    pixel = ((keys & 0xFFFFFFFF) > 0).nonzero()[:, 0]
    row = (keys[pixel] & 0xFFFFFFFF) - 1
    x, y = pixel % width, pixel // width
    canvas.depths[y, x] = (keys[pixel] >> 32).int().view(torch.float32)
    canvas.ids[y, x] = ids[row].int()
    canvas.colors[y, x] = paint(row, x.double() + 0.5, y.double() + 0.5).float()


def _pairs(
    begin: int,
    stop: int,
    ends: Int64[Tensor, " n"],
    start: Int64[Tensor, "n 2"],
    extent: Int64[Tensor, "n 2"],
) -> tuple[Tensor, Tensor, Tensor]:
    """Rows and pixels of some of all pairs, which are counted row by row, line by line."""
    pair = torch.arange(begin, stop, device=ends.device)
    row = torch.searchsorted(ends, pair, right=True)
    wide = extent[row, 0]
    local = pair - (ends[row] - wide * extent[row, 1])
    return row, start[row, 0] + local % wide, start[row, 1] + local // wide


def _edge(
    a: Float64[Tensor, "n 2"], b: Float64[Tensor, "n 2"], p: Float64[Tensor, "n 2"]
) -> Float64[Tensor, " n"]:
    """Twice the area of a triangle; from the lesser end, so that both directions round alike."""
    lesser = (b[:, 0] < a[:, 0]) | ((b[:, 0] == a[:, 0]) & (b[:, 1] < a[:, 1]))
    origin = torch.where(lesser[:, None], b, a)
    dx, dy = (b - a).unbind(1)
    return dx * (p[:, 1] - origin[:, 1]) - dy * (p[:, 0] - origin[:, 0])


def _top_left(a: Float64[Tensor, "n 2"], b: Float64[Tensor, "n 2"]) -> Bool[Tensor, " n"]:
    """Whether what is inside lies to the right of the edge, or below it if it is level."""
    return (b[:, 1] < a[:, 1]) | ((b[:, 1] == a[:, 1]) & (b[:, 0] > a[:, 0]))


def _sum(values: Float64[Tensor, "n 3"]) -> Float64[Tensor, " n"]:
    return values[:, 0] + values[:, 1] + values[:, 2]  # in this order, as every backend


def _in_camera(camera: Camera, places: Float64[Tensor, "*n 3"]) -> Float64[Tensor, "*n 3"]:
    x, y, z = (places - camera.world_from_camera[:3, 3]).unbind(-1)
    r = camera.world_from_camera
    return torch.stack([r[0, k] * x + r[1, k] * y + r[2, k] * z for k in range(3)], -1)


def _pixel(camera: Camera, local: Float64[Tensor, "*n _"]) -> Float64[Tensor, "*n 2"]:
    m, z = camera.matrix, local[..., 2]
    u, v = m[0, 0] * local[..., 0] / z + m[0, 2], m[1, 1] * local[..., 1] / z + m[1, 2]
    return torch.stack([u, v], -1)
