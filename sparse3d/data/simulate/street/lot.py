"""A place to put things on, which knows what is taken."""

import math

import numpy as np

from sparse3d.data.simulate.street.ground import Ground
from sparse3d.data.simulate.street.shapes import Number
from sparse3d.data.simulate.street.things import Thing

__all__ = ["Lot"]

_GAP = 0.25  # metres between things at least


class Lot:
    """Things on the ground, none within another.

    Args:
        ground: Where they stand.
        clear: Radius about the origin that stays free, metres.
    """

    def __init__(self, ground: Ground, clear: float) -> None:
        self.things: list[Thing] = []
        self._ground = ground
        self._taken = np.array([(0.0, 0.0, clear)])

    def put(self, thing: Thing, x: float, y: float, yaw: Number = 0, *, raised: bool) -> bool:
        """Place a thing if there is room for it, and say whether there was."""
        discs = _discs(thing, x, y, yaw)
        offsets = discs[:, None, :2] - self._taken[:, :2]
        reach = discs[:, None, 2] + self._taken[:, 2] + _GAP
        if ((offsets**2).sum(-1) < reach**2).any():
            return False
        self._taken = np.concatenate([self._taken, discs])
        self.build(thing, x, y, yaw, raised=raised)
        return True

    def build(self, thing: Thing, x: Number, y: Number, yaw: Number, *, raised: bool) -> None:
        """Place a thing where the plan wants it, whatever is there."""
        self.things.append(thing.placed(x, y, self._ground.at(x, y, raised=raised), yaw))


def _discs(thing: Thing, x: float, y: float, yaw: Number) -> np.ndarray:
    """Discs [n, 3] of x, y and radius along the longer side that cover most of the footprint."""
    length, width, _ = thing.size()
    turn = yaw if length >= width else yaw + math.pi / 2
    long, radius = max(length, width), min(length, width) / 2
    count = max(1, round(long / max(2 * radius, 0.2)))
    steps = ((np.arange(count) + 0.5) / count - 0.5) * long
    places = np.array([x, y]) + np.outer(steps, (math.cos(turn), math.sin(turn)))
    return np.concatenate([places, np.full((count, 1), radius)], axis=1)
