"""What streets are simulated; free of heavy imports, as the command line reads it."""

from dataclasses import dataclass
from typing import Literal

from sparse3d.errors import ConfigError

__all__ = ["StreetConfig"]

_SEEDS = 2**63
_MOST_FRAMES = 1_000_000


@dataclass(frozen=True)
class StreetConfig:
    """How many street frames, and what is written of them."""

    frames: int = 100
    """Number of frames; each is another street. Every fifth is for validation."""
    seed: int = 0
    """The same seed gives the same bytes; frame i is the same for any number of frames."""
    images: bool = False
    """Whether the camera's photo is rendered, too (a second or two a frame)."""
    to: Literal["kitti", "scene"] = "kitti"
    """kitti: KITTI's folders, labels of what the camera sees; scene: a scene folder, all
    boxes around."""

    def __post_init__(self) -> None:
        """Refuse what cannot be simulated."""
        if not 1 <= self.frames <= _MOST_FRAMES:
            raise ConfigError(f"frames must be from 1 to {_MOST_FRAMES}, got {self.frames}")
        if not 0 <= self.seed < _SEEDS:
            raise ConfigError(f"seed must be from 0 to {_SEEDS - 1}, got {self.seed}")
