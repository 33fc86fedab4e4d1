"""Which inputs an output of a sparse convolution reads: the rulebook."""

from sparse3d.geometry.morton import AXIS_BITS
from sparse3d.ops.backend import FastBackend, choose_backend
from sparse3d.ops.neighbours import _native, _torch
from sparse3d.ops.neighbours._kernel import Kernel
from sparse3d.ops.neighbours._rulebook import Rulebook
from sparse3d.scene.sparse_grid import SparseGrid

__all__ = ["Kernel", "Rulebook", "neighbours"]

_BACKENDS = {"torch": _torch, "native": _native}


def neighbours(
    grid: SparseGrid, kernel: Kernel, *, backend: FastBackend = "auto"
) -> tuple[SparseGrid, Rulebook]:
    """Cells of the output of a sparse convolution, and which inputs each of them reads.

    A submanifold kernel's output has the cells of the input (Graham et al. 2018, "3D Semantic
    Segmentation with Submanifold Sparse Convolutional Networks"); else it has all cells that read
    an input.

    Args:
        grid: Where the inputs are.
        kernel: Size, stride, dilation, padding; transposed or not.
        backend: ``auto`` takes the C++ kernels on the CPU where they were built, else torch.

    Returns:
        Where the outputs are, and the rules.

    Raises:
        ValueError: If the grid is so large that the kernel reaches from one side to the other, the
            output would have no cells along an axis or more than keys can hold, or ``native`` is
            asked for on another device than the CPU.
        MissingDependencyError: If ``native`` is asked for and was not built.
    """
    _check_reach(grid, kernel)
    module = _BACKENDS[choose_backend(backend, grid.keys.device)]
    shape = kernel.output_shape(grid.shape)
    if not all(1 <= cells <= 1 << AXIS_BITS for cells in shape):
        raise ValueError(f"{kernel} would make an output of {shape} of a grid of {grid.shape}")
    axes = kernel.axis_rules(grid.shape, shape)
    if kernel.submanifold:
        output = grid
    else:
        output = SparseGrid(module.output_keys(grid.keys, axes), shape, grid.batch_size)
    found = module.pairs(grid.keys, output.keys, axes, mirrored=kernel.mirrored)
    counted = {"inputs": len(grid), "outputs": len(output)}
    return output, Rulebook(*found, **counted, mirrored=kernel.mirrored)


def _check_reach(grid: SparseGrid, kernel: Kernel) -> None:
    sides = zip(grid.shape, kernel.pad, strict=True)
    if any(cells + reach > 1 << AXIS_BITS for cells, reach in sides):
        raise ValueError(f"a grid of {grid.shape} is too large for a kernel of {kernel.size}")
