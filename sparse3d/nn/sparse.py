"""Features that are known at some cells of a grid only."""

import math
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import batch_norm

from sparse3d.nn.rulebooks import Rulebooks
from sparse3d.ops.neighbours import Kernel, Rulebook
from sparse3d.scene.sparse_grid import SparseGrid

__all__ = ["Origin", "RowNorm", "SparseTensor", "to_birds_eye", "to_dense"]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a layer with new cells came from: what its inverse goes back to."""

    kernel: Kernel
    """Of the layer."""
    rulebook: Rulebook
    """From its inputs to its outputs."""
    grid: SparseGrid
    """Of its inputs."""
    rulebooks: Rulebooks
    """Of that grid, see :class:`SparseTensor`."""
    origin: "Origin | None"
    """Where that grid came from."""

    def tensor(self, features: Float[Tensor, "n c"]) -> "SparseTensor":
        """Features at the cells of the inputs."""
        return SparseTensor(self.grid, features, self.rulebooks, self.origin)


@dataclass(frozen=True, slots=True)
class SparseTensor:
    """Features at the occupied cells of a grid, and the rulebooks that layers on it share."""

    grid: SparseGrid
    features: Float[Tensor, "n c"]
    rulebooks: Rulebooks = field(default_factory=Rulebooks)
    """Of this grid; tensors that layers make on it have the same."""
    origin: Origin | None = None
    """Where the grid came from, if from a layer with new cells."""

    def with_features(self, features: Float[Tensor, "n c"]) -> "SparseTensor":
        """Other features at the same cells."""
        return replace(self, features=features)

    def outputs(self, kernel: Kernel) -> tuple["SparseTensor", Rulebook]:
        """Where a layer has its outputs, without features yet, and which inputs each reads."""
        grid, rules, rulebooks = self.rulebooks.outputs(self.grid, kernel)
        if kernel.submanifold:
            return self.with_features(self.features[:, :0]), rules
        origin = Origin(kernel, rules, self.grid, self.rulebooks, self.origin)
        nothing = self.features.new_empty(len(grid), 0)
        return SparseTensor(grid, nothing, rulebooks, origin), rules

    def origin_of(self, kernel: Kernel) -> Origin:
        """Where the inputs of the last layer with new cells were.

        Raises:
            ValueError: If there was none, or it had another kernel.
        """
        if self.origin is None or self.origin.kernel != kernel:
            came = "from none" if self.origin is None else f"with {self.origin.kernel}"
            raise ValueError(f"no layer with {kernel} to invert, {came}")
        return self.origin


class RowNorm(nn.BatchNorm1d):
    """Batch norm over rows; fewer than two have no statistics of their own and use the running."""

    def forward(self, input: Float[Tensor, "n c"]) -> Float[Tensor, "n c"]:
        """Normalise."""
        if not self.training or len(input) > 1:
            return super().forward(input)
        statistics = (self.running_mean, self.running_var, self.weight, self.bias)
        return batch_norm(input, *statistics, training=False, eps=self.eps)

    @property
    def foldable(self) -> bool:
        """Whether a layer before can do its work: it learns nothing, and no gradient is wanted."""
        learns = self.training or torch.is_grad_enabled()
        return not learns and self.affine and self.track_running_stats

    def folded(
        self, weight: Float[Tensor, "*k o"], bias: Float[Tensor, " o"] | None
    ) -> tuple[Float[Tensor, "*k o"], Float[Tensor, " o"]]:
        """Weight and bias of a linear layer before the norm that make the norm superfluous.

        Jacob et al. 2018, "Quantization and Training of Neural Networks for Efficient
        Integer-Arithmetic-Only Inference", section 3.2.
        """
        wide = torch.promote_types(weight.dtype, torch.float32)
        own = (self.weight, self.bias, self.running_mean, self.running_var)
        gain, shift, mean, variance = (each.to(wide) for each in own if each is not None)
        scale = gain / (variance + self.eps).sqrt()
        shift = shift + (-mean if bias is None else bias - mean) * scale
        return (weight * scale).to(weight.dtype), shift.to(weight.dtype)


def to_dense(tensor: SparseTensor) -> Float[Tensor, "b c x y z"]:
    """Features on the full grid, zero where a cell is not occupied."""
    batch, x, y, z = tensor.grid.coordinates().unbind(1)
    shape = (tensor.grid.batch_size, *tensor.grid.shape, tensor.features.shape[1])
    dense = tensor.features.new_zeros(shape)
    dense = dense.index_put((batch, x, y, z), tensor.features)
    return dense.permute(0, 4, 1, 2, 3)


def to_birds_eye(tensor: SparseTensor) -> Float[Tensor, "b d x y"]:
    """The cells of a column side by side as channels, zero where a cell is not occupied.

    Channel ``c`` of the cells at height ``z`` of ``h`` becomes channel ``c h + z``.
    """
    batch, x, y, z = tensor.grid.coordinates().unbind(1)
    length, width, height = tensor.grid.shape
    channels, plane = tensor.features.shape[1], length * width
    first = (batch * channels * height + z) * plane + x * width + y
    steps = torch.arange(channels, device=first.device) * height * plane
    shape = (tensor.grid.batch_size, channels * height, length, width)
    flat = tensor.features.new_zeros(math.prod(shape))
    flat.scatter_(0, (first[:, None] + steps).flatten(), tensor.features.flatten())
    return flat.view(shape)
