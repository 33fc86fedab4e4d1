"""Every pixel looks at everything, in plain float64 arithmetic."""

import math
from collections.abc import Iterator

import numpy as np
from jaxtyping import Float64
from torch import Tensor

__all__ = ["lines", "points", "triangles"]

Canvas = tuple[Tensor, Tensor, Tensor]
"""Colours, depths and numbers of one picture."""
Camera = tuple[Float64[Tensor, "4 4"], Float64[Tensor, "3 3"], float]
"""Pose, calibration and the depth at which things are cut."""
Dots = tuple[Tensor, Tensor, float, bool, int]
"""Positions [n, 3], colours [n, 3], radius, whether that is in scene units, number of the first."""
Strokes = tuple[Tensor, Tensor, float, float, int]
"""Ends [n, 2, 3], colours [n, 3], half the width, factor of the depth, number of the first."""
Faces = tuple[Tensor, Tensor, int]
"""Corners [n, 3, 3], colours [n, 3, 3], number of the first."""
Place = list[float]


def points(canvas: Canvas, camera: Camera, dots: Dots) -> None:
    """Dots of a radius in pixels, or in scene units."""
    positions, colors, radius, in_world, first = dots
    _, matrix, near = camera
    for i, place in enumerate(positions.tolist()):
        local = _in_camera(camera, place)
        z = local[2]
        if z <= near:
            continue
        u, v = _pixel(camera, local)
        rx = radius * float(matrix[0, 0]) / z if in_world else radius
        ry = radius * float(matrix[1, 1]) / z if in_world else radius
        for row, column in _pixels(canvas):
            dx, dy = column + 0.5 - u, row + 0.5 - v
            within = dx * dx * (ry * ry) + dy * dy * (rx * rx) < rx * rx * (ry * ry)
            if within or (math.floor(u), math.floor(v)) == (column, row):
                _put(canvas, row, column, z, colors[i].tolist(), first + i)


def lines(canvas: Canvas, camera: Camera, strokes: Strokes) -> None:
    """Lines of a width in pixels, their depths multiplied by a factor."""
    ends, colors, half, nearer, first = strokes
    near = camera[2]
    for i, pair in enumerate(ends.tolist()):
        a, b = (_in_camera(camera, place) for place in pair)
        if max(a[2], b[2]) <= near:
            continue
        a, b = _cut(a, b, near), _cut(b, a, near)
        (u, v), (u1, v1) = _pixel(camera, a), _pixel(camera, b)
        du, dv, closeness = u1 - u, v1 - v, [1 / a[2], 1 / b[2]]
        length = du * du + dv * dv
        if length == 0:  # seen from its end
            closeness = [max(closeness)] * 2
        for row, column in _pixels(canvas):
            x, y = column + 0.5 - u, row + 0.5 - v
            t = min(max((x * du + y * dv) / length, 0.0), 1.0) if length > 0 else 0.0
            dx, dy = x - t * du, y - t * dv
            if dx * dx + dy * dy <= half * half:
                z = 1 / ((1 - t) * closeness[0] + t * closeness[1]) * nearer
                _put(canvas, row, column, z, colors[i].tolist(), first + i)


def triangles(canvas: Canvas, camera: Camera, faces: Faces) -> None:
    """Faces, seen from both sides, with a colour a corner."""
    corners, colors, first = faces
    for i, (places, paints) in enumerate(zip(corners.tolist(), colors.tolist(), strict=True)):
        local = [
            [*_in_camera(camera, place), *paint]
            for place, paint in zip(places, paints, strict=True)
        ]
        for part in _in_front(local, camera[2]):
            _triangle(canvas, camera, part, first + i)


def _triangle(canvas: Canvas, camera: Camera, corners: list[Place], number: int) -> None:
    seen = [_snapped(_pixel(camera, corner)) for corner in corners]
    area = _edge(seen[0], seen[1], seen[2])
    if area == 0:
        return
    if area < 0:
        seen, corners = [seen[0], seen[2], seen[1]], [corners[0], corners[2], corners[1]]
    for row, column in _pixels(canvas):
        centre = [column + 0.5, row + 0.5]
        sides = [(seen[1], seen[2]), (seen[2], seen[0]), (seen[0], seen[1])]
        e = [_edge(a, b, centre) for a, b in sides]
        if all(value > 0 or (value == 0 and _top_left(*side)) for value, side in zip(e, sides)):  # noqa: B905
            w = [e[k] * (1 / corners[k][2]) for k in range(3)]
            z = (e[0] + e[1] + e[2]) / (w[0] + w[1] + w[2])
            paint = [sum(w[k] * corners[k][3 + c] for k in range(3)) / sum(w) for c in range(3)]
            _put(canvas, row, column, z, paint, number)


def _edge(a: Place, b: Place, p: Place) -> float:
    """Twice the area of a triangle; from the lesser end, so that both directions round alike."""
    x, y = min(a, b)
    return (b[0] - a[0]) * (p[1] - y) - (b[1] - a[1]) * (p[0] - x)


def _top_left(a: Place, b: Place) -> bool:
    """Whether what is inside lies to the right of the edge, or below it if it is level."""
    return b[1] < a[1] or (b[1] == a[1] and b[0] > a[0])


def _snapped(pixel: Place) -> Place:
    return [math.floor(value * 256 + 0.5) / 256 for value in pixel]


def _in_front(corners: list[Place], near: float) -> list[list[Place]]:
    """The part beyond ``near``: none, one or two triangles, the corner that is alone first."""
    ahead = [corner[2] > near for corner in corners]
    if sum(ahead) in (0, 3):
        return [corners] if all(ahead) else []
    k = ahead.index(sum(ahead) == 1)
    a, b, c = corners[k], corners[(k + 1) % 3], corners[(k + 2) % 3]
    if ahead[k]:
        return [[a, _cut(b, a, near), _cut(c, a, near)]]
    ab, ca = _cut(a, b, near), _cut(a, c, near)
    return [[ab, b, c], [ab, c, ca]]


def _cut(corner: Place, other: Place, near: float) -> Place:
    """The corner, or, if it is not beyond ``near``, where the way to the other one comes there."""
    if corner[2] > near:
        return corner
    t = (near - corner[2]) / (other[2] - corner[2])
    moved = [a + t * (b - a) for a, b in zip(corner, other, strict=True)]
    return [*moved[:2], near, *moved[3:]]


def _in_camera(camera: Camera, place: Place) -> Place:
    pose = camera[0].tolist()
    d = [place[k] - pose[k][3] for k in range(3)]
    return [pose[0][k] * d[0] + pose[1][k] * d[1] + pose[2][k] * d[2] for k in range(3)]


def _pixel(camera: Camera, local: Place) -> Place:
    (fx, _, cx), (_, fy, cy), _ = camera[1].tolist()
    return [fx * local[0] / local[2] + cx, fy * local[1] / local[2] + cy]


def _pixels(canvas: Canvas) -> Iterator[tuple[int, int]]:
    height, width = canvas[1].shape
    return ((row, column) for row in range(height) for column in range(width))


def _put(
    canvas: Canvas, row: int, column: int, depth: float, color: list[float], number: int
) -> None:
    colors, depths, ids = canvas
    if float(np.float32(depth)) < float(depths[row, column]):
        depths[row, column] = depth
        ids[row, column] = number
        colors[row, column] = colors.new_tensor(color)
