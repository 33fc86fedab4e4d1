"""Parents, children and levels of detail against loops over cells."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sparse3d.ops.grid import child_rows, depth_of, parents, subdivide
from sparse3d.ops.grid._reference import parents as reference
from sparse3d.scene.sparse_grid import SparseGrid
from sparse3d.scene.voxel_space import VoxelSpace

MakeGrid = Callable[..., SparseGrid]


@given(st.integers(0, 100), st.integers(0, 10_000), st.integers(0, 5))
def test_parents_are_those_of_the_reference(
    make_grid: MakeGrid, count: int, seed: int, levels: int
) -> None:
    grid = make_grid(count, seed, channels=2)
    found = parents(grid, levels)
    cells = [tuple(cell) for cell in grid.coordinates().tolist()]
    expected = reference(cells, levels)
    nodes = [tuple(cell) for cell in found.grid.coordinates().tolist()]
    assert bool((found.grid.keys.diff() > 0).all())
    assert set(nodes) == set(expected)
    assert found.grid.features is not None
    assert grid.features is not None
    for row, node in enumerate(nodes):
        begin, end = found.offsets[row : row + 2].tolist()
        assert list(range(begin, end)) == expected[node]
        assert found.rows[begin:end].tolist() == [row] * (end - begin)
        torch.testing.assert_close(found.grid.features[row], grid.features[begin:end].mean(0))


def test_means_of_counts_do_not_depend_on_the_way_up(make_grid: MakeGrid) -> None:
    grid = make_grid(150, channels=3)
    counts = torch.arange(1, len(grid) + 1)
    at_once = parents(grid, 3, weights=counts)
    first = parents(grid, 1, weights=counts)
    stepwise = parents(first.grid, 2, weights=first.weights)
    assert torch.equal(at_once.grid.keys, stepwise.grid.keys)
    assert torch.equal(at_once.weights, stepwise.weights)
    assert at_once.grid.features is not None
    torch.testing.assert_close(at_once.grid.features, stepwise.grid.features)
    assert grid.features is not None
    total = (grid.features * counts[:, None]).sum(0)
    torch.testing.assert_close(
        (at_once.grid.features * at_once.weights[:, None]).sum(0), total, rtol=1e-4, atol=1e-4
    )


def test_levels_of_detail_have_gradients(make_grid: MakeGrid) -> None:
    grid = make_grid(20, shape=(4, 3, 4))
    weights = torch.arange(1, len(grid) + 1)
    features = torch.randn(len(grid), 2, dtype=torch.float64, requires_grad=True)
    torch.autograd.gradcheck(
        lambda f: parents(replace(grid, features=f), 1, weights=weights).grid.require_features(),
        features,
    )


def test_spaces_become_coarser(make_grid: MakeGrid) -> None:
    grid = make_grid(50)
    coarse = parents(grid, 2).grid
    assert coarse.space == VoxelSpace((-1.5, 0.25, 2.0), (2.0, 1.0, 4.0), (4, 2, 3))
    rows = parents(grid, 2).rows
    away = (grid.centers() - coarse.centers()[rows]).abs()
    assert bool((away <= torch.tensor([1.0, 0.5, 2.0])).all())


@pytest.mark.parametrize("levels", [-1, 17])
def test_levels_must_exist(make_grid: MakeGrid, levels: int) -> None:
    grid = make_grid(5)
    for verb in (parents, subdivide):
        with pytest.raises(ValueError, match="0 to 16 levels"):
            verb(grid, levels)
    with pytest.raises(ValueError, match="0 to 16 levels"):
        child_rows(grid, grid, levels)


@pytest.mark.parametrize("weights", [[-1.0, 1, 1], [0.0, 0, 0], [float("nan"), 1, 1]])
def test_weights_must_be_positive(weights: list[float]) -> None:
    grid = SparseGrid(torch.tensor([0, 1, 2]), (2, 2, 2), 1)
    with pytest.raises(ValueError, match="weight"):
        parents(grid, 1, weights=torch.tensor(weights))


@given(st.integers(0, 100), st.integers(0, 100), st.integers(0, 10_000), st.integers(0, 3))
def test_children_are_ranges_of_rows(
    make_grid: MakeGrid, count: int, other: int, seed: int, levels: int
) -> None:
    fine, coarse = make_grid(count, seed), parents(make_grid(other, seed + 1), levels).grid
    found = child_rows(coarse, fine, levels).tolist()
    expected = reference([tuple(cell) for cell in fine.coordinates().tolist()], levels)
    for cell, (begin, end) in zip(coarse.coordinates().tolist(), found, strict=True):
        assert list(range(begin, end)) == expected.get(tuple(cell), [])


def test_grids_must_be_the_levels_apart(make_grid: MakeGrid) -> None:
    grid = make_grid(10)
    with pytest.raises(ValueError, match="2 level"):
        child_rows(parents(grid, 1).grid, grid, 2)


def test_subdividing_makes_all_children(make_grid: MakeGrid) -> None:
    grid = make_grid(30, channels=2)
    fine = subdivide(grid, 2)
    assert len(fine) == 64 * len(grid)
    assert fine.shape == (52, 24, 36)
    SparseGrid.of_keys(fine.keys, fine.shape, fine.batch_size)
    back = parents(fine, 2)
    assert torch.equal(back.grid.keys, grid.keys)
    assert back.grid.space == grid.space
    torch.testing.assert_close(back.grid.features, grid.features)


def test_keys_hold_no_more_than_they_can() -> None:
    grid = SparseGrid(torch.zeros(1, dtype=torch.int64), (40_000, 1, 1), 1)
    with pytest.raises(ValueError, match="cells an axis"):
        subdivide(grid)


@pytest.mark.parametrize(
    ("shape", "depth"), [((1, 1, 1), 0), ((2, 1, 1), 1), ((3, 9, 8), 4), ((1, 1, 65536), 16)]
)
def test_the_depth_is_that_of_the_longest_axis(shape: tuple[int, int, int], depth: int) -> None:
    assert depth_of(SparseGrid(torch.zeros(0, dtype=torch.int64), shape, 1)) == depth
