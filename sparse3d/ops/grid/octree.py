"""The whole octree over a grid: levels, children, and who lies beside whom."""

from dataclasses import dataclass

import torch
from jaxtyping import Int32, Int64
from torch import Tensor

from sparse3d.ops.backend import FastBackend, choose_backend
from sparse3d.ops.grid import _octree_native, _octree_torch
from sparse3d.ops.grid.levels import depth_of
from sparse3d.scene.sparse_grid import SparseGrid

__all__ = ["Octree", "build_octree", "neighbour_rows"]

_BACKENDS = {"torch": _octree_torch, "native": _octree_native}


@dataclass(frozen=True, slots=True)
class Octree:
    """A grid and all coarser ones, until one cell holds a whole grid of the batch."""

    levels: tuple[SparseGrid, ...]
    """The grid first; cells of the next have twice the edges. Only the first has features."""
    children: tuple[Int64[Tensor, " _"], ...]
    """Entry l: where the children of each cell of level l + 1 begin in level l; one more entry than
    cells."""
    neighbours: tuple[Int32[Tensor, "_ 27"], ...]
    """Entry l: rows of the cells of level l around each cell, -1 where there is none. The cell at
    offset (x, y, z) from -1 to 1 stands in column 9 (x + 1) + 3 (y + 1) + z + 1, so the cell itself
    in column 13. Empty where they were not asked for."""

    def parents(self, level: int) -> Int64[Tensor, " n"]:
        """Row in level + 1 of the parent of each cell of a level."""
        return torch.repeat_interleave(
            self.children[level].diff(), output_size=len(self.levels[level])
        )


def build_octree(
    grid: SparseGrid, *, neighbours: bool = True, backend: FastBackend = "auto"
) -> Octree:
    """Build all coarser levels of a grid, and the tables of neighbours of all levels.

    Args:
        grid: The cells.
        neighbours: Whether to make the tables; 108 bytes a cell.
        backend: ``native`` finds neighbours among the children of the parent's neighbours, as
            Wang et al. 2017 ("O-CNN") do; ``torch`` searches keys.

    Raises:
        ValueError: If keys are not sorted, repeat or lie outside the shape, there are 2^31 cells or
            more, or ``native`` is asked for on another device than the CPU.
        MissingDependencyError: If ``native`` is asked for and was not built.
    """
    module = _BACKENDS[choose_backend(backend, grid.keys.device)]
    found = module.octree(grid.keys, depth_of(grid), neighbours)
    levels = [grid]
    for level, keys in enumerate(found.keys, 1):
        x, y, z = (-(-n >> level) for n in grid.shape)
        space = None if grid.space is None else grid.space.coarser(level)
        levels.append(SparseGrid(keys, (x, y, z), grid.batch_size, space))
    return Octree(tuple(levels), found.children, found.neighbours)


def neighbour_rows(
    grid: SparseGrid, level: int = 0, *, backend: FastBackend = "auto"
) -> Int32[Tensor, "m 27"]:
    """Rows of the cells around each cell of a level, as :attr:`Octree.neighbours` has them.

    Raises:
        ValueError: If there is no such level, else as :func:`build_octree`.
    """
    if not 0 <= level <= depth_of(grid):
        raise ValueError(f"a level from 0 to {depth_of(grid)} expected, got {level}")
    module = _BACKENDS[choose_backend(backend, grid.keys.device)]
    return module.neighbours(grid.keys, depth_of(grid), level)
