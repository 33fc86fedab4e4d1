"""Configuration of detection data; torch-free, so that help texts come quickly."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sparse3d.errors import ConfigError

__all__ = ["AugmentConfig", "DataConfig", "View"]

View = Literal["camera", "all"]


@dataclass(frozen=True)
class DataConfig:
    """Which objects, which part of the space, which frames."""

    classes: tuple[str, ...] = ("Car", "Pedestrian", "Cyclist")
    """Class names to detect, compared exactly."""
    renamed: tuple[str, ...] = ()
    """Class names of the data that stand for others, such as Sedan=Car (theirs=ours)."""
    ignored: tuple[str, ...] = ("Van", "Truck", "Tram", "Misc", "Person_sitting")
    """Classes that are neither object nor background; all others are background."""
    low: tuple[float, float, float] = (0.0, -40.0, -3.0)
    """Least x, y, z in the LiDAR frame, metres; points and box centres outside are dropped."""
    high: tuple[float, float, float] = (70.4, 40.0, 1.0)
    """Greatest x, y, z in the LiDAR frame, metres."""
    view: Literal["auto", "camera", "all"] = "auto"
    """camera: only what the main camera's image shows, as KITTI labels nothing else; all:
    everything; auto: camera for data in KITTI's format."""
    min_points: int = 1
    """Boxes with fewer points inside are neither object nor background."""
    intensity: bool = True
    """Whether detectors see the strength of returns; if not, it is 0."""
    intensity_scale: float = 1.0
    """Intensities are divided by this and then cut to 0 to 1 (KITTI: 1, nuScenes: 255)."""
    val_fraction: float = 0.2
    """Share of the frames that is held out where the data set itself names no split; of fewer than
    20 frames, none is."""

    def __post_init__(self) -> None:
        """Refuse what contradicts itself."""
        _require_names(self.classes, self.ignored)
        _require_renamings(self.renamed, (*self.classes, *self.ignored))
        for axis, low, high in zip("xyz", self.low, self.high, strict=True):
            if not (math.isfinite(low) and math.isfinite(high) and low < high):
                raise ConfigError(f"low must be below high, got {low} and {high} for {axis}")
        if self.min_points < 0:
            raise ConfigError(f"min_points must be at least 0, got {self.min_points}")
        if not 0 < self.intensity_scale < math.inf:
            raise ConfigError(f"intensity_scale must be positive, got {self.intensity_scale}")
        if not 0 <= self.val_fraction < 1:
            raise ConfigError(
                f"val_fraction must be from 0 to less than 1, got {self.val_fraction}"
            )


@dataclass(frozen=True)
class AugmentConfig:
    """Random changes of training frames; points and boxes move together."""

    flip: bool = True
    """Mirror y in half of the samples."""
    rotation: float = 45.0
    """Largest rotation about z either way, degrees; uniform."""
    scale: tuple[float, float] = (0.95, 1.05)
    """Least and largest factor of all lengths; uniform."""
    translation: tuple[float, float, float] = (0.0, 0.0, 0.1)
    """Standard deviation of a shift along x, y, z, metres."""
    drop_intensity: float = 0.0
    """Probability that all intensities of a sample become 0."""

    def __post_init__(self) -> None:
        """Refuse what cannot be drawn."""
        if not 0 <= self.rotation <= 180:
            raise ConfigError(f"rotation must be from 0 to 180 degrees, got {self.rotation}")
        if not 0 < self.scale[0] <= self.scale[1] < math.inf:
            raise ConfigError(f"scale must be positive, least first, got {self.scale}")
        if not all(0 <= sigma < math.inf for sigma in self.translation):
            raise ConfigError(f"translation must be at least 0, got {self.translation}")
        if not 0 <= self.drop_intensity <= 1:
            raise ConfigError(f"drop_intensity must be from 0 to 1, got {self.drop_intensity}")


def _require_names(classes: Sequence[str], ignored: Sequence[str]) -> None:
    if not classes:
        raise ConfigError("classes must name at least one class")
    # The metrics, as KITTI's own, do not tell upper and lower case apart.
    counts = Counter(map(str.lower, classes))
    twice = [name for name in classes if counts[name.lower()] > 1]
    if twice:
        raise ConfigError(f"classes names {twice[0]} twice")
    both = sorted(set(classes) & set(ignored))
    if both:
        raise ConfigError(f"class {both[0]} is in classes and in ignored; leave it out of one")


def _require_renamings(renamed: Sequence[str], known: Sequence[str]) -> None:
    seen: set[str] = set()
    for text in renamed:
        theirs, equals, ours = text.partition("=")
        if not (theirs and equals and ours):
            raise ConfigError(f"renamed takes theirs=ours, such as Sedan=Car, got {text!r}")
        if ours not in known:
            raise ConfigError(f"renamed: {text}: {ours} is neither in classes nor in ignored")
        if theirs in seen:
            raise ConfigError(f"renamed gives {theirs} twice")
        seen.add(theirs)
