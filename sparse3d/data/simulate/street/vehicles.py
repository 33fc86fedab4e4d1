"""Cars, vans and trucks: a side profile swept across the width, with a cabin that tapers."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np

from sparse3d.data.simulate.street.shapes import (
    Shape,
    boxes,
    cylinder,
    joined,
    ring_quads,
    split_quads,
)
from sparse3d.data.simulate.street.things import Color, Finish, Surface, Thing

__all__ = ["car", "truck", "van"]

_Skin = Literal["body", "screen", "side", "rear"]
_CLEARANCE = 0.19  # metres under the floor
_CAP = np.array([(0, i, i + 1) for i in range(1, 11)])  # of a cross-section
_SEGMENTS = 12  # around a cross-section: 0-3 up the left side, 4-6 the top, 7-10 down, 11 floor


@dataclass(frozen=True, slots=True)
class _Body:
    """The side profile of a car, from the front bumper to the rear one."""

    stations: tuple[tuple[float, float, _Skin], ...]
    """Share of the length, share of the height there, and what covers the car from there on:
    ``body`` paint; ``screen`` glass on top and sides; ``side`` glass at the sides; ``rear`` glass
    on top."""
    taper: float = 0.74
    """Width of the roof over that of the body."""
    belt: float = 0.61
    """Share of the height at which windows begin."""


_HATCHBACK = _Body(
    (
        *((0.0, 0.36, "body"), (0.012, 0.5, "body"), (0.05, 0.57, "body"), (0.24, 0.66, "screen")),
        *((0.43, 0.965, "side"), (0.58, 1.0, "body"), (0.61, 1.0, "side"), (0.8, 0.98, "body")),
        *((0.9, 0.94, "rear"), (0.975, 0.64, "body"), (1.0, 0.58, "body"), (1.0, 0.36, "body")),
    )
)
_SALOON = _Body(
    (
        *((0.0, 0.36, "body"), (0.01, 0.48, "body"), (0.04, 0.55, "body"), (0.27, 0.65, "screen")),
        *((0.43, 0.965, "side"), (0.55, 1.0, "body"), (0.58, 1.0, "side"), (0.7, 0.97, "rear")),
        *((0.84, 0.71, "body"), (0.975, 0.68, "body"), (1.0, 0.6, "body"), (1.0, 0.36, "body")),
    )
)
_ESTATE = _Body(
    (
        *((0.0, 0.36, "body"), (0.01, 0.48, "body"), (0.04, 0.56, "body"), (0.26, 0.65, "screen")),
        *((0.41, 0.965, "side"), (0.53, 1.0, "body"), (0.56, 1.0, "side"), (0.72, 0.99, "body")),
        *((0.74, 0.99, "side"), (0.9, 0.96, "rear"), (0.98, 0.64, "body"), (1.0, 0.58, "body")),
        (1.0, 0.36, "body"),
    )
)
_TALL = _Body(
    (
        *((0.0, 0.36, "body"), (0.01, 0.5, "body"), (0.04, 0.57, "body"), (0.17, 0.63, "screen")),
        *((0.38, 0.965, "side"), (0.54, 1.0, "body"), (0.57, 1.0, "side"), (0.76, 0.99, "body")),
        *((0.78, 0.99, "side"), (0.93, 0.96, "rear"), (0.985, 0.62, "body"), (1.0, 0.56, "body")),
        (1.0, 0.36, "body"),
    ),
    taper=0.8,
)
_PANEL_VAN = _Body(
    (
        *((0.0, 0.3, "body"), (0.01, 0.4, "body"), (0.03, 0.46, "body"), (0.13, 0.56, "screen")),
        *((0.27, 0.96, "side"), (0.38, 1.0, "body"), (0.7, 1.0, "body"), (0.985, 0.98, "body")),
        *((1.0, 0.95, "body"), (1.0, 0.3, "body")),
    ),
    taper=0.86,
    belt=0.56,
)
_CARS = (_HATCHBACK, _SALOON, _ESTATE, _TALL)
_SHARES = (0.46, 0.17, 0.22, 0.15)

_GLASS = Finish((0.1, 0.12, 0.14), 0.0, 70.0, 0.5, glass=True)
_RUBBER = Finish((0.06, 0.06, 0.06), 0.02, 30.0, 0.3)
_SEATS = Finish((0.08, 0.08, 0.09), 0.0, 26.0, 0.4)
_PLATE = Finish((0.85, 0.85, 0.8), 0.95, 120.0, 0.2)
_LAMP = Finish((0.7, 0.35, 0.3), 0.75, 70.0, 0.3)
_COLORS: tuple[Color, ...] = (
    *((0.08, 0.08, 0.09), (0.6, 0.61, 0.63), (0.42, 0.43, 0.45), (0.88, 0.88, 0.88)),
    *((0.1, 0.16, 0.35), (0.5, 0.06, 0.07), (0.12, 0.27, 0.17), (0.55, 0.5, 0.42)),
)


def car(rng: np.random.Generator) -> Thing:
    """A passenger car of a common shape, size and paint, labelled ``Car``."""
    body = _CARS[rng.choice(len(_CARS), p=_SHARES)]
    length = float(np.clip(rng.normal(3.85, 0.45) + 0.35 * (body in (_SALOON, _ESTATE)), 2.5, 4.9))
    width = float(np.clip(rng.normal(1.62, 0.1) + 0.06 * (length - 3.85), 1.42, 1.9))
    mean = 1.62 if body is _TALL else 1.5
    height = float(np.clip(rng.normal(mean, 0.1), 1.36, 1.9))
    return Thing(_vehicle(body, (length, width, height), rng), "Car")


def van(rng: np.random.Generator) -> Thing:
    """A panel van or a bus for a few people, labelled ``Van``."""
    length, width = float(rng.uniform(4.3, 5.9)), float(rng.uniform(1.75, 2.02))
    return Thing(_vehicle(_PANEL_VAN, (length, width, float(rng.uniform(1.85, 2.5))), rng), "Van")


def truck(rng: np.random.Generator) -> Thing:
    """A lorry: cab, gap, cargo box, wheels; labelled ``Truck``."""
    length, width, height = rng.uniform(6, 11), rng.uniform(2.3, 2.6), rng.uniform(2.8, 3.7)
    front = length / 2
    cab = boxes([(front - 0.9, 0, 1.55)], [(1.8, width * 0.96, 2.1)])
    screen = boxes([(front + 0.005, 0, 1.95)], [(0.02, width * 0.85, 0.8)])
    cargo = boxes([(-1.0, 0, (height + 1) / 2)], [(length - 2.0, width, height - 1)])
    frame = boxes([(0, 0, 0.8)], [(length * 0.94, 0.9, 0.3)])
    places = [(x, s) for x in (front - 1.2, -front + 1.2, -front + 2.3) for s in (-1, 1)]
    wheels = joined([_wheel(x, s * (width / 2 - 0.16), 0.48, 0.3) for x, s in places])
    skin = Finish(_COLORS[rng.integers(len(_COLORS))], 0.3, 90.0)
    sides = Finish(_COLORS[rng.integers(1, 4)], 0.45, 110.0)
    meshes = [(cab, skin), (screen, _GLASS), (cargo, sides), (frame, _RUBBER), (wheels, _RUBBER)]
    return Thing(tuple(Surface(mesh, finish) for mesh, finish in meshes), "Truck")


def _vehicle(
    body: _Body, size: tuple[float, float, float], rng: np.random.Generator
) -> tuple[Surface, ...]:
    length, width, height = size
    painted, glazed = _shell(body, length - 0.02, width - 0.01, height)
    radius = 0.29 + 0.02 * (height - 1.4)
    front, rear = length * (0.5 - 0.19), -length * (0.5 - 0.19)
    places = [(x, s * (width / 2 - 0.1)) for x in (front, rear) for s in (-1, 1)]
    wheels = joined([_wheel(x, y, radius, 0.2) for x, y in places])
    cabin = _cabin(body, length, width, height)
    surfaces = [(painted, _paint(rng)), (glazed, _GLASS), (wheels, _RUBBER), (cabin, _SEATS)]
    return tuple(Surface(mesh, finish) for mesh, finish in (*surfaces, *_fittings(size, rng)))


def _paint(rng: np.random.Generator) -> Finish:
    color = _COLORS[rng.choice(len(_COLORS), p=(0.25, 0.2, 0.17, 0.1, 0.1, 0.08, 0.05, 0.05))]
    dark = rng.random() < 0.5
    reflectance = 0.0 if dark else float(rng.uniform(0.04, 0.5))
    reach = 43.0 * float(np.exp(rng.normal(-0.1 if dark else 0.1, 0.25)))
    return Finish(color, reflectance, reach, float(rng.uniform(0.25, 0.6)))


def _wheel(x: float, y: float, radius: float, width: float) -> Shape:
    upright = cylinder(14).scaled(radius, radius, width)
    axle = upright.vertices[:, [0, 2, 1]] * (1, -1, 1)
    return Shape(axle + np.array([x, y + width / 2, radius]), upright.triangles)


def _cabin(body: _Body, length: float, width: float, height: float) -> Shape:
    """Seats and backs, as seen through the windows."""
    belt, middle = body.belt * height, width * 0.72
    seats = [(0.03 * length, 0.0, belt * 0.7), (-0.27 * length, 0.0, belt * 0.7)]
    backs = [(-0.07 * length, 0.0, belt * 1.05), (-0.27 * length, 0.0, belt * 1.05)]
    sizes = [(0.2 * length, middle, 0.25), (0.15 * length, middle, 0.25)]
    return boxes([*seats, *backs], [*sizes, *[(0.12, middle, 0.45)] * 2])


def _fittings(
    size: tuple[float, float, float], rng: np.random.Generator
) -> list[tuple[Shape, Finish]]:
    """Number plates and lamps, flush with the bumpers."""
    length, width, height = size
    end, side = length / 2 - 0.01, width * 0.33
    low, high = 0.3 * height, 0.34 * height
    plates = boxes([(end, 0, low), (-end, 0, low)], [(0.02, 0.5, 0.11)] * 2)
    lamps = [(x, y, high) for x in (end, -end) for y in (side, -side)]
    return [(plates, _PLATE), (boxes(lamps, [(0.02, 0.32, 0.13)] * 4), _LAMP)]


def _shell(body: _Body, length: float, width: float, height: float) -> tuple[Shape, Shape]:
    """Painted and glazed skin."""
    rings = _sections(body, length, width, height)
    quads = ring_quads(len(rings), _SEGMENTS)[..., ::-1]  # outwards, as rings go backwards
    glass = _glass_faces(body)
    last = (len(rings) - 1) * _SEGMENTS
    caps = np.concatenate([_CAP, last + _CAP[:, ::-1]])
    vertices = rings.reshape(-1, 3)
    painted = np.concatenate([split_quads(quads[~glass]), caps])
    return Shape(vertices, painted), Shape(vertices, split_quads(quads[glass]))


@lru_cache(maxsize=8)
def _glass_faces(body: _Body) -> np.ndarray:
    """Which faces [stations - 1, segments] are glass."""
    return np.array([_glazed(skin) for _, _, skin in body.stations[:-1]])


def _glazed(skin: _Skin) -> list[bool]:
    """Which segments of a cross-section are glass."""
    panes = {"body": (), "side": (3, 7), "screen": (3, 4, 5, 6, 7), "rear": (4, 5, 6)}[skin]
    return [segment in panes for segment in range(_SEGMENTS)]


def _sections(body: _Body, length: float, width: float, height: float) -> np.ndarray:
    """Points [stations, 12, 3] around the car at each station, from the front."""
    share, top = np.array([(x, z) for x, z, _ in body.stations]).T
    ends = np.maximum(0, 0.12 - share) / 0.12, np.maximum(0, share - 0.92) / 0.08
    half = width / 2 * (1 - 0.16 * ends[0] ** 2 - 0.08 * ends[1] ** 2)
    roof = np.clip((top - body.belt) / (1 - body.belt), 0, 1)
    shoulder = 0.97 - (0.97 - body.taper) * roof
    clear = _CLEARANCE / height
    levels = [np.full_like(top, z) for z in (clear, clear + 0.09, 0.42, body.belt)]
    zs = np.minimum(np.stack([*levels, top - 0.025, top], 1), top[:, None])
    ones = np.ones_like(top)
    ys = np.stack([0.84 * ones, 0.98 * ones, ones, 0.97 * ones, shoulder, shoulder - 0.09], 1)
    left = np.stack([ys * half[:, None], zs * height], -1)  # [stations, 6, 2]
    ring = np.concatenate([left, left[:, ::-1] * (-1, 1)], axis=1)
    x = np.broadcast_to(((0.5 - share) * length)[:, None, None], (*ring.shape[:2], 1))
    return np.concatenate([x, ring], axis=2)
