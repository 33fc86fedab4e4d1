"""The plan of a street: the road, what lines it, what stands on the pavement, and where we are."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from sparse3d.data.simulate.street import buildings, clutter, plants
from sparse3d.data.simulate.street.ground import Ground, Street
from sparse3d.data.simulate.street.lot import Lot
from sparse3d.data.simulate.street.things import Surface, Thing
from sparse3d.data.simulate.street.traffic import park_row, populate
from sparse3d.geometry.transforms import rigid

__all__ = ["StreetWorld", "lay_out"]

_Style = Literal["town", "suburb", "country"]
_Kind = Literal["facade", "house", "green", "yard", "wall"]
_KINDS: tuple[_Kind, ...] = ("facade", "house", "green", "yard", "wall")
_SHARES: dict[_Style, tuple[float, ...]] = {
    "town": (0.72, 0.08, 0.05, 0.1, 0.05),
    "suburb": (0.08, 0.55, 0.17, 0.1, 0.1),
    "country": (0.0, 0.15, 0.7, 0.1, 0.05),
}


@dataclass(frozen=True, slots=True)
class StreetWorld:
    """A street in its own frame, and the pose of the sensor in it."""

    things: tuple[Thing, ...]
    """Everything on the ground; those with a name are labelled."""
    ground: tuple[Surface, ...]
    """Road and pavements."""
    world_from_ego: Float64[Tensor, "4 4"]
    """Pose of the LiDAR."""


def lay_out(rng: np.random.Generator) -> StreetWorld:
    """Draw a street: town, suburb or country, sometimes with a crossing road."""
    ground, street = Ground.drawn(rng), _plan(rng)
    style: _Style = ("town", "suburb", "country")[rng.choice(3, p=(0.4, 0.4, 0.2))]
    place = np.array([0.0, -street.lane / 2 + rng.normal(0, 0.15)])
    lot = Lot(ground, clear=3.5)
    for side in (-1, 1):
        _line(lot, street, style, side, rng)
    populate(lot, street, rng)
    _pavement(lot, street, rng)
    _backdrop(lot, street, style, rng)
    surfaces = ground.surfaces(street, rng)
    return StreetWorld(tuple(lot.things), tuple(surfaces), _pose(ground, place, rng))


def _plan(rng: np.random.Generator) -> Street:
    parking = (bool(rng.random() < 0.6), bool(rng.random() < 0.6))
    crossing = float(rng.uniform(12, 45)) if rng.random() < 0.35 else None
    lane, pavement = float(rng.uniform(2.8, 3.6)), float(rng.uniform(1.5, 4.5))
    return Street(lane, parking, pavement, crossing, float(rng.uniform(3.0, 4.5)))


def _pose(ground: Ground, place: np.ndarray, rng: np.random.Generator) -> Float64[Tensor, "4 4"]:
    """A sensor 1.62 to 1.76 m above the road, nearly level, mostly along the road."""
    wide = rng.random() < 0.12
    yaw = rng.uniform(-0.6, 0.6) if wide else rng.normal(0, 0.035)
    pitch, roll = rng.normal(0, math.radians(0.5), 2).tolist()
    x, y = place.tolist()
    height = ground.at(x, y) + float(rng.uniform(1.62, 1.76))
    offset = torch.tensor([x, y, height], dtype=torch.float64)
    return rigid(torch.from_numpy(_turn(2, yaw) @ _turn(1, pitch) @ _turn(0, roll)), offset)


def _turn(axis: int, angle: float) -> np.ndarray:
    """Rotation about an axis, 0 to 2, by an angle in radians."""
    first, second = (axis + 1) % 3, (axis + 2) % 3
    matrix = np.eye(3)
    matrix[first, first] = matrix[second, second] = math.cos(angle)
    matrix[second, first], matrix[first, second] = math.sin(angle), -math.sin(angle)
    return matrix


def _line(lot: Lot, street: Street, style: _Style, side: int, rng: np.random.Generator) -> None:
    """Line one side of the road with houses, gardens, green and yards."""
    x, limit = -85.0, 85.0
    while x < limit:
        length = float(rng.uniform(7, 18))
        middle = x + length / 2
        if street.crosses(middle, length / 2 + 2.5):
            x += 2.0
            continue
        kind = _KINDS[rng.choice(len(_KINDS), p=_SHARES[style])]
        _BUILDERS[kind](lot, (middle, street.front(side), length), side, rng)
        x += length + (0.02 if kind == "facade" else float(rng.uniform(0, 2)))


_Span = tuple[float, float, float]  # middle along the road, distance of the front, length


def _facade(lot: Lot, span: _Span, side: int, rng: np.random.Generator) -> None:
    x, y, length = span
    thing = buildings.facade(length, float(rng.uniform(5.5, 12)), rng)
    lot.build(thing, x, side * (y + rng.uniform(0, 0.3)), _facing(side), raised=True)


def _house(lot: Lot, span: _Span, side: int, rng: np.random.Generator) -> None:
    x, y, length = span
    yaw, back = _facing(side), float(rng.uniform(2.5, 7))
    thing = buildings.house(length * float(rng.uniform(0.6, 0.9)), rng)
    lot.build(thing, x, side * (y + back), yaw, raised=True)
    border, kind = side * (y + 0.5), rng.random()
    if kind < 0.45:
        height = float(rng.uniform(0.8, 2.0))
        lot.build(plants.hedge(length * 0.9, 0.8, height, rng), x, border, yaw, raised=True)
    elif kind < 0.65:
        lot.build(buildings.fence(length * 0.9, 1.2, rng), x, border, yaw, raised=True)
    elif kind < 0.85:
        height = float(rng.uniform(0.5, 1.7))
        lot.build(buildings.wall(length * 0.8, height, rng), x, border, yaw, raised=True)
    if back > 5.2 and rng.random() < 0.3:
        park_row(lot, x, side * (y + 2.8), 1, math.pi / 2, rng)
    for _ in range(int(rng.integers(0, 3))):
        place = x + rng.uniform(-0.5, 0.5) * length, side * (y + rng.uniform(1, max(1.1, back - 1)))
        lot.put(_plant(rng), *place, rng.uniform(0, 6), raised=True)


def _green(lot: Lot, span: _Span, side: int, rng: np.random.Generator) -> None:
    x, y, length = span
    for _ in range(int(rng.integers(2, 6))):
        place = x + rng.uniform(-0.5, 0.5) * length, side * (y + rng.uniform(0.8, 9))
        lot.put(_plant(rng), *place, rng.uniform(0, 6), raised=True)
    if rng.random() < 0.4:
        hedge = plants.hedge(length * float(rng.uniform(0.3, 0.9)), 1.2, rng.uniform(0.8, 2.2), rng)
        lot.put(hedge, x, side * (y + 1), rng.normal(0, 0.1), raised=True)


def _yard(lot: Lot, span: _Span, side: int, rng: np.random.Generator) -> None:
    x, y, length = span
    if rng.random() < 0.5:
        park_row(lot, x - length / 2 + 1.3, side * (y + 2.8), int(length / 2.6), math.pi / 2, rng)
    for _ in range(int(rng.integers(1, 5))):
        draw = rng.random()
        thing = clutter.container(rng) if draw < 0.6 else clutter.bin_on_wheels(rng)
        place = x + rng.uniform(-0.5, 0.5) * length, side * (y + rng.uniform(1.2, 6))
        lot.put(thing, *place, rng.choice([0, math.pi / 2]) + rng.normal(0, 0.15), raised=True)
    lot.build(buildings.wall(length, 2.5, rng), x, side * (y + 8), _facing(side), raised=True)


def _wall(lot: Lot, span: _Span, side: int, rng: np.random.Generator) -> None:
    x, y, length = span
    thing = buildings.wall(length, float(rng.uniform(0.8, 2.6)), rng)
    lot.build(thing, x, side * (y + 0.2), _facing(side), raised=True)


_Builder = Callable[[Lot, _Span, int, np.random.Generator], None]
_BUILDERS: dict[_Kind, _Builder] = {
    "facade": _facade,
    "house": _house,
    "green": _green,
    "yard": _yard,
    "wall": _wall,
}


def _plant(rng: np.random.Generator) -> Thing:
    if rng.random() < 0.45:
        return plants.tree(float(rng.uniform(3.5, 9)), rng)
    return plants.bush(float(rng.uniform(0.5, 1.9)), float(rng.uniform(0.6, 2.4)), rng)


def _pavement(lot: Lot, street: Street, rng: np.random.Generator) -> None:
    """Poles and trees at the kerb, boxes and bins at the back."""
    for side in (-1, 1):
        with_trees, x = rng.random() < 0.4, -60 + rng.uniform(0, 10)
        while x < 75:
            thing = plants.tree(rng.uniform(5, 9), rng) if with_trees else clutter.pole(rng)
            y = side * (street.edge(side) + 0.5)
            if not street.crosses(x, 1):
                lot.build(thing, x, y, _facing(side), raised=True)
            x += rng.uniform(8, 30)
        for _ in range(int(rng.integers(2, 9))):
            x, y = rng.uniform(-40, 65), side * (street.front(side) - 0.5)
            if not street.crosses(x, 1):
                lot.put(_furniture(rng), x, y, _facing(side) + rng.normal(0, 0.1), raised=True)


def _furniture(rng: np.random.Generator) -> Thing:
    makers = (clutter.bin_on_wheels, clutter.cabinet, clutter.pillar, clutter.pole, clutter.shelter)
    return makers[rng.choice(5, p=(0.35, 0.2, 0.25, 0.12, 0.08))](rng)


def _backdrop(lot: Lot, street: Street, style: _Style, rng: np.random.Generator) -> None:
    """What closes the view: at the ends of the roads, and behind open ground."""
    for end in (-1, 1):
        if rng.random() < 0.95:
            x, y = end * rng.uniform(66, 78), rng.uniform(-8, 8)
            lot.build(_distant(60.0, rng), x, y, -end * math.pi / 2, raised=False)
        if street.crossing is not None:
            lot.build(_distant(30.0, rng), street.crossing, end * 52, _facing(end), raised=False)
            for flank in (-1, 1):
                x = street.crossing + flank * (street.cross_half + 4.8)
                lot.build(_distant(28.0, rng), x, end * 32, -flank * math.pi / 2, raised=True)
        if style != "town" or rng.random() < 0.5:
            for x in (-45, 45):
                depth = end * rng.uniform(24, 42)
                lot.build(plants.tree_row(88.0, rng.uniform(5, 10), rng), x, depth, 0, raised=True)


def _distant(length: float, rng: np.random.Generator) -> Thing:
    if rng.random() < 0.5:
        return buildings.facade(length, float(rng.uniform(5, 9)), rng)
    return plants.tree_row(length, float(rng.uniform(5, 9)), rng)


def _facing(side: int) -> float:
    """Yaw with which what faces -y faces the road from a side of it."""
    return 0.0 if side > 0 else math.pi
