"""Facades with depth, houses, walls, fences: x along the street, facing -y, metres."""

import numpy as np

from sparse3d.data.simulate.street.shapes import Shape, Vector, boxes
from sparse3d.data.simulate.street.things import Color, Finish, Surface, Thing, varied

__all__ = ["facade", "fence", "house", "wall"]

_PANE = Finish((0.25, 0.3, 0.35), 0.1, 70.0, 0.6)
_ROOF = Finish((0.35, 0.18, 0.13), 0.3, 150.0, 0.3)
_WOOD = Finish((0.4, 0.3, 0.2), 0.35, 120.0, 0.3)
_WALLS: tuple[Color, ...] = (
    *((0.72, 0.66, 0.55), (0.6, 0.35, 0.27), (0.78, 0.76, 0.72), (0.65, 0.6, 0.45)),
    *((0.5, 0.5, 0.5),),
)


def facade(length: float, height: float, rng: np.random.Generator) -> Thing:
    """A house front: panes behind piers and bands, a body behind."""
    recess, depth = float(rng.uniform(0.12, 0.3)), 8.0
    floors = max(1, round(height / 3.1))
    bays = max(1, round(length / rng.uniform(1.8, 3.2)))
    wide, tall = length / bays, height / floors
    pier, sill = wide * rng.uniform(0.45, 0.7), tall * rng.uniform(0.25, 0.35)
    centers: list[Vector] = []
    sizes: list[Vector] = []
    for i in range(bays + 1):  # piers between the windows
        half = 0.5 if i in (0, bays) else 1.0
        x = -length / 2 + i * wide + (0.25 * pier if i == 0 else -0.25 * pier if i == bays else 0)
        centers.append((x, recess / 2, height / 2))
        sizes.append((pier * half, recess, height))
    for k in range(floors + 1):  # bands of lintel and sill, a little behind the piers
        low = k * tall - (0 if k == 0 else 0.35)
        high = min(height, k * tall + sill)
        centers.append((0.0, recess / 2 + 0.01, (low + high) / 2))
        sizes.append((length - 0.02, recess - 0.02, high - low))
    body = boxes([(0, depth / 2 + recess, height / 2)], [(length, depth, height)])
    pane = boxes([(0, recess - 0.01, height / 2)], [(length - 0.04, 0.02, height - 0.04)])
    doors = _doors(length, wide, recess, rng)
    skin = _skin(rng)
    parts = [(boxes(centers, sizes), skin), (body, skin), (pane, _PANE), (doors, _WOOD)]
    roof = _gable(length + 0.3, depth + 0.6, height, float(rng.uniform(1.5, 3.5)), depth / 2)
    return Thing(tuple(Surface(mesh, finish) for mesh, finish in [*parts, (roof, _ROOF)]))


def house(length: float, rng: np.random.Generator) -> Thing:
    """A detached house of one or two floors."""
    return facade(length, float(rng.uniform(3.0, 6.2)), rng)


def wall(length: float, height: float, rng: np.random.Generator) -> Thing:
    """A garden wall with pillars."""
    ends = [(x, 0.0, height / 2 + 0.05) for x in (-length / 2 + 0.2, length / 2 - 0.2)]
    centers = [(0.0, 0.0, height / 2), *ends]
    sizes = [(length - 0.4, 0.22, height), *[(0.4, 0.4, height + 0.1)] * 2]
    return Thing((Surface(boxes(centers, sizes), _skin(rng)),))


def fence(length: float, height: float, rng: np.random.Generator) -> Thing:
    """Posts, rails and slats with gaps."""
    step = float(rng.uniform(0.13, 0.3))
    xs = np.arange(-length / 2 + 0.1, length / 2 - 0.1, step).tolist()
    slats = [(x, 0.0, height / 2) for x in xs]
    rails = [(0.0, 0.04, height * share) for share in (0.25, 0.8)]
    sizes = [*[(0.09, 0.025, height)] * len(slats), *[(length, 0.05, 0.09)] * 2]
    return Thing((Surface(boxes([*slats, *rails], sizes), _WOOD),))


def _skin(rng: np.random.Generator) -> Finish:
    color = varied(_WALLS[rng.integers(len(_WALLS))], rng)
    return Finish(color, float(rng.uniform(0.15, 0.65)), 170.0, 0.3)


def _doors(length: float, wide: float, recess: float, rng: np.random.Generator):
    x = (rng.integers(max(1, int(length / wide))) + 0.5) * wide - length / 2
    return boxes([(float(x), recess * 0.75, 1.05)], [(1.0, recess * 0.5, 2.1)])


def _gable(length: float, depth: float, base: float, rise: float, middle: float):
    """A ridged roof along x over a rectangle whose centre line is at y = ``middle``."""
    ends = [(-length / 2, -depth / 2, 0), (-length / 2, depth / 2, 0), (-length / 2, 0, rise)]
    offset = np.array([0, middle, base])
    corners = np.array([*ends, *((-x, y, z) for x, y, z in ends)]) + offset
    faces = [(0, 2, 1), (3, 4, 5), (0, 3, 5), (0, 5, 2), (1, 2, 5), (1, 5, 4), (0, 1, 4), (0, 4, 3)]
    return Shape(corners, np.array(faces))
