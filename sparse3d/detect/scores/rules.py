"""Which objects and detections count: KITTI's classes, overlaps and difficulties.

The rules of the benchmark's own program (Geiger et al., "Are we ready for autonomous driving?",
2012; its development kit), to the order in which they are applied.
"""

from collections.abc import Collection
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int8
from torch import Tensor

from sparse3d.detect.scores.table import Objects

__all__ = [
    "ALL",
    "COUNTS",
    "IGNORED",
    "KITTI_LEVELS",
    "OTHER",
    "Level",
    "detection_states",
    "loose_overlap",
    "min_overlap",
    "truth_states",
]

COUNTS, IGNORED, OTHER = 0, 1, -1
"""States: counts; neither right nor wrong, but may be matched; plays no part."""

_NEIGHBOURS = {"car": "van", "pedestrian": "person_sitting"}


@dataclass(frozen=True, slots=True)
class Level:
    """What an object must be like to count."""

    name: str
    """As in the result."""
    min_height: float
    """In the image, whole pixels; what is as high as this counts."""
    max_occlusion: int
    """KITTI's code, 0 to 3."""
    max_truncation: float
    """Share outside of the image."""


KITTI_LEVELS = (
    Level("easy", 40.0, 0, 0.15),
    Level("moderate", 25.0, 1, 0.30),
    Level("hard", 25.0, 2, 0.50),
)
"""Each contains the one before."""
ALL = Level("all", 0.0, 0, 0.0)
"""For boxes of which no image is known: all of them count."""


def min_overlap(name: str) -> float:
    """Intersection over union above which a detection is right, by class."""
    return 0.7 if name.lower() == "car" else 0.5


def loose_overlap(name: str) -> float:
    """The less strict overlap that is usual besides, for BEV and 3D."""
    return 0.5 if name.lower() == "car" else 0.25


def truth_states(
    truth: Objects, name: str, level: Level, ignored: Collection[str] = ()
) -> Int8[Tensor, " n"]:
    """State of each annotation: too hard ones and those of a similar class are ignored.

    Args:
        truth: Annotations.
        name: Class that is scored.
        level: What counts.
        ignored: Further classes that are ignored.
    """
    same, similar = truth.is_named(name), truth.is_named(_NEIGHBOURS.get(name.lower(), ""))
    for other in ignored:
        similar = similar | truth.is_named(other)
    hard = (
        (truth.occlusions > level.max_occlusion)
        | (truth.truncations > level.max_truncation)
        | (truth.heights < level.min_height)
    )
    return _states(same & ~hard, similar | (same & hard))


def detection_states(detections: Objects, name: str, level: Level) -> Int8[Tensor, " n"]:
    """State of each detection: low ones are ignored, whatever their class."""
    low = detections.heights < level.min_height
    return _states(detections.is_named(name) & ~low, low)


def _states(counts: Bool[Tensor, " n"], ignored: Bool[Tensor, " n"]) -> Int8[Tensor, " n"]:
    states = torch.full(counts.shape, OTHER, dtype=torch.int8)
    states[ignored] = IGNORED
    states[counts] = COUNTS
    return states
