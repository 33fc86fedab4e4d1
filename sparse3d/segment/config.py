"""Configuration of the sparse-unet method; torch-free, so that help texts come quickly."""

from dataclasses import dataclass, field
from typing import Literal

from sparse3d.data.segmentation.config import AugmentConfig, DataConfig
from sparse3d.nn.config import (
    RateConfig,
    require_rates,
    require_voxels,
    require_widths,
    require_within,
)

__all__ = ["LossConfig", "NetworkConfig", "SegmentConfig"]


@dataclass(frozen=True)
class NetworkConfig:
    """Sizes of the network."""

    voxel_size: tuple[float, float, float] = (0.2, 0.2, 0.2)
    """Edges of a voxel along x, y, z, metres."""
    voxel_channels: int = 16
    """Features a voxel."""
    channels: tuple[int, ...] = (16, 32, 64, 96)
    """Of the levels of the UNet; each but the first halves the resolution."""
    layers: tuple[int, ...] = (1, 1, 1, 1)
    """Residual blocks of each level, down and up again."""
    momentum: float = 0.1
    """Of the running statistics of the batch norms."""


@dataclass(frozen=True)
class LossConfig:
    """Weights of the losses."""

    cross_entropy: float = 1.0
    """Cross entropy of the points."""
    class_weights: Literal["none", "sqrt"] = "sqrt"
    """Of the cross entropy; sqrt: one over the root of how often a class occurs in up to 100 of
    the training frames."""
    lovasz: float = 1.0
    """Lovasz-softmax (Berman et al. 2018), which stands for the IoU itself."""


@dataclass(frozen=True)
class SegmentConfig:
    """A sparse residual UNet that names every point."""

    iterations: int = 2000
    """Training steps."""
    batch_size: int = 2
    """Frames a step."""
    dataset: DataConfig = field(default_factory=DataConfig)
    """Classes and range."""
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    """Random changes of the training frames."""
    network: NetworkConfig = field(default_factory=NetworkConfig)
    """Sizes."""
    loss: LossConfig = field(default_factory=LossConfig)
    """Losses."""
    rates: RateConfig = field(default_factory=RateConfig)
    """Optimisation."""

    def __post_init__(self) -> None:
        """Refuse what cannot be trained."""
        require_within(self, "iterations loss.cross_entropy loss.lovasz", 0)
        require_within(self, "batch_size network.voxel_channels", 1)
        require_within(self, "network.momentum", 1e-6, 1)
        require_rates(self)
        require_widths(self, "network.channels", "network.layers")
        require_voxels(self.dataset.low, self.dataset.high, self.network.voxel_size)
