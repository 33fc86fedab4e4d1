"""Configuration of the second method; torch-free, so that help texts come quickly."""

import math
from dataclasses import dataclass, field
from operator import attrgetter

from sparse3d.data.detection.config import AugmentConfig, DataConfig
from sparse3d.errors import ConfigError

__all__ = ["DecodeConfig", "LossConfig", "NetworkConfig", "RateConfig", "SecondConfig"]

_MOST_CELLS = 30_000


@dataclass(frozen=True)
class NetworkConfig:
    """Sizes of the network."""

    voxel_size: tuple[float, float, float] = (0.1, 0.1, 0.2)
    """Edges of a voxel along x, y, z, metres."""
    voxel_channels: int = 16
    """Features a voxel."""
    encoder_channels: tuple[int, ...] = (16, 32, 48, 64)
    """Of the stages of the sparse backbone; each but the first halves the resolution."""
    encoder_layers: tuple[int, ...] = (1, 1, 1, 1)
    """Submanifold convolutions of each stage."""
    neck_channels: tuple[int, ...] = (64, 64)
    """Of the blocks of the bird's eye view; each but the first halves the resolution."""
    neck_layers: tuple[int, ...] = (3, 3)
    """Convolutions of each block."""
    neck_outputs: int = 32
    """Channels that each block hands to the head."""
    upsample: int = 2
    """Heatmap cells along an edge of a cell of the backbone's bird's eye view."""
    head_channels: int = 32
    """Of the layer before the heatmaps and boxes."""
    momentum: float = 0.03
    """Of the running statistics of the batch norms."""


@dataclass(frozen=True)
class LossConfig:
    """Weights of the losses."""

    heatmap: float = 1.0
    """Focal loss of the centre heatmaps."""
    box: float = 2.0
    """L1 of offset, height, size and axis."""
    direction: float = 0.2
    """Cross entropy of the direction along the axis. Short trainings need 1 to 4 to learn it, and
    boxes get less exact by that."""
    min_overlap: float = 0.1
    """The heatmap of an object reaches as far as shifted boxes overlap it by this IoU."""
    min_radius: int = 2
    """At least so many heatmap cells."""


@dataclass(frozen=True)
class RateConfig:
    """AdamW with one cycle of the learning rate: up along a cosine, then down."""

    peak: float = 3e-3
    """Highest learning rate."""
    warmup: float = 0.3
    """Share of the training in which it rises."""
    start_divisor: float = 10.0
    """The first learning rate is the highest divided by this."""
    end_divisor: float = 1e3
    """The last learning rate is the highest divided by this."""
    weight_decay: float = 0.01
    """Decoupled (Loshchilov and Hutter 2019)."""
    clip_norm: float = 10.0
    """Gradients are shortened to this norm."""


@dataclass(frozen=True)
class DecodeConfig:
    """From heatmaps to boxes."""

    score_threshold: float = 0.05
    """Peaks below it are no detections."""
    max_detections: int = 100
    """A frame."""
    nms_threshold: float = 0.1
    """Of two boxes of a class that overlap more than this (BEV IoU), the weaker is dropped."""


@dataclass(frozen=True)
class SecondConfig:
    """SECOND's sparse backbone with a centre heatmap head."""

    iterations: int = 2000
    """Training steps."""
    batch_size: int = 2
    """Frames a step."""
    dataset: DataConfig = field(default_factory=DataConfig)
    """Classes, range, crop."""
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    """Random changes of the training frames."""
    network: NetworkConfig = field(default_factory=NetworkConfig)
    """Sizes."""
    loss: LossConfig = field(default_factory=LossConfig)
    """Losses."""
    rates: RateConfig = field(default_factory=RateConfig)
    """Optimisation."""
    decode: DecodeConfig = field(default_factory=DecodeConfig)
    """Detection."""

    def __post_init__(self) -> None:
        """Refuse what cannot be trained."""
        _require(
            self, "iterations loss.heatmap loss.box loss.direction rates.peak rates.weight_decay", 0
        )
        _require(self, "batch_size network.voxel_channels network.neck_outputs", 1)
        _require(self, "network.upsample network.head_channels decode.max_detections", 1)
        _require(self, "loss.min_radius", 0)
        _require(self, "rates.clip_norm network.momentum loss.min_overlap", 1e-6)
        _require(self, "rates.start_divisor rates.end_divisor", 1)
        _require(self, "network.momentum rates.warmup decode.score_threshold", 0, 1)
        _require(self, "decode.nms_threshold loss.min_overlap", 0, 1)
        _require_widths(self, "network.encoder_channels", "network.encoder_layers")
        _require_widths(self, "network.neck_channels", "network.neck_layers")
        if not all(math.isfinite(e) and e > 0 for e in self.network.voxel_size):
            raise ConfigError(f"network.voxel_size must be positive, got {self.network.voxel_size}")
        _require_cells(self)


def _require(
    config: SecondConfig, names: str, low: float | int, high: float | int | None = None
) -> None:
    """Refuse values that are not finite or not from ``low`` to ``high``."""
    for name in names.split():
        value = attrgetter(name)(config)
        if not low <= value < math.inf or (high is not None and value > high):
            bounds = f"at least {low}" if high is None else f"from {low} to {high}"
            raise ConfigError(f"{name} must be {bounds}, got {value}")


def _require_widths(config: SecondConfig, channels: str, layers: str) -> None:
    """Refuse stages without channels or layers, and lists of different lengths."""
    widths, counts = attrgetter(channels)(config), attrgetter(layers)(config)
    if not widths or len(widths) != len(counts) or min(*widths, *counts) < 1:
        raise ConfigError(
            f"{channels} and {layers} must be positive and equally many, got {widths} and {counts}"
        )


def _require_cells(config: SecondConfig) -> None:
    """Refuse grids that keys cannot hold, and with which training would not end either."""
    ends = zip(config.dataset.low, config.dataset.high, config.network.voxel_size, strict=True)
    cells = [math.ceil((high - low) / edge) for low, high, edge in ends]
    if max(cells) > _MOST_CELLS:
        raise ConfigError(
            f"network.voxel_size cuts the range into {cells} voxels, at most {_MOST_CELLS} along an"
            " axis are possible"
        )
