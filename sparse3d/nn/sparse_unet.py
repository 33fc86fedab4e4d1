"""A residual UNet of sparse convolutions: features of every voxel that know their surroundings."""

from collections.abc import Sequence

import torch
from torch import nn

from sparse3d.nn.sparse import SparseTensor
from sparse3d.nn.sparse_blocks import ConvBlock, InverseBlock, ResidualBlock
from sparse3d.ops.neighbours import Kernel

__all__ = ["SparseUNet"]

_SAME = Kernel()
_HALF = Kernel(stride=(2, 2, 2))


class SparseUNet(nn.Module):
    """Voxels in, features of the same voxels out.

    Residual blocks of submanifold convolutions on ever coarser grids, and back by inverse
    convolutions with the features of the way down beside them (Graham et al. 2018, "3D Semantic
    Segmentation with Submanifold Sparse Convolutional Networks", section 4; Choy et al. 2019, "4D
    Spatio-Temporal ConvNets", section 5).

    Args:
        inputs: Features a voxel.
        channels: Of each level, the finest first.
        layers: Residual blocks of each level; on the way back up as many again.
        momentum: Of the batch norms' running statistics.
        halving: Kernel from a level to the next, and back.

    Raises:
        ValueError: If ``channels`` and ``layers`` are not positive and equally many.
    """

    def __init__(
        self,
        inputs: int,
        channels: Sequence[int],
        layers: Sequence[int],
        momentum: float,
        *,
        halving: Kernel = _HALF,
    ) -> None:
        super().__init__()
        if not channels or len(channels) != len(layers) or min(*channels, *layers) < 1:
            raise ValueError(
                "channels and layers must be positive and equally many, got"
                f" {tuple(channels)} and {tuple(layers)}"
            )
        self.outputs = channels[0]
        """Features a voxel of the result."""
        self.stem = ConvBlock(inputs, channels[0], _SAME, momentum)
        self.encoders, self.decoders = nn.ModuleList(), nn.ModuleList()
        self.downs, self.ups = nn.ModuleList(), nn.ModuleList()
        for level, (width, count) in enumerate(zip(channels, layers, strict=True)):
            self.encoders.append(_stage(width, width, count, momentum))
            if level + 1 < len(channels):
                coarser = channels[level + 1]
                self.downs.append(ConvBlock(width, coarser, halving, momentum))
                self.ups.append(InverseBlock(coarser, width, halving, momentum))
                self.decoders.append(_stage(2 * width, width, count, momentum))

    def forward(self, voxels: SparseTensor) -> SparseTensor:
        """Features at the cells of the input."""
        tensor = self.encoders[0](self.stem(voxels))
        skipped: list[SparseTensor] = []
        for down, encoder in zip(self.downs, self.encoders[1:], strict=True):
            skipped.append(tensor)
            tensor = encoder(down(tensor))
        for level in reversed(range(len(skipped))):
            tensor, beside = self.ups[level](tensor), skipped[level]
            both = torch.cat([beside.features, tensor.features], dim=1)
            tensor = self.decoders[level](tensor.with_features(both))
        return tensor


def _stage(inputs: int, outputs: int, count: int, momentum: float) -> nn.Sequential:
    blocks = [ResidualBlock(inputs, outputs, momentum)]
    blocks += [ResidualBlock(outputs, outputs, momentum) for _ in range(count - 1)]
    return nn.Sequential(*blocks)
