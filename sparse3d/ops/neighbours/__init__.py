"""Which inputs an output of a sparse convolution reads: the rulebook."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Int32, Int64
from torch import Tensor

from sparse3d.geometry.morton import AXIS_BITS
from sparse3d.ops.backend import Backend, FastBackend, choose_backend
from sparse3d.ops.neighbours import _native, _torch
from sparse3d.ops.neighbours._torch import in_order_of_targets
from sparse3d.scene.sparse_grid import SparseGrid

__all__ = ["Kernel", "Rulebook", "neighbours"]

Triple = tuple[int, int, int]

_BACKENDS = {"torch": _torch, "native": _native}


@dataclass(frozen=True, slots=True)
class Kernel:
    """Size and stride of a convolution along x, y, z."""

    size: Triple = (3, 3, 3)
    """Odd; half of it, rounded down, is the padding."""
    stride: Triple = (1, 1, 1)

    def __post_init__(self) -> None:
        if not all(k > 0 and k % 2 for k in self.size) or not all(s > 0 for s in self.stride):
            raise ValueError(f"odd sizes and positive strides expected, got {self}")

    @property
    def volume(self) -> int:
        """Number of weights a pair of channels."""
        return math.prod(self.size)

    @property
    def submanifold(self) -> bool:
        """Whether outputs are where inputs are (Graham et al. 2018); so without stride."""
        return self.stride == (1, 1, 1)

    def offsets(self) -> Int64[Tensor, "k 3"]:
        """Of the cells that are read, from the output's; x changes slowest, z fastest."""
        axes = [torch.arange(k) - k // 2 for k in self.size]
        return torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).reshape(-1, 3)

    def output_shape(self, shape: Triple) -> Triple:
        """Cells along x, y, z after the convolution, as of a dense one."""
        x, y, z = ((n - 1) // s + 1 for n, s in zip(shape, self.stride, strict=True))
        return x, y, z


@dataclass(frozen=True, slots=True)
class Rulebook:
    """Pairs of inputs and outputs, offset by offset of the kernel.

    With one offset, an input has at most one output and an output at most one input; pairs come in
    the order of the outputs.
    """

    sources: Int32[Tensor, " p"]
    """Row of the input of each pair."""
    targets: Int32[Tensor, " p"]
    """Row of the output of each pair."""
    counts: tuple[int, ...]
    """Number of pairs of each offset."""
    inputs: int
    """Number of inputs."""
    outputs: int
    """Number of outputs."""
    mirrored: bool = False
    """Whether the pairs of each offset are those of the opposite one, the other way round; so where
    outputs are where inputs are."""

    def by_offset(self) -> list[tuple[Int32[Tensor, " _"], Int32[Tensor, " _"]]]:
        """Sources and targets of each offset."""
        sources, targets = self.sources.split(self.counts), self.targets.split(self.counts)
        return list(zip(sources, targets, strict=True))

    def reversed(self) -> "Rulebook":
        """The same pairs from outputs to inputs."""
        pairs = _torch.Pairs(self.targets, self.sources, self.counts)
        back = in_order_of_targets(pairs)
        return Rulebook(*back, inputs=self.outputs, outputs=self.inputs)


def neighbours(
    grid: SparseGrid, kernel: Kernel, *, backend: FastBackend = "auto"
) -> tuple[SparseGrid, Rulebook]:
    """Cells of the output of a sparse convolution, and which inputs each of them reads.

    Without stride the output has the cells of the input (submanifold convolution, Graham et al.
    2018, "3D Semantic Segmentation with Submanifold Sparse Convolutional Networks"); with a stride
    it has all cells that read an input.

    Args:
        grid: Where the inputs are.
        kernel: Size and stride.
        backend: ``auto`` takes the C++ kernels on the CPU where they were built, else torch; sizes
            above 9 without stride always take torch.

    Returns:
        Where the outputs are, and the rules.

    Raises:
        ValueError: If the grid is so large that the kernel reaches from one side to the other, or
            ``native`` is asked for and cannot do the kernel or the device.
        MissingDependencyError: If ``native`` is asked for and was not built.
    """
    if any(n + k // 2 > 1 << AXIS_BITS for n, k in zip(grid.shape, kernel.size, strict=True)):
        raise ValueError(f"a grid of {grid.shape} is too large for a kernel of {kernel.size}")
    module = _BACKENDS[_choose(backend, grid, kernel)]
    offsets = kernel.offsets().to(grid.keys.device)
    if kernel.submanifold:
        found, output = module.same_cells(grid.keys, offsets), grid
    else:
        shape = kernel.output_shape(grid.shape)
        keys, found = module.strided_cells(grid.keys, shape, offsets, kernel.stride)
        output = SparseGrid(keys, shape, grid.batch_size)
    return output, Rulebook(
        *found, inputs=len(grid), outputs=len(output), mirrored=kernel.submanifold
    )


def _choose(backend: FastBackend, grid: SparseGrid, kernel: Kernel) -> Backend:
    far = kernel.submanifold and max(kernel.size) // 2 > _native.REACH
    if far and backend == "native":
        raise ValueError(f"backend 'native' takes kernels up to 9 wide, got {kernel.size}")
    return "torch" if far and backend == "auto" else choose_backend(backend, grid.keys.device)
