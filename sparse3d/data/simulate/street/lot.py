"""A place to put things on, which knows what is taken."""

import math

from sparse3d.data.simulate.street.ground import Ground
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
        self._taken: list[tuple[float, float, float]] = [(0.0, 0.0, clear)]

    def put(self, thing: Thing, x: float, y: float, yaw: float = 0.0, *, raised: bool) -> bool:
        """Place a thing if there is room for it, and say whether there was."""
        discs = _discs(thing, x, y, yaw)
        if not all(self._is_free(*disc) for disc in discs):
            return False
        self._taken += discs
        self.build(thing, x, y, yaw, raised=raised)
        return True

    def build(self, thing: Thing, x: float, y: float, yaw: float, *, raised: bool) -> None:
        """Place a thing where the plan wants it, whatever is there."""
        self.things.append(thing.placed(x, y, self._ground.at(x, y, raised=raised), yaw))

    def _is_free(self, x: float, y: float, radius: float) -> bool:
        return all(math.hypot(x - u, y - v) > radius + other + _GAP for u, v, other in self._taken)


def _discs(thing: Thing, x: float, y: float, yaw: float) -> list[tuple[float, float, float]]:
    """Discs along the longer side that cover most of the footprint."""
    length, width, _ = thing.size()
    turn = yaw if length >= width else yaw + math.pi / 2
    long, radius = max(length, width), min(length, width) / 2
    count = max(1, round(long / max(2 * radius, 0.2)))
    steps = [(i + 0.5) / count - 0.5 for i in range(count)]
    cos, sin = math.cos(turn), math.sin(turn)
    return [(x + cos * long * step, y + sin * long * step, radius) for step in steps]
