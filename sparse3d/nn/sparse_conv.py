"""Convolutions of sparse tensors, by the names they have in the field.

Each can be given what often follows it: a batch norm, ReLU. In evaluation without gradients a norm
costs nothing then, see :meth:`RowNorm.folded`.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sparse3d.nn.sparse import RowNorm, SparseTensor
from sparse3d.ops.neighbours import Kernel, Rulebook
from sparse3d.ops.sparse_conv import sparse_conv

__all__ = ["SparseConv3d", "SparseInverseConv3d", "SubMConv3d"]


class _Convolution(nn.Module):
    """The parameters: a matrix an offset of the kernel, in the order of ``Kernel.offsets``."""

    def __init__(
        self, inputs: int, outputs: int, kernel: Kernel, *, bias: bool, thinned: int = 1
    ) -> None:
        super().__init__()
        self.kernel = kernel
        self.weight = nn.Parameter(torch.empty(kernel.volume, inputs, outputs))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None
        # He et al. 2015, for the inputs that a cell on a surface has: a plane through the kernel.
        reads = (kernel.volume / thinned) ** (2 / 3) * inputs
        nn.init.normal_(self.weight, std=math.sqrt(2 / reads))

    def extra_repr(self) -> str:
        """What ``print`` shows."""
        _, inputs, outputs = self.weight.shape
        return f"{inputs}, {outputs}, {self.kernel}, bias={self.bias is not None}"

    def _convolve(
        self, tensor: SparseTensor, rules: Rulebook, norm: RowNorm | None, *, relu: bool
    ) -> Float[Tensor, "m o"]:
        weight, bias = self.weight, self.bias
        if norm is not None and norm.foldable:
            weight, bias = norm.folded(weight, bias)
            norm = None
        if norm is None:
            return sparse_conv(tensor.features, weight, rules, bias=bias, relu=relu)
        features = norm(sparse_conv(tensor.features, weight, rules, bias=bias))
        return torch.relu(features) if relu else features


class SubMConv3d(_Convolution):
    """Submanifold convolution: features at the cells of the input (Graham et al. 2018).

    Layers of one kernel on one grid share the rulebook.

    Args:
        inputs: Channels in.
        outputs: Channels out.
        kernel: Submanifold: without stride or padding of its own.
        bias: Whether to add one.

    Raises:
        ValueError: If the kernel is not submanifold.
    """

    def __init__(self, inputs: int, outputs: int, kernel: Kernel, *, bias: bool = True) -> None:
        if not kernel.submanifold:
            raise ValueError(f"a submanifold kernel expected, got {kernel}")
        super().__init__(inputs, outputs, kernel, bias=bias)

    def forward(
        self, tensor: SparseTensor, norm: RowNorm | None = None, *, relu: bool = False
    ) -> SparseTensor:
        """Convolve; then normalise and rectify, where asked for."""
        outputs, rules = tensor.outputs(self.kernel)
        return outputs.with_features(self._convolve(tensor, rules, norm, relu=relu))


class SparseConv3d(_Convolution):
    """Convolution with new cells: features at all cells that read one of the input.

    With a stride they are those of a coarser grid; with a transposed kernel of a finer one. Layers
    of one kernel on one grid share the rulebook and the grid that they make.

    Args:
        inputs: Channels in.
        outputs: Channels out.
        kernel: Not submanifold.
        bias: Whether to add one.

    Raises:
        ValueError: If the kernel is submanifold.
    """

    def __init__(self, inputs: int, outputs: int, kernel: Kernel, *, bias: bool = True) -> None:
        if kernel.submanifold:
            raise ValueError(f"a kernel that is not submanifold expected, got {kernel}")
        super().__init__(inputs, outputs, kernel, bias=bias)

    def forward(
        self, tensor: SparseTensor, norm: RowNorm | None = None, *, relu: bool = False
    ) -> SparseTensor:
        """Convolve, normalise, rectify; the result knows where it came from."""
        outputs, rules = tensor.outputs(self.kernel)
        return outputs.with_features(self._convolve(tensor, rules, norm, relu=relu))


class SparseInverseConv3d(_Convolution):
    """From the result of a convolution with new cells back to the cells of its input.

    It has the pairs of the last :class:`SparseConv3d`, the other way round, and its own weights.

    Args:
        inputs: Channels in.
        outputs: Channels out.
        kernel: That of the convolution to go back from.
        bias: Whether to add one.

    Raises:
        ValueError: If the kernel is submanifold.
    """

    def __init__(self, inputs: int, outputs: int, kernel: Kernel, *, bias: bool = True) -> None:
        if kernel.submanifold:
            raise ValueError(f"a kernel that is not submanifold expected, got {kernel}")
        super().__init__(inputs, outputs, kernel, bias=bias, thinned=math.prod(kernel.stride))

    def forward(
        self, tensor: SparseTensor, norm: RowNorm | None = None, *, relu: bool = False
    ) -> SparseTensor:
        """Convolve; then normalise and rectify, where asked for.

        Raises:
            ValueError: If the tensor does not come from a convolution with this kernel.
        """
        origin = tensor.origin_of(self.kernel)
        rules = origin.rulebook.reversed()
        return origin.tensor(self._convolve(tensor, rules, norm, relu=relu))
