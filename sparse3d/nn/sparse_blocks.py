"""Blocks of sparse convolutions with norms."""

import torch
from torch import nn

from sparse3d.nn.sparse import RowNorm, SparseTensor
from sparse3d.nn.sparse_conv import SparseConv3d, SparseInverseConv3d, SubMConv3d
from sparse3d.ops.neighbours import Kernel

__all__ = ["ConvBlock", "InverseBlock", "ResidualBlock"]

_EPSILON = 1e-3


class ConvBlock(nn.Module):
    """Sparse convolution, batch norm, ReLU: submanifold without stride, else with new cells.

    Args:
        inputs: Channels in.
        outputs: Channels out.
        kernel: Size and stride.
        momentum: Of the batch norm's running statistics.
    """

    def __init__(self, inputs: int, outputs: int, kernel: Kernel, momentum: float) -> None:
        super().__init__()
        layer = SubMConv3d if kernel.submanifold else SparseConv3d
        self.conv = layer(inputs, outputs, kernel, bias=False)
        self.norm = RowNorm(outputs, eps=_EPSILON, momentum=momentum)

    def forward(self, tensor: SparseTensor) -> SparseTensor:
        """Convolve, normalise, rectify."""
        return self.conv(tensor, self.norm, relu=True)


class InverseBlock(nn.Module):
    """Inverse convolution, batch norm, ReLU: back to the cells before a strided convolution.

    Args:
        inputs: Channels in.
        outputs: Channels out.
        kernel: That of the strided convolution.
        momentum: Of the batch norm's running statistics.
    """

    def __init__(self, inputs: int, outputs: int, kernel: Kernel, momentum: float) -> None:
        super().__init__()
        self.conv = SparseInverseConv3d(inputs, outputs, kernel, bias=False)
        self.norm = RowNorm(outputs, eps=_EPSILON, momentum=momentum)

    def forward(self, tensor: SparseTensor) -> SparseTensor:
        """Convolve, normalise, rectify."""
        return self.conv(tensor, self.norm, relu=True)


class ResidualBlock(nn.Module):
    """Two submanifold convolutions with norms, added to the input (He et al. 2016, figure 2).

    The input goes through a linear layer and a norm where the number of channels changes.

    Args:
        inputs: Channels in.
        outputs: Channels out.
        momentum: Of the batch norms' running statistics.
        kernel: Of both convolutions, without stride.
    """

    def __init__(
        self, inputs: int, outputs: int, momentum: float, kernel: Kernel | None = None
    ) -> None:
        super().__init__()
        kernel = kernel or Kernel()
        self.first = ConvBlock(inputs, outputs, kernel, momentum)
        self.second = SubMConv3d(outputs, outputs, kernel, bias=False)
        self.norm = RowNorm(outputs, eps=_EPSILON, momentum=momentum)
        self.shortcut: nn.Module = nn.Identity()
        if inputs != outputs:
            linear = nn.Linear(inputs, outputs, bias=False)
            self.shortcut = nn.Sequential(linear, RowNorm(outputs, _EPSILON, momentum))

    def forward(self, tensor: SparseTensor) -> SparseTensor:
        """Convolve twice, add the input, rectify."""
        result = self.second(self.first(tensor), self.norm)
        features = result.features + self.shortcut(tensor.features)
        return result.with_features(torch.relu(features))
