"""Meshes by the dozen: many boxes at once, tubes, rings, leaves and sheets, metres."""

import math
from collections.abc import Sequence

import numpy as np
import torch

from sparse3d.scene import Mesh

__all__ = [
    "Vector",
    "boxes",
    "joined",
    "leaves",
    "lofted",
    "mesh_of",
    "ring",
    "ring_quads",
    "sheet",
    "tube",
]

_CORNERS = np.array([(x, y, z) for z in (-0.5, 0.5) for y in (-0.5, 0.5) for x in (-0.5, 0.5)])
_QUADS = ((0, 2, 3, 1), (4, 5, 7, 6), (0, 1, 5, 4), (2, 6, 7, 3), (0, 4, 6, 2), (1, 3, 7, 5))
_BOX = np.array([t for a, b, c, d in _QUADS for t in ((a, b, c), (a, c, d))])

Vector = tuple[float, float, float]


def mesh_of(vertices: np.ndarray, triangles: np.ndarray) -> Mesh:
    """A mesh from arrays of any real and whole type."""
    points = torch.from_numpy(np.ascontiguousarray(vertices, np.float32))
    return Mesh(points, torch.from_numpy(np.ascontiguousarray(triangles, np.int64)))


def joined(meshes: Sequence[Mesh]) -> Mesh:
    """All meshes as one."""
    starts = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes)]).tolist()
    triangles = [m.triangles + start for m, start in zip(meshes, starts, strict=False)]
    return Mesh(torch.cat([mesh.vertices for mesh in meshes]), torch.cat(triangles))


def boxes(centers: Sequence[Vector], sizes: Sequence[Vector]) -> Mesh:
    """Boxes with edges along the axes, one for each centre and size."""
    places = np.asarray(centers, float).reshape(-1, 1, 3)
    vertices = places + _CORNERS * np.asarray(sizes, float).reshape(-1, 1, 3)
    triangles = _BOX + 8 * np.arange(len(places))[:, None, None]
    return mesh_of(vertices.reshape(-1, 3), triangles.reshape(-1, 3))


def tube(points: Sequence[Vector], radii: Sequence[float], sides: int = 7) -> Mesh:
    """A closed tube along a polyline, its radius given at each point."""
    path = np.asarray(points, float)
    along = path[-1] - path[0]
    along /= np.linalg.norm(along)
    helper = np.array([1.0, 0, 0]) if abs(along[0]) < 0.8 else np.array([0, 0, 1.0])
    first = np.cross(along, helper)
    first /= np.linalg.norm(first)
    angle = np.arange(sides) * (2 * math.pi / sides)
    circle = np.cos(angle)[:, None] * first + np.sin(angle)[:, None] * np.cross(along, first)
    return lofted(path[:, None] + np.asarray(radii, float)[:, None, None] * circle)


def lofted(rings: np.ndarray) -> Mesh:
    """A closed surface over rings of points [k, n, 3], each counter-clockwise seen from ahead."""
    count, sides = rings.shape[:2]
    vertices = np.concatenate([rings.reshape(-1, 3), rings[[0, -1]].mean(1)])
    quads = ring_quads(count, sides).reshape(-1, 4)
    around = np.arange(sides)
    after, last = (around + 1) % sides, (count - 1) * sides
    start, end = np.full(sides, count * sides), np.full(sides, count * sides + 1)
    caps = [np.stack([start, after, around], 1), np.stack([end, last + around, last + after], 1)]
    return mesh_of(vertices, np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]], *caps]))


def ring_quads(count: int, sides: int) -> np.ndarray:
    """Vertex numbers [count - 1, sides, 4] of the faces between rings, outwards."""
    low = np.arange((count - 1) * sides).reshape(count - 1, sides)
    after = np.roll(low, -1, axis=1)
    return np.stack([low, after, after + sides, low + sides], axis=-1)


def ring(x: float, z: float, radius: float, width: float, sides: int = 14) -> Mesh:
    """A wheel without disc, standing in the x-z plane about ``(x, 0, z)``; ``width`` thick."""
    angle = np.arange(sides) * (2 * math.pi / sides)
    spokes = np.stack([np.cos(angle), np.zeros(sides), np.sin(angle)], 1)
    lengths = np.array([radius, radius - width, radius - width, radius])
    offsets = np.array([1, 1, -1, -1]) * width / 2
    section = spokes[:, None] * lengths[:, None]  # [sides, 4, 3]
    section[..., 1] = offsets
    numbers = np.arange(4 * sides).reshape(sides, 4)
    side, around = np.roll(numbers, -1, axis=1), np.roll(numbers, -1, axis=0)
    corner = np.roll(side, -1, axis=0)
    quads = np.stack([numbers, around, corner, side], -1).reshape(-1, 4)
    triangles = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    return mesh_of(section.reshape(-1, 3) + np.array([x, 0, z]), triangles)


def leaves(centers: np.ndarray, size: float, rng: np.random.Generator) -> Mesh:
    """A triangle of about ``size`` metres, turned at random, about each centre [n, 3]."""
    corners = rng.normal(0, 0.5 * size, (len(centers), 3, 3))
    vertices = (centers[:, None] + corners).reshape(-1, 3)
    return mesh_of(vertices, np.arange(len(vertices)).reshape(-1, 3))


def sheet(xs: np.ndarray, ys: np.ndarray, heights: np.ndarray) -> Mesh:
    """A surface over a grid, facing up; heights [x, y]."""
    x, y = np.meshgrid(xs, ys, indexing="ij")
    numbers = np.arange(x.size).reshape(x.shape)
    a, b, c, d = numbers[:-1, :-1], numbers[1:, :-1], numbers[1:, 1:], numbers[:-1, 1:]
    triangles = np.concatenate(
        [np.stack(corners, -1).reshape(-1, 3) for corners in ((a, b, c), (a, c, d))]
    )
    return mesh_of(np.stack([x, y, heights], -1).reshape(-1, 3), triangles)
