"""Kernels of sparse convolutions: what an output may read."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Int64
from torch import Tensor

__all__ = ["AxisRule", "Kernel", "Triple"]

Triple = tuple[int, int, int]


class AxisRule(NamedTuple):
    """Along one axis, output ``o`` reads input ``i`` with number ``n`` of the kernel where
    ``output_step * o + kernel_step * n + shift == input_step * i``."""

    size: int
    output_step: int
    kernel_step: int
    shift: int
    input_step: int
    inputs: int
    """Number of coordinates of inputs."""
    outputs: int

    def reversed(self) -> "AxisRule":
        """The same with inputs and outputs exchanged."""
        steps = (self.input_step, -self.kernel_step, -self.shift, self.output_step)
        return AxisRule(self.size, *steps, self.outputs, self.inputs)


@dataclass(frozen=True, slots=True)
class Kernel:
    """Size and steps of a convolution along x, y, z.

    An output o reads ``o * stride + n * dilation - padding`` for all n in [0, size); a transposed
    kernel lets an input i write to ``i * stride + n * dilation - padding``. Pictures are grids with
    one cell along z, and their kernels have size 1 there.
    """

    size: Triple = (3, 3, 3)
    stride: Triple = (1, 1, 1)
    dilation: Triple = (1, 1, 1)
    padding: Triple | None = None
    """None: half of the size, rounded down, times the dilation."""
    transposed: bool = False
    output_padding: Triple = (0, 0, 0)
    """Cells that the output of a transposed kernel has more, at the upper ends."""

    def __post_init__(self) -> None:
        if any(n < 1 for n in (*self.size, *self.stride, *self.dilation)):
            raise ValueError(f"positive sizes, strides and dilations expected, got {self}")
        if any(n < 0 for n in (*self.pad, *self.output_padding)):
            raise ValueError(f"paddings must not be negative, got {self}")
        if not self.transposed and any(self.output_padding):
            raise ValueError(f"output_padding is for transposed kernels, got {self}")
        if self.volume > 1 << 16:
            raise ValueError(f"at most 65536 offsets expected, got {self}")

    @property
    def volume(self) -> int:
        """Number of weights a pair of channels."""
        return math.prod(self.size)

    @property
    def pad(self) -> Triple:
        """The padding, given or not."""
        if self.padding is not None:
            return self.padding
        x, y, z = (k // 2 * d for k, d in zip(self.size, self.dilation, strict=True))
        return x, y, z

    @property
    def submanifold(self) -> bool:
        """Whether outputs are where inputs are (Graham et al. 2018): without stride, unless a
        padding is given or the kernel is transposed."""
        return self.stride == (1, 1, 1) and self.padding is None and not self.transposed

    @property
    def mirrored(self) -> bool:
        """Whether every offset of a submanifold kernel has its opposite."""
        return self.submanifold and all(k % 2 for k in self.size)

    def offsets(self) -> Int64[Tensor, "k 3"]:
        """Of the cells that are read, from the output's times the stride; z changes fastest.

        Of a transposed kernel those that are written, from the input's times the stride.
        """
        each = zip(self.size, self.dilation, self.pad, strict=True)
        axes = [torch.arange(k) * d - p for k, d, p in each]
        return torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).reshape(-1, 3)

    def output_shape(self, shape: Triple) -> Triple:
        """Cells along x, y, z after the convolution, as of a dense one; not all may be positive."""
        if self.submanifold:
            return shape
        reach = [d * (k - 1) for k, d in zip(self.size, self.dilation, strict=True)]
        axes = zip(shape, self.stride, self.pad, reach, self.output_padding, strict=True)
        if self.transposed:
            x, y, z = ((n - 1) * s - 2 * p + r + more + 1 for n, s, p, r, more in axes)
        else:
            x, y, z = ((n + 2 * p - r - 1) // s + 1 for n, s, p, r, _ in axes)
        return x, y, z

    def axis_rules(self, inputs: Triple, outputs: Triple) -> list[AxisRule]:
        """Which output reads which input, axis by axis; the shapes are those of the grids."""
        axes = zip(self.size, self.stride, self.dilation, self.pad, inputs, outputs, strict=True)
        if self.transposed:
            return [AxisRule(k, 1, -d, p, s, n, m) for k, s, d, p, n, m in axes]
        return [AxisRule(k, s, d, -p, 1, n, m) for k, s, d, p, n, m in axes]
