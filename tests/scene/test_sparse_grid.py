"""Sorted cells, and what a grid refuses."""

import pytest
import torch

from sparse3d.scene.sparse_grid import SparseGrid
from sparse3d.scene.voxel_space import VoxelSpace


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


def test_keys_from_elsewhere_are_looked_through() -> None:
    grid = SparseGrid.of_keys(torch.tensor([0, 1, 5]), (2, 1, 2), 1)
    assert grid.coordinates().tolist() == [[0, 0, 0, 0], [0, 0, 0, 1], [0, 1, 0, 1]]
    for keys, message in (([1, 0], "row 0"), ([0, 1, 1], "row 1"), ([0, 2], "must lie in")):
        with pytest.raises(ValueError, match=message):
            SparseGrid.of_keys(torch.tensor(keys), (2, 1, 2), 1)
    for keys in ([-1], [1 << 48]):
        with pytest.raises(ValueError, match="must lie in"):
            SparseGrid.of_keys(torch.tensor(keys), (2, 1, 2), 1)


def test_keys_and_features_must_be_what_they_should() -> None:
    # The shape checker of the test run comes first.
    for keys in (torch.zeros(2), torch.zeros(2, dtype=torch.int32), torch.zeros(2, 1).long()):
        with pytest.raises(TypeError):
            SparseGrid(keys, (2, 2, 2), 1)
    keys = torch.tensor([0, 1])
    with pytest.raises((TypeError, ValueError)):
        SparseGrid(keys, (2, 2, 2), 1, features=torch.zeros(3, 1))
    with pytest.raises((TypeError, ValueError)):
        SparseGrid.of_coordinates(torch.zeros(1, 4), (2, 2, 2), 1)
    space = VoxelSpace((0.0, 0.0, 0.0), (1.0, 1.0, 1.0), (2, 2, 3))
    with pytest.raises(ValueError, match="a space of shape"):
        SparseGrid(keys, (2, 2, 2), 1, space)
    bare = SparseGrid(keys, (2, 2, 2), 1)
    for missing in (bare.require_space, bare.require_features, bare.centers):
        with pytest.raises(ValueError, match="but it has none"):
            missing()


def test_cells_say_where_they_are() -> None:
    space = VoxelSpace((1.0, 2.0, 3.0), (0.5, 1.0, 2.0), (3, 2, 2))
    grid = SparseGrid(torch.tensor([3, 4]), (3, 2, 2), 1, space)
    assert grid.centers().tolist() == [[1.25, 3.5, 6.0], [1.75, 2.5, 4.0]]
    assert space.high == (2.5, 4.0, 7.0)
    assert space.coarser(1) == VoxelSpace((1.0, 2.0, 3.0), (1.0, 2.0, 4.0), (2, 1, 1))
    assert space.finer(1) == VoxelSpace((1.0, 2.0, 3.0), (0.25, 0.5, 1.0), (6, 4, 4))


@pytest.mark.parametrize(
    ("low", "size", "shape", "message"),
    [
        ((float("nan"), 0.0, 0.0), (1.0, 1.0, 1.0), (1, 1, 1), "finite corner"),
        ((0.0, 0.0, 0.0), (1.0, -1.0, 1.0), (1, 1, 1), "edges of cells"),
        ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0), (1, 65537, 1), "cells an axis"),
    ],
)
def test_spaces_that_are_none_are_refused(
    low: tuple[float, float, float],
    size: tuple[float, float, float],
    shape: tuple[int, int, int],
    message: str,
) -> None:
    with pytest.raises(ValueError, match=message):
        VoxelSpace(low, size, shape)
