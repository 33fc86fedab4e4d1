"""Rows of cells and of points, at every level."""

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sparse3d.ops.grid import grid_of_points, locate, parents, rows_of
from sparse3d.scene.sparse_grid import SparseGrid
from sparse3d.scene.sparse_octree import SparseOctree
from sparse3d.scene.voxel_space import VoxelSpace

MakeGrid = Callable[..., SparseGrid]


@settings(max_examples=40)
@given(st.integers(0, 60), st.integers(0, 10_000))
def test_rows_of_cells(make_grid: MakeGrid, count: int, seed: int) -> None:
    grid = make_grid(count, seed)
    rng = torch.Generator().manual_seed(seed)
    wanted = torch.randint(-2, 14, (200, 4), generator=rng)
    known = {tuple(cell): row for row, cell in enumerate(grid.coordinates().tolist())}
    assert rows_of(grid, wanted).tolist() == [known.get(tuple(w), -1) for w in wanted.tolist()]
    assert torch.equal(rows_of(grid, grid.coordinates()), torch.arange(len(grid)))
    assert rows_of(grid, wanted[:0]).tolist() == []


def test_cells_far_outside_are_nobody(make_grid: MakeGrid) -> None:
    # Their keys would be those of other cells.
    wanted = torch.tensor([[0, 65536, 0, 0], [0, -1, 0, 0], [1 << 40, 0, 0, 0]])
    grid = SparseGrid.of_coordinates(torch.tensor([[0, 0, 0, 0], [1, 0, 0, 0]]), (2, 2, 2), 2)
    assert rows_of(grid, wanted).tolist() == [-1, -1, -1]


@pytest.mark.parametrize("level", [0, 1, 3])
def test_points_are_found_where_they_were_put(level: int) -> None:
    rng = torch.Generator().manual_seed(2)
    positions = torch.rand(500, 3, generator=rng) * 4 - 2
    batch = torch.randint(0, 3, (500,), generator=rng)
    space = VoxelSpace((-1.5, -2.0, -1.0), (0.3, 0.2, 0.25), (11, 17, 9))
    filled = grid_of_points(positions, space, batch=batch, batch_size=3)
    found = locate(filled.grid, positions, batch=batch, level=level)
    rows = parents(filled.grid, level).rows
    inside = filled.rows >= 0
    assert torch.equal(found[inside], rows[filled.rows[inside]])
    if level == 0:
        assert bool((found[~inside] == -1).all())
    others = locate(filled.grid, positions[inside], batch=(batch[inside] + 1) % 3)
    assert bool((others != filled.rows[inside]).all())


def test_leaves_of_any_size_are_found(make_grid: MakeGrid) -> None:
    grid = make_grid(40)
    assert grid.space is not None
    octree = SparseOctree.of_grid(parents(grid, 1).grid, 1)
    found = locate(octree, grid.centers(), batch=grid.coordinates()[:, 0])
    assert torch.equal(found, parents(grid, 1).rows)
    nothing = SparseOctree(octree.keys[:0], octree.levels[:0], octree.shape, 3, octree.space)
    assert bool((locate(nothing, grid.centers()) == -1).all())


def test_empty_grids_hold_no_point(make_grid: MakeGrid) -> None:
    assert locate(make_grid(0), torch.tensor([[-1.4, 0.3, 2.5]])).tolist() == [-1]


def test_what_is_refused(make_grid: MakeGrid) -> None:
    grid, point = make_grid(5), torch.zeros(1, 3)
    with pytest.raises(ValueError, match="row 0"):
        locate(grid, torch.tensor([[math.nan, 0.0, 0.0]]))
    with pytest.raises(ValueError, match=r"numbers of grids must lie in \[0, 3\)"):
        locate(grid, point, batch=torch.tensor([3]))
    with pytest.raises(ValueError, match="knows its space"):
        locate(SparseGrid(grid.keys, grid.shape, 3), point)
    with pytest.raises(ValueError, match="levels are those of grids"):
        locate(SparseOctree.of_grid(grid), point, level=1)
    with pytest.raises((TypeError, ValueError)):
        rows_of(grid, torch.zeros(1, 4))
