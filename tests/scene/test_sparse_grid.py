"""Sorted cells, and what a grid refuses."""

import pytest
import torch

from sparse3d.scene.sparse_grid import SparseGrid


def test_cells_come_sorted_and_once() -> None:
    cells = torch.tensor([[1, 0, 0, 0], [0, 3, 1, 2], [1, 0, 0, 0], [0, 0, 0, 1]])
    grid = SparseGrid.of_coordinates(cells, (4, 2, 3), 2)
    assert grid.coordinates().tolist() == [[0, 0, 0, 1], [0, 3, 1, 2], [1, 0, 0, 0]]
    assert bool((grid.keys.diff() > 0).all())


def test_a_grid_may_be_empty() -> None:
    grid = SparseGrid.of_coordinates(torch.zeros(0, 4, dtype=torch.int64), (1, 1, 1), 1)
    assert len(grid) == 0
    assert grid.coordinates().shape == (0, 4)


@pytest.mark.parametrize("cell", [(2, 0, 0, 0), (0, 4, 0, 0), (0, 0, -1, 0), (0, 0, 0, 3)])
def test_cells_outside_are_refused(cell: tuple[int, int, int, int]) -> None:
    with pytest.raises(ValueError, match="row 1"):
        SparseGrid.of_coordinates(torch.tensor([(0, 0, 0, 0), cell]), (4, 2, 3), 2)


@pytest.mark.parametrize("shape", [(0, 1, 1), (1, 65537, 1)])
def test_shapes_that_keys_cannot_hold_are_refused(shape: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="cells an axis"):
        SparseGrid(torch.zeros(0, dtype=torch.int64), shape, 1)


def test_too_many_grids_are_refused() -> None:
    with pytest.raises(ValueError, match="grids expected"):
        SparseGrid(torch.zeros(0, dtype=torch.int64), (1, 1, 1), 16385)
