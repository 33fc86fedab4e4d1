"""Angles of boxes in text files: are they radians at all?"""

import math

__all__ = ["turn_problem"]

_FULL_TURN = 2 * math.pi + 0.1
"""Detectors write sums of angles that may exceed a turn by a little."""


def turn_problem(angle: float) -> str | None:
    """What is wrong with an angle in radians; None where it lies within a full turn."""
    if abs(angle) <= _FULL_TURN:
        return None
    return f"{angle:g} looks like degrees; radians between -2 pi and 2 pi expected"
