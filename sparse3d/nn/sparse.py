"""Layers on features that are known at some cells of a grid only."""

import math
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import batch_norm

from sparse3d.ops.neighbours import Kernel, Rulebook, neighbours
from sparse3d.ops.sparse_conv import sparse_conv
from sparse3d.scene.sparse_grid import SparseGrid

__all__ = ["RowNorm", "SparseConv3d", "SparseTensor", "to_dense"]


@dataclass(frozen=True, slots=True)
class SparseTensor:
    """Features at the occupied cells of a grid."""

    grid: SparseGrid
    features: Float[Tensor, "n c"]
    rulebook: tuple[Kernel, Rulebook] | None = None
    """Of the last submanifold kernel on this grid, for the layers that follow."""

    def with_features(self, features: Float[Tensor, "n c"]) -> "SparseTensor":
        """Other features at the same cells."""
        return replace(self, features=features)


class RowNorm(nn.BatchNorm1d):
    """Batch norm over rows; fewer than two have no statistics of their own and use the running."""

    def forward(self, input: Float[Tensor, "n c"]) -> Float[Tensor, "n c"]:
        """Normalise."""
        if not self.training or len(input) > 1:
            return super().forward(input)
        statistics = (self.running_mean, self.running_var, self.weight, self.bias)
        return batch_norm(input, *statistics, training=False, eps=self.eps)


class SparseConv3d(nn.Module):
    """Sparse convolution, batch norm, ReLU: submanifold without stride, else with new cells.

    Args:
        inputs: Channels in.
        outputs: Channels out.
        kernel: Size and stride.
        momentum: Of the batch norm's running statistics.
    """

    def __init__(self, inputs: int, outputs: int, kernel: Kernel, momentum: float) -> None:
        super().__init__()
        self.kernel = kernel
        self.weight = nn.Parameter(torch.empty(kernel.volume, inputs, outputs))
        self.norm = RowNorm(outputs, eps=1e-3, momentum=momentum)
        # He et al. 2015, for the inputs that a cell on a surface has: a plane through the kernel.
        reads = kernel.volume ** (2 / 3) * inputs
        nn.init.normal_(self.weight, std=math.sqrt(2 / reads))

    def forward(self, tensor: SparseTensor) -> SparseTensor:
        """Convolve, normalise, rectify."""
        known = tensor.rulebook
        if known is not None and known[0] == self.kernel:
            grid, rules = tensor.grid, known[1]
        else:
            grid, rules = neighbours(tensor.grid, self.kernel)
        features = torch.relu(self.norm(sparse_conv(tensor.features, self.weight, rules)))
        return SparseTensor(grid, features, (self.kernel, rules) if grid is tensor.grid else None)


def to_dense(tensor: SparseTensor) -> Float[Tensor, "b c x y z"]:
    """Features on the full grid, zero where a cell is not occupied."""
    batch, x, y, z = tensor.grid.coordinates().unbind(1)
    shape = (tensor.grid.batch_size, *tensor.grid.shape, tensor.features.shape[1])
    dense = tensor.features.new_zeros(shape)
    dense = dense.index_put((batch, x, y, z), tensor.features)
    return dense.permute(0, 4, 1, 2, 3)
