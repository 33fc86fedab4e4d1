"""Configuration of the second method; torch-free, so that help texts come quickly."""

from dataclasses import dataclass, field

from sparse3d.data.detection.config import AugmentConfig, DataConfig
from sparse3d.nn.config import (
    RateConfig,
    require_rates,
    require_voxels,
    require_widths,
    require_within,
)

__all__ = ["DecodeConfig", "LossConfig", "NetworkConfig", "SecondConfig"]


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
        require_within(self, "iterations loss.heatmap loss.box loss.direction", 0)
        require_within(self, "batch_size network.voxel_channels network.neck_outputs", 1)
        require_within(self, "network.upsample network.head_channels decode.max_detections", 1)
        require_within(self, "loss.min_radius", 0)
        require_within(self, "network.momentum loss.min_overlap", 1e-6, 1)
        require_within(self, "decode.score_threshold decode.nms_threshold", 0, 1)
        require_rates(self)
        require_widths(self, "network.encoder_channels", "network.encoder_layers")
        require_widths(self, "network.neck_channels", "network.neck_layers")
        require_voxels(self.dataset.low, self.dataset.high, self.network.voxel_size)
