"""Grids of points and of cells: which row went where, and what the cells hold."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sparse3d.ops.grid import Filled, Reduce, grid_of_cells, grid_of_points, space_around
from sparse3d.scene.voxel_space import VoxelSpace

SPACE = VoxelSpace((-1.0, 0.0, 2.0), (0.25, 0.5, 1.0), (9, 5, 3))
REDUCE = {
    "mean": lambda part: part.mean(0),
    "max": lambda part: part.amax(0),
    "sum": lambda part: part.sum(0),
    "first": lambda part: part[0],
}


def points(count: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    rng = torch.Generator().manual_seed(seed)
    positions = torch.rand(count, 3, generator=rng) * torch.tensor([3.0, 3.5, 4.0])
    positions += torch.tensor([-1.4, -0.5, 1.5])
    batch = torch.randint(0, 3, (count,), generator=rng)
    return positions, batch, torch.randn(count, 2, generator=rng)


@settings(max_examples=40)
@given(st.integers(0, 120), st.integers(0, 10_000), st.sampled_from(sorted(REDUCE)))
def test_cells_hold_what_their_points_have(count: int, seed: int, reduce: Reduce) -> None:
    positions, batch, features = points(count, seed)
    found = grid_of_points(
        positions, SPACE, features=features, batch=batch, batch_size=3, reduce=reduce
    )
    check_rows(found, features, str(reduce))
    cells = torch.cat(
        [
            batch[:, None],
            ((positions - torch.tensor(SPACE.low)) / torch.tensor(SPACE.size)).floor(),
        ],
        dim=1,
    )
    inside = ((cells >= 0) & (cells < torch.tensor([3, *SPACE.shape]))).all(1)
    assert torch.equal(found.rows >= 0, inside)
    assert torch.equal(found.grid.coordinates()[found.rows[inside]], cells[inside].long())
    assert found.grid.space == SPACE


@given(st.integers(0, 60), st.integers(0, 10_000), st.sampled_from(sorted(REDUCE)))
def test_repeated_cells_become_one(count: int, seed: int, reduce: Reduce) -> None:
    rng = torch.Generator().manual_seed(seed)
    cells = torch.randint(0, 3, (count, 4), generator=rng)
    features = torch.randn(count, 2, generator=rng)
    found = grid_of_cells(cells, (3, 3, 3), 3, features=features, reduce=reduce)
    check_rows(found, features, str(reduce))
    assert torch.equal(found.grid.coordinates()[found.rows], cells)


def check_rows(found: Filled, features: Tensor, reduce: str) -> None:
    assert found.grid.features is not None
    assert int(found.counts.sum()) == int((found.rows >= 0).sum())
    for row in range(len(found.grid)):
        part = features[found.rows == row]
        assert len(part) == int(found.counts[row]) > 0
        torch.testing.assert_close(found.grid.features[row], REDUCE[reduce](part))


def test_a_learned_reduction_is_given_rows_cell_by_cell() -> None:
    positions, batch, features = points(200, 1)
    weight = torch.tensor([[2.0], [-1.0]], requires_grad=True)

    def net(rows: Tensor, offsets: Tensor) -> Tensor:
        return torch.segment_reduce(rows @ weight, "max", offsets=offsets, axis=0)

    found = grid_of_points(
        positions, SPACE, features=features, batch=batch, batch_size=3, reduce=net
    )
    assert found.grid.features is not None
    for row in range(len(found.grid)):
        expected = (features[found.rows == row] @ weight).amax(0)
        torch.testing.assert_close(found.grid.features[row], expected)
    found.grid.features.sum().backward()
    assert weight.grad is not None
    assert bool((weight.grad != 0).all())


def test_means_have_gradients() -> None:
    positions, _, features = points(40, 3)
    features = features.double().requires_grad_()
    torch.autograd.gradcheck(
        lambda f: grid_of_points(positions, SPACE, features=f).grid.require_features(), features
    )


@given(st.integers(1, 60), st.integers(0, 10_000), st.booleans())
def test_a_space_around_points_holds_all(count: int, seed: int, double: bool) -> None:
    rng = torch.Generator().manual_seed(seed)
    positions = torch.randn(count, 3, generator=rng, dtype=torch.float64) * 7 + 100
    positions = positions if double else positions.float()
    space = space_around(positions, (0.1, 0.7, 3.0))
    found = grid_of_points(positions, space)
    assert bool((found.rows >= 0).all())
    assert int(found.grid.coordinates()[:, 1:].amin()) == 0


def test_cells_too_small_for_the_key_are_refused() -> None:
    positions = torch.tensor([[0.0, 0.0, 0.0], [100.0, 1.0, 1.0]])
    with pytest.raises(ValueError, match="more than the 65536 an axis"):
        space_around(positions, 1e-3)
    with pytest.raises(ValueError, match="more than the 65536 an axis"):
        VoxelSpace.of_range((0.0, 0.0, 0.0), (1e300, 1.0, 1.0), (1e-300, 1.0, 1.0))
    assert space_around(positions, 1e-2).shape[0] <= 10_002


@pytest.mark.parametrize("positions", [torch.zeros(0, 3), torch.tensor([[0.0, math.nan, 0.0]])])
def test_no_space_is_around_nothing(positions: Tensor) -> None:
    with pytest.raises(ValueError, match="at least one point"):
        space_around(positions, 1.0)


@pytest.mark.parametrize("size", [0.0, -1.0, math.nan, math.inf])
def test_sizes_must_be_positive(size: float) -> None:
    with pytest.raises(ValueError, match="edges of cells must be positive"):
        space_around(torch.zeros(1, 3), size)


def test_features_need_a_row_a_point() -> None:
    # The shape checker of the test run comes first.
    with pytest.raises((TypeError, ValueError), match="features"):
        grid_of_points(torch.zeros(4, 3), SPACE, features=torch.zeros(3, 1))


def test_positions_that_are_not_finite_are_refused() -> None:
    positions = torch.tensor([[0.0, 0.0, 0.0], [math.nan, 0.0, 0.0]])
    with pytest.raises(ValueError, match="row 1"):
        grid_of_points(positions, SPACE)


def test_floats_are_no_cells() -> None:
    with pytest.raises((TypeError, ValueError)):
        grid_of_cells(torch.zeros(1, 4), (1, 1, 1), 1)
