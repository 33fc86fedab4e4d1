"""Shapes by the dozen: many boxes at once, tubes, rings, leaves and sheets, metres.

A street has about a thousand of them, so they are bare arrays until a street is whole.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch

from sparse3d.data.simulate.primitives import cylinder_mesh, sphere_mesh
from sparse3d.scene import Mesh

__all__ = [
    "Number",
    "Shape",
    "Vector",
    "ball",
    "boxes",
    "cylinder",
    "joined",
    "leaves",
    "lofted",
    "ring",
    "ring_quads",
    "sheet",
    "split_quads",
    "tube",
]

Number = float | int
Vector = tuple[Number, Number, Number]

_CORNERS = np.array([(x, y, z) for z in (-0.5, 0.5) for y in (-0.5, 0.5) for x in (-0.5, 0.5)])
_QUADS = ((0, 2, 3, 1), (4, 5, 7, 6), (0, 1, 5, 4), (2, 6, 7, 3), (0, 4, 6, 2), (1, 3, 7, 5))
_BOX = np.array([t for a, b, c, d in _QUADS for t in ((a, b, c), (a, c, d))])


@dataclass(frozen=True, slots=True)
class Shape:
    """Triangles as arrays, counter-clockwise seen from outside."""

    vertices: np.ndarray
    """Places [v, 3]."""
    triangles: np.ndarray
    """Vertex numbers [t, 3]."""

    def moved(self, x: Number, y: Number, z: Number, yaw: Number = 0) -> "Shape":
        """Turned by ``yaw`` radians about +z, then shifted."""
        cos, sin = math.cos(yaw), math.sin(yaw)
        turn = np.array([[cos, sin, 0.0], [-sin, cos, 0.0], [0.0, 0.0, 1.0]])
        return Shape(self.vertices @ turn + np.array([x, y, z]), self.triangles)

    def scaled(self, x: Number, y: Number, z: Number) -> "Shape":
        """Stretched along the axes by positive factors."""
        return Shape(self.vertices * np.array([x, y, z]), self.triangles)

    def mesh(self) -> Mesh:
        """The same as a mesh, float32."""
        points = torch.from_numpy(np.ascontiguousarray(self.vertices, np.float32))
        return Mesh(points, torch.from_numpy(np.ascontiguousarray(self.triangles, np.int64)))


def joined(shapes: Sequence[Shape]) -> Shape:
    """All shapes as one."""
    starts = np.cumsum([0, *(len(shape.vertices) for shape in shapes)]).tolist()
    triangles = [s.triangles + start for s, start in zip(shapes, starts, strict=False)]
    return Shape(np.concatenate([s.vertices for s in shapes]), np.concatenate(triangles))


def boxes(centers: Sequence[Vector], sizes: Sequence[Vector]) -> Shape:
    """Boxes with edges along the axes, one for each centre and size."""
    places = np.asarray(centers, float).reshape(-1, 1, 3)
    vertices = places + _CORNERS * np.asarray(sizes, float).reshape(-1, 1, 3)
    triangles = _BOX + 8 * np.arange(len(places))[:, None, None]
    return Shape(vertices.reshape(-1, 3), triangles.reshape(-1, 3))


@lru_cache(maxsize=8)
def ball(rings: int) -> Shape:
    """A sphere of radius 1 about the origin."""
    mesh = sphere_mesh(1.0, rings)
    return Shape(mesh.vertices.double().numpy(), mesh.triangles.numpy())


@lru_cache(maxsize=8)
def cylinder(sides: int) -> Shape:
    """A cylinder of radius 1 and height 1 on the origin, about the z axis."""
    mesh = cylinder_mesh(1.0, 1.0, sides)
    return Shape(mesh.vertices.double().numpy() + np.array([0, 0, 0.5]), mesh.triangles.numpy())


def tube(points: Sequence[Vector], radii: Sequence[float], sides: int = 7) -> Shape:
    """A closed tube along a polyline, its radius given at each point."""
    path = np.asarray(points, float)
    x, y, z = ((path[-1] - path[0]) / math.dist(path[-1], path[0])).tolist()
    flat = math.hypot(x, y)
    sideways = (
        (-y / flat, x / flat, 0.0)
        if flat > 0.1
        else (0.0, z / math.hypot(y, z), -y / math.hypot(y, z))
    )
    first = np.array(sideways)
    a, b, c = sideways
    second = np.array([y * c - z * b, z * a - x * c, x * b - y * a])
    circle = _circle(sides) @ np.stack([first, second])
    return lofted(path[:, None] + np.asarray(radii, float)[:, None, None] * circle)


def lofted(rings: np.ndarray) -> Shape:
    """A closed surface over rings of points [k, n, 3], each counter-clockwise seen from the last.

    The ends are fans about the middle of the first and of the last ring.
    """
    vertices = np.concatenate([rings.reshape(-1, 3), rings[[0, -1]].mean(1)])
    return Shape(vertices, _loft(*rings.shape[:2]))


def split_quads(quads: np.ndarray) -> np.ndarray:
    """Triangles [2 n, 3] of faces [n, 4]."""
    return np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])


def ring(x: Number, z: Number, radius: float, width: float, sides: int = 14) -> Shape:
    """A wheel without disc, standing in the x-z plane about ``(x, 0, z)``; ``width`` thick."""
    spokes = _circle(sides)[:, [0, 0, 1]] * (1, 0, 1)
    lengths = np.array([radius, radius - width, radius - width, radius])
    section = spokes[:, None] * lengths[:, None]  # [sides, 4, 3]
    section[..., 1] = np.array([1, 1, -1, -1]) * width / 2
    numbers = np.arange(4 * sides).reshape(sides, 4)
    side, around = np.roll(numbers, -1, axis=1), np.roll(numbers, -1, axis=0)
    corner = np.roll(side, -1, axis=0)
    quads = np.stack([numbers, side, corner, around], -1).reshape(-1, 4)
    return Shape(section.reshape(-1, 3) + np.array([x, 0, z]), split_quads(quads))


def leaves(centers: np.ndarray, size: float, rng: np.random.Generator) -> Shape:
    """A triangle of about ``size`` metres, turned at random, about each centre [n, 3]."""
    corners = rng.normal(0, 0.5 * size, (len(centers), 3, 3))
    vertices = (centers[:, None] + corners).reshape(-1, 3)
    return Shape(vertices, np.arange(len(vertices)).reshape(-1, 3))


def sheet(xs: np.ndarray, ys: np.ndarray, heights: np.ndarray) -> Shape:
    """A surface over a grid, facing up; heights [x, y]."""
    x, y = np.broadcast_arrays(xs[:, None], ys)
    numbers = np.arange(x.size).reshape(x.shape)
    corners = numbers[:-1, :-1], numbers[1:, :-1], numbers[1:, 1:], numbers[:-1, 1:]
    quads = np.stack(corners, -1).reshape(-1, 4)
    return Shape(np.stack([x, y, heights], -1).reshape(-1, 3), split_quads(quads))


@lru_cache(maxsize=16)
def _circle(sides: int) -> np.ndarray:
    angle = np.arange(sides) * (2 * math.pi / sides)
    return np.stack([np.cos(angle), np.sin(angle)], 1)


@lru_cache(maxsize=32)
def ring_quads(count: int, sides: int) -> np.ndarray:
    """Vertex numbers [count - 1, sides, 4] of the faces between rings, outwards."""
    low = np.arange((count - 1) * sides).reshape(count - 1, sides)
    after = np.roll(low, -1, axis=1)
    return np.stack([low, after, after + sides, low + sides], axis=-1)


@lru_cache(maxsize=32)
def _loft(count: int, sides: int) -> np.ndarray:
    around = np.arange(sides)
    after, last = (around + 1) % sides, (count - 1) * sides
    start, end = np.full(sides, count * sides), np.full(sides, count * sides + 1)
    caps = [np.stack([start, after, around], 1), np.stack([end, last + around, last + after], 1)]
    return np.concatenate([split_quads(ring_quads(count, sides).reshape(-1, 4)), *caps])
