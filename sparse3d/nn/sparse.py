"""Features that are known at some cells of a grid only."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import batch_norm

from sparse3d.ops.neighbours import Kernel, Rulebook
from sparse3d.scene.sparse_grid import SparseGrid

__all__ = ["Finer", "RowNorm", "SparseTensor", "to_dense"]

Rulebooks = Mapping[Kernel, Rulebook]


@dataclass(frozen=True, slots=True)
class Finer:
    """Where a strided convolution came from: what its inverse goes back to."""

    kernel: Kernel
    """Of the convolution."""
    rulebook: Rulebook
    """From the finer grid to the coarser one."""
    grid: SparseGrid
    """The finer grid."""
    rulebooks: Rulebooks
    """Of the finer grid, see :class:`SparseTensor`."""
    finer: "Finer | None"
    """Where the finer grid came from."""


@dataclass(frozen=True, slots=True)
class SparseTensor:
    """Features at the occupied cells of a grid, and the rulebooks that layers on it share."""

    grid: SparseGrid
    features: Float[Tensor, "n c"]
    rulebooks: Rulebooks = field(default_factory=dict[Kernel, Rulebook])
    """Of the submanifold kernels so far on this grid; never written to."""
    finer: Finer | None = None
    """Where the grid came from, if from a strided convolution."""

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


def to_dense(tensor: SparseTensor) -> Float[Tensor, "b c x y z"]:
    """Features on the full grid, zero where a cell is not occupied."""
    batch, x, y, z = tensor.grid.coordinates().unbind(1)
    shape = (tensor.grid.batch_size, *tensor.grid.shape, tensor.features.shape[1])
    dense = tensor.features.new_zeros(shape)
    dense = dense.index_put((batch, x, y, z), tensor.features)
    return dense.permute(0, 4, 1, 2, 3)
