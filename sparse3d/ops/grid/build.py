"""Grids from points and from coordinates, with what the cells hold."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import torch
from jaxtyping import Float, Int, Int64
from torch import Tensor

from sparse3d.geometry.morton import morton_encode
from sparse3d.ops.segment import segment_reduce
from sparse3d.ops.voxelize import voxelize
from sparse3d.scene.sparse_grid import SparseGrid
from sparse3d.scene.voxel_space import VoxelSpace

__all__ = ["Filled", "Reduce", "grid_of_cells", "grid_of_points", "space_around"]

Reduce = (
    Literal["mean", "max", "sum", "first"]
    | Callable[[Float[Tensor, "p c"], Int64[Tensor, " o"]], Float[Tensor, "m d"]]
)
"""How the features in a cell become one row. A function, such as a small network, is given the
rows, cell by cell, and where each cell's begin (one more entry than cells)."""


@dataclass(frozen=True, slots=True)
class Filled:
    """A grid, and which rows of the input lie in which of its cells."""

    grid: SparseGrid
    """With the reduced features, where there were some."""
    rows: Int64[Tensor, " n"]
    """Row of the cell of each row of the input; -1 of those outside."""
    counts: Int64[Tensor, " m"]
    """How many rows of the input lie in each cell."""


def grid_of_points(
    positions: Float[Tensor, "n 3"],
    space: VoxelSpace,
    *,
    features: Float[Tensor, "n c"] | None = None,
    batch: Int[Tensor, " n"] | None = None,
    batch_size: int = 1,
    reduce: Reduce = "mean",
) -> Filled:
    """The cells that hold a point, with what the points in them have; those outside are left out.

    Args:
        positions: Metres.
        space: The cells; :func:`space_around` makes one that holds all points.
        features: Of the points.
        batch: Number of each point's cloud; 0 without it.
        batch_size: Number of clouds.
        reduce: How the features in a cell become one row; ``first`` takes that of the lowest row.

    Raises:
        ValueError: If a position is not finite, a cloud's number is out of range, or features do
            not have a row a point.
    """
    if batch is None:
        batch = torch.zeros(len(positions), dtype=torch.int64, device=positions.device)
    voxels = voxelize(positions, batch, space, batch_size)
    rows = torch.full_like(batch, -1, dtype=torch.int64)
    rows[voxels.points] = voxels.owners()
    grid = replace(voxels.grid, space=space)
    return _filled(grid, features, rows, voxels.points, voxels.offsets, reduce)


def grid_of_cells(
    coordinates: Int[Tensor, "n 4"],
    shape: tuple[int, int, int],
    batch_size: int,
    *,
    features: Float[Tensor, "n c"] | None = None,
    space: VoxelSpace | None = None,
    reduce: Reduce = "mean",
) -> Filled:
    """The grid of cells ``(batch, x, y, z)`` in any order; repeated ones become one.

    Args:
        coordinates: The cells.
        shape: Cells along x, y, z.
        batch_size: Number of grids.
        features: A row a cell, as given.
        space: Where the cells are.
        reduce: How the features of repeated cells become one row.

    Raises:
        TypeError: If the coordinates are not integers.
        ValueError: If a cell is outside the shape or the batch, or features do not have a row a
            cell.
    """
    grid = replace(SparseGrid.of_coordinates(coordinates, shape, batch_size), space=space)
    keys, order = morton_encode(coordinates).sort(stable=True)
    owners = torch.searchsorted(grid.keys, keys)
    rows = torch.empty_like(owners)
    rows[order] = owners
    counts = torch.bincount(owners, minlength=len(grid))
    offsets = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
    return _filled(grid, features, rows, order, offsets, reduce)


def space_around(
    positions: Float[Tensor, "n 3"], size: float | tuple[float, float, float]
) -> VoxelSpace:
    """Cells of a size from the lowest corner of points until all of them are inside.

    Raises:
        ValueError: If there is no point, a position is not finite, or the points lie so far apart
            that keys cannot hold the cells between them.
    """
    if not len(positions) or not bool(torch.isfinite(positions).all()):
        raise ValueError("at least one point, all of them finite, expected")
    edges = (size, size, size) if isinstance(size, int | float) else size
    low, top = positions.amin(0).double(), positions.amax(0).double()
    rounded = low.float()  # as the cells of points are found, and not above the lowest
    below = rounded.nextafter(torch.full_like(rounded, -torch.inf))
    low = torch.where(rounded > low, below, rounded).double()
    beyond = top + torch.tensor(edges, dtype=torch.float64, device=top.device)  # faces are outside
    (a, b, c), (x, y, z) = low.tolist(), beyond.tolist()
    return VoxelSpace.of_range((a, b, c), (x, y, z), edges)


def _filled(
    grid: SparseGrid,
    features: Float[Tensor, "n c"] | None,
    rows: Int64[Tensor, " n"],
    order: Int64[Tensor, " p"],
    offsets: Int64[Tensor, " o"],
    reduce: Reduce,
) -> Filled:
    if features is not None:
        if len(features) != len(rows):
            raise ValueError(f"{len(rows)} rows of features expected, got {len(features)}")
        grid = replace(grid, features=_reduced(features[order], offsets, reduce))
    return Filled(grid, rows, offsets.diff())


def _reduced(
    values: Float[Tensor, "p c"], offsets: Int64[Tensor, " o"], reduce: Reduce
) -> Float[Tensor, "m d"]:
    if callable(reduce):
        return reduce(values, offsets)
    return values[offsets[:-1]] if reduce == "first" else segment_reduce(values, offsets, reduce)
