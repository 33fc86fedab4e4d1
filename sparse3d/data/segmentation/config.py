"""Configuration of segmentation data; torch-free, so that help texts come quickly."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from sparse3d.errors import ConfigError

__all__ = ["ID_LIMIT", "AugmentConfig", "DataConfig", "NamedIds", "parse_class"]

ID_LIMIT = 1 << 16
"""Ids of label files are below."""

_SEMANTIC_KITTI = (
    "car=10,252",
    "bicycle=11",
    "motorcycle=15",
    "truck=18,258",
    "other-vehicle=20,13,16,256,257,259",
    "person=30,254",
    "bicyclist=31,253",
    "motorcyclist=32,255",
    "road=40,60",
    "parking=44",
    "sidewalk=48",
    "other-ground=49",
    "building=50",
    "fence=51",
    "vegetation=70",
    "trunk=71",
    "terrain=72",
    "pole=80",
    "traffic-sign=81",
)
"""The 19 classes of SemanticKITTI's single-scan benchmark and the ids that fall under them: the
``learning_map`` and its inverse in ``config/semantic-kitti.yaml`` of the semantic-kitti-api."""

NamedIds = tuple[str, tuple[int, ...]]
"""A class and its ids in label files, the one that is written first."""


@dataclass(frozen=True)
class DataConfig:
    """Which classes, which part of the space, which frames."""

    classes: tuple[str, ...] = _SEMANTIC_KITTI
    """Classes and the ids that fall under them in label files (name=id,id,...); of several, the
    first is the one that is written. By default SemanticKITTI's 19."""
    ignored: tuple[int, ...] = (0, 1, 52, 99)
    """Ids that count neither in training nor in the metrics; the first is written where nothing
    was predicted."""
    low: tuple[float, float, float] = (-100.0, -100.0, -12.0)
    """Least x, y, z in the LiDAR frame, metres; nothing is predicted outside."""
    high: tuple[float, float, float] = (100.0, 100.0, 4.0)
    """Greatest x, y, z in the LiDAR frame, metres."""
    intensity: bool = True
    """Whether the strength of returns is seen; if not, it is 0."""
    intensity_scale: float = 1.0
    """Intensities are divided by this and then cut to 0 to 1 (KITTI: 1, nuScenes: 255)."""
    val_fraction: float = 0.2
    """Share of the frames that is held out where the data set itself names no split; of fewer than
    20 frames, none is."""

    def __post_init__(self) -> None:
        """Refuse what contradicts itself."""
        _require_ids([parse_class(text) for text in self.classes], self.ignored)
        for axis, low, high in zip("xyz", self.low, self.high, strict=True):
            if not (math.isfinite(low) and math.isfinite(high) and low < high):
                raise ConfigError(f"low must be below high, got {low} and {high} for {axis}")
        if not 0 < self.intensity_scale < math.inf:
            raise ConfigError(f"intensity_scale must be positive, got {self.intensity_scale}")
        if not 0 <= self.val_fraction < 1:
            raise ConfigError(
                f"val_fraction must be from 0 to less than 1, got {self.val_fraction}"
            )


@dataclass(frozen=True)
class AugmentConfig:
    """Random changes of training sweeps."""

    flip: bool = True
    """Mirror y in half of the samples."""
    rotation: float = 180.0
    """Largest rotation about z either way, degrees; uniform."""
    scale: tuple[float, float] = (0.95, 1.05)
    """Least and largest factor of all lengths; uniform."""
    translation: tuple[float, float, float] = (0.0, 0.0, 0.1)
    """Standard deviation of a shift along x, y, z, metres."""
    jitter: float = 0.01
    """Standard deviation of a shift of every point by itself along each axis, metres."""
    drop_intensity: float = 0.0
    """Probability that all intensities of a sample become 0."""

    def __post_init__(self) -> None:
        """Refuse what cannot be drawn."""
        if not 0 <= self.rotation <= 180:
            raise ConfigError(f"rotation must be from 0 to 180 degrees, got {self.rotation}")
        if not 0 < self.scale[0] <= self.scale[1] < math.inf:
            raise ConfigError(f"scale must be positive, least first, got {self.scale}")
        if not all(0 <= sigma < math.inf for sigma in (*self.translation, self.jitter)):
            raise ConfigError(
                f"translation and jitter must be at least 0, got {self.translation} and"
                f" {self.jitter}"
            )
        if not 0 <= self.drop_intensity <= 1:
            raise ConfigError(f"drop_intensity must be from 0 to 1, got {self.drop_intensity}")


def parse_class(text: str) -> NamedIds:
    """Name and ids of a class.

    >>> parse_class("road=40,60")
    ('road', (40, 60))

    Raises:
        ConfigError: If the text is not name=id,id,... with ids from 0 to 65535.
    """
    name, equals, numbers = text.partition("=")
    words = numbers.split(",")
    if not (name and equals and all(word.isascii() and word.isdigit() for word in words)):
        raise ConfigError(f"classes take name=id,id,..., such as road=40,60, got {text!r}")
    return name, tuple(int(word) for word in words)


def _require_ids(classes: Sequence[NamedIds], ignored: Sequence[int]) -> None:
    if not classes:
        raise ConfigError("classes must name at least one class")
    if not ignored:
        raise ConfigError("ignored must hold at least one id, that of unlabelled points")
    names: set[str] = set()
    owners = dict.fromkeys(ignored, "ignored")
    for name, ids in classes:
        if name in names:
            raise ConfigError(f"classes names {name} twice")
        names.add(name)
        for number in ids:
            if owners.setdefault(number, name) != name:
                raise ConfigError(f"id {number} is in {owners[number]} and in {name}")
    too_large = [number for number in owners if not 0 <= number < ID_LIMIT]
    if too_large:
        raise ConfigError(f"ids must be from 0 to {ID_LIMIT - 1}, got {too_large[0]}")
