"""Who uses the street: parked rows, traffic, people."""

import math

import numpy as np

from sparse3d.data.simulate.street.ground import Street
from sparse3d.data.simulate.street.lot import Lot
from sparse3d.data.simulate.street.people import bicycle, cyclist, pedestrian
from sparse3d.data.simulate.street.things import Thing
from sparse3d.data.simulate.street.vehicles import car, truck, van

__all__ = ["park_row", "populate"]

_Place = tuple[float, float, float, bool]  # x, y, yaw, raised


def populate(lot: Lot, street: Street, rng: np.random.Generator) -> None:
    """Put 4 to 16 vehicles ahead and a few behind, and people where they walk and ride."""
    places = [place for side in (-1, 1) for place in _kerbside(street, side, rng)]
    places += _traffic(street, rng) + _side_street(street, rng)
    ahead = [place for place in places if place[0] > 4]
    behind = [place for place in places if place[0] <= 4]
    for group, most in ((ahead, int(rng.integers(4, 17))), (behind, int(rng.integers(7)))):
        for i in sorted(rng.permutation(len(group))[:most].tolist()):
            x, y, yaw, raised = group[i]
            lot.put(_vehicle(rng), x, y, yaw, raised=raised)
    _people(lot, street, rng)


def park_row(
    lot: Lot, x: float, y: float, count: int, yaw: float, rng: np.random.Generator
) -> None:
    """Cars side by side at right angles to the street, from ``x`` on, raised."""
    for i in range(count):
        heading = yaw + math.pi * (rng.random() < 0.3) + rng.normal(0, 0.04)
        if rng.random() < 0.75:
            lot.put(car(rng), x + 2.55 * i, y + rng.normal(0, 0.2), heading, raised=True)


def _vehicle(rng: np.random.Generator) -> Thing:
    kind = rng.random()
    return car(rng) if kind < 0.89 else van(rng) if kind < 0.97 else truck(rng)


def _kerbside(street: Street, side: int, rng: np.random.Generator) -> list[_Place]:
    """Where cars stand in the parking lane: runs with gaps of 0.5 to 1 m, and holes."""
    if not street.parking[side > 0]:
        return []
    y, fill = side * (street.edge(side) - 1.0), rng.uniform(0.25, 0.95)
    places, x = [], -60 + rng.uniform(0, 5)
    while x < 72:
        if rng.random() < fill and not street.crosses(x, 5):
            yaw = (0 if side < 0 else math.pi) + math.pi * (rng.random() < 0.1)
            places.append((x, y + rng.normal(0, 0.12), yaw + rng.normal(0, 0.05), False))
        x += 4.0 + rng.uniform(0.5, 1.4)
    return places


def _traffic(street: Street, rng: np.random.Generator) -> list[_Place]:
    places = []
    for direction in (-1, 1):  # of the lane's side: right ahead, left oncoming
        x = rng.uniform(-60, -20)
        dense = rng.random() < 0.25
        while x < 75:
            y = direction * street.lane / 2 + rng.normal(0, 0.2)
            yaw = (0 if direction < 0 else math.pi) + rng.normal(0, 0.03)
            places.append((x, y, yaw, False))
            x += rng.uniform(6.5, 10) if dense else rng.uniform(12, 50)
    return [place for place in places if abs(place[0]) > 8 or place[1] > 0]


def _side_street(street: Street, rng: np.random.Generator) -> list[_Place]:
    if street.crossing is None:
        return []
    places = []
    for y in rng.uniform(-45, 45, int(rng.integers(0, 5))).tolist():
        lane = street.cross_half / 2 * (1 if rng.random() < 0.5 else -1)
        yaw = math.copysign(math.pi / 2, lane) + rng.normal(0, 0.05)
        places.append((street.crossing + lane, y, yaw, False))
    for side in (-1, 1):
        for y in rng.uniform(street.front(side) + 4, 40, int(rng.integers(0, 4))).tolist():
            flank = 1 if rng.random() < 0.5 else -1
            x = street.crossing + flank * (street.cross_half + 1.0)
            yaw = math.pi / 2 * flank + rng.normal(0, 0.06)
            places.append((x, side * y, yaw, True))
    return places


def _people(lot: Lot, street: Street, rng: np.random.Generator) -> None:
    for _ in range(int(rng.integers(0, 9))):
        side = 1 if rng.random() < 0.5 else -1
        x, across = rng.triangular(-25, 12, 55), rng.uniform(0.3, street.pavement - 0.2)
        along = math.pi * (rng.random() < 0.5) + rng.normal(0, 0.3)
        if rng.random() < 0.15:  # on the road
            yaw = side * math.pi / 2 + rng.normal(0, 0.3)
            lot.put(pedestrian(rng), x, rng.uniform(-1, 1) * street.edge(side), yaw, raised=False)
        elif not street.crosses(x, 0):
            y = side * (street.edge(side) + across)
            lot.put(pedestrian(rng), x, y, along, raised=True)
    for _ in range(int(rng.integers(0, 4))):
        side = 1 if rng.random() < 0.4 else -1
        x, y = rng.triangular(-25, 12, 55), side * (street.lane - rng.uniform(0.4, 1.1))
        lot.put(
            cyclist(rng), x, y, (math.pi if side > 0 else 0) + rng.normal(0, 0.08), raised=False
        )
    for _ in range(int(rng.integers(0, 3))):
        side, x = (1 if rng.random() < 0.5 else -1), rng.uniform(-20, 40)
        if not street.crosses(x, 1):
            y = side * (street.front(side) - 0.35)
            lot.put(bicycle(rng), x, y, rng.normal(0, 0.2), raised=True)
