"""Which cell holds a point, and which row a cell has."""

import torch
from jaxtyping import Bool, Float, Int, Int64
from torch import Tensor

from sparse3d.geometry.morton import morton_encode
from sparse3d.ops.grid.checks import check_batch, check_finite
from sparse3d.ops.grid.descend import Leaves
from sparse3d.ops.grid.keys import find_keys
from sparse3d.ops.grid.levels import parents
from sparse3d.scene.sparse_grid import SparseGrid
from sparse3d.scene.sparse_octree import SparseOctree
from sparse3d.scene.voxel_space import VoxelSpace

__all__ = ["cells_of", "locate", "rows_of"]


def rows_of(grid: SparseGrid, coordinates: Int[Tensor, "m 4"]) -> Int64[Tensor, " m"]:
    """Rows of cells ``(batch, x, y, z)``; -1 of those that are not occupied or lie outside.

    Raises:
        TypeError: If coordinates are not integers.
    """
    if coordinates.is_floating_point() or coordinates.dtype == torch.bool:
        raise TypeError(f"cells as integers expected, got {coordinates.dtype}")
    limit = torch.tensor((grid.batch_size, *grid.shape), device=coordinates.device)
    inside = ((coordinates >= 0) & (coordinates < limit)).all(1)
    keys = morton_encode(torch.where(inside[:, None], coordinates, 0))
    return torch.where(inside, find_keys(grid.keys, keys), -1)


def locate(
    leaves: Leaves,
    positions: Float[Tensor, "m 3"],
    *,
    batch: Int[Tensor, " m"] | None = None,
    level: int = 0,
) -> Int64[Tensor, " m"]:
    """Row of the cell, or of the leaf of any size, that holds each point; -1 where there is none.

    Args:
        leaves: With a space.
        positions: Metres.
        batch: Number of the grid to look in for each point; 0 without it.
        level: Of the cells of a grid; rows are those of ``parents(grid, level).grid``.

    Raises:
        ValueError: If there is no space or no such level, a position is not finite, or a grid's
            number is out of range.
    """
    numbers = check_batch(batch, len(positions), leaves.batch_size, positions.device)
    if isinstance(leaves, SparseGrid):
        grid = parents(leaves, level).grid if level else leaves
        cells, inside = cells_of(grid.require_space(), positions)
        rows = find_keys(grid.keys, morton_encode(torch.cat([numbers[:, None], cells], dim=1)))
        return torch.where(inside, rows, -1)
    if level:
        raise ValueError(f"levels are those of grids; an octree has one leaf a point, got {level}")
    cells, inside = cells_of(leaves.require_space(), positions)
    keys = morton_encode(torch.cat([numbers[:, None], cells], dim=1))
    return torch.where(inside, _holding(leaves, keys), -1)


def _holding(octree: SparseOctree, keys: Int64[Tensor, " m"]) -> Int64[Tensor, " m"]:
    """Row of the leaf whose interval holds each key, -1 where there is none."""
    if not len(octree):
        return torch.full_like(keys, -1)
    rows = torch.searchsorted(octree.keys, keys, right=True) - 1
    return torch.where((rows >= 0) & (keys < octree.ends()[rows]), rows, -1)


def cells_of(
    space: VoxelSpace, positions: Float[Tensor, "m 3"]
) -> tuple[Int64[Tensor, "m 3"], Bool[Tensor, " m"]]:
    """Cells x, y, z of points, as :func:`~sparse3d.ops.voxelize.voxelize` finds them.

    Returns:
        The cells, zero of points outside, and which points are inside.

    Raises:
        ValueError: If a position is not finite.
    """
    check_finite(positions, "positions")
    low, edges, limit = (
        torch.tensor(v, device=positions.device) for v in (space.low, space.size, space.shape)
    )
    scaled = ((positions - low) / edges).floor()
    inside = ((scaled >= 0) & (scaled < limit)).all(1)
    return torch.where(inside[:, None], scaled, 0).long(), inside
