"""Coarser and finer grids: a level is a shift of the key."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int64, Shaped
from torch import Tensor

from sparse3d.geometry.morton import AXIS_BITS, coarser_keys, finer_keys
from sparse3d.scene.sparse_grid import SparseGrid
from sparse3d.scene.sparse_octree import SparseOctree

__all__ = ["Parents", "child_rows", "depth_of", "parents", "subdivide"]


@dataclass(frozen=True, slots=True)
class Parents:
    """A coarser grid, and which of its cells hold those of the finer one."""

    grid: SparseGrid
    """With the weighted means of the finer grid's features, where it has some."""
    rows: Int64[Tensor, " n"]
    """Row of the parent of each cell of the finer grid; increasing."""
    offsets: Int64[Tensor, " o"]
    """Where the children of each parent begin in the finer grid; one more entry than parents."""
    weights: Shaped[Tensor, " m"]
    """Sum of the weights of the children of each parent."""


def parents(
    grid: SparseGrid, levels: int = 1, *, weights: Shaped[Tensor, " n"] | None = None
) -> Parents:
    """The cells, 2^levels as long, that hold those of a grid.

    Features become the mean of those below, each with its weight: the level of detail of what the
    cells hold. Where weights are counts of points, means are those of the points, and the same
    whether levels are taken at once or one by one (with :attr:`Parents.weights`).

    Args:
        grid: The finer grid.
        levels: How many to go up; 0 to 16.
        weights: Not negative, at least one positive among the children of each parent; 1 where
            there are none.

    Raises:
        ValueError: If there are no such levels, or weights are not as said.
    """
    _check_levels(levels)
    shape = tuple(-(-n >> levels) for n in grid.shape)
    keys, rows, counts = coarser_keys(grid.keys, levels).unique_consecutive(
        return_inverse=True, return_counts=True
    )
    offsets = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
    sums = counts if weights is None else _weight_sums(grid, weights, rows, len(keys))
    features = None
    if grid.features is not None:
        features = _means(grid.features, weights, rows, sums)
    space = None if grid.space is None else grid.space.coarser(levels)
    x, y, z = shape
    coarser = SparseGrid(keys, (x, y, z), grid.batch_size, space, features)
    return Parents(coarser, rows, offsets, sums)


def child_rows(coarse: SparseGrid, fine: SparseGrid, levels: int = 1) -> Int64[Tensor, "m 2"]:
    """First row, and the row after the last, of the cells of a finer grid in each coarser cell.

    The two are equal where there are none; neither grid needs to have been made of the other.

    Raises:
        ValueError: If the shapes or batches are not those of two grids so many levels apart.
    """
    _check_levels(levels)
    if (
        any(-(-n >> levels) != m for n, m in zip(fine.shape, coarse.shape, strict=True))
        or fine.batch_size != coarse.batch_size
    ):
        raise ValueError(
            f"grids {levels} level(s) apart expected, got {coarse.batch_size} of {coarse.shape} and"
            f" {fine.batch_size} of {fine.shape}"
        )
    first = finer_keys(coarse.keys, levels)
    bounds = torch.stack([first, first + (1 << 3 * levels)], dim=1)
    return torch.searchsorted(fine.keys, bounds)


def subdivide(grid: SparseGrid, levels: int = 1) -> SparseGrid:
    """All 8^levels cells, 2^levels as short, in each cell of a grid, with its features.

    Raises:
        ValueError: If keys cannot hold them.
    """
    _check_levels(levels)
    x, y, z = (n << levels for n in grid.shape)
    inner = torch.arange(1 << 3 * levels, device=grid.keys.device)
    keys = (finer_keys(grid.keys, levels)[:, None] + inner).flatten()
    features = grid.features
    if features is not None:
        features = features.repeat_interleave(len(inner), dim=0)
    space = None if grid.space is None else grid.space.finer(levels)
    return replace(grid, keys=keys, shape=(x, y, z), space=space, features=features)


def depth_of(grid: SparseGrid | SparseOctree) -> int:
    """Levels above the smallest cells until one cell holds a whole grid of the batch."""
    return max(n - 1 for n in grid.shape).bit_length()


def _check_levels(levels: int) -> None:
    if not 0 <= levels <= AXIS_BITS:
        raise ValueError(f"0 to {AXIS_BITS} levels expected, got {levels}")


def _weight_sums(
    grid: SparseGrid, weights: Shaped[Tensor, " n"], rows: Int64[Tensor, " n"], count: int
) -> Shaped[Tensor, " m"]:
    if weights.shape != grid.keys.shape or not bool((weights >= 0).all()):
        raise ValueError(f"{len(grid)} weights that are not negative expected")
    sums = weights.new_zeros(count).index_add(0, rows, weights)
    if not bool((sums > 0).all()):
        raise ValueError("a positive weight among the children of each parent expected")
    return sums


def _means(
    features: Float[Tensor, "n c"],
    weights: Shaped[Tensor, " n"] | None,
    rows: Int64[Tensor, " n"],
    sums: Shaped[Tensor, " m"],
) -> Float[Tensor, "m c"]:
    weighted = features if weights is None else features * weights[:, None].to(features)
    total = features.new_zeros(len(sums), features.shape[1]).index_add(0, rows, weighted)
    return total / sums[:, None].to(features)
