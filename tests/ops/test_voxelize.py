"""Voxels against a loop over points; borders and bad input."""

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sparse3d.ops.voxelize import Voxels, VoxelSpace, voxelize
from sparse3d.ops.voxelize._reference import voxelize as reference

SPACE = VoxelSpace((-1.0, 0.0, 2.0), (0.25, 0.5, 1.0), (9, 5, 3))


def as_dict(voxels: Voxels) -> dict[tuple[int, ...], list[int]]:
    ends = voxels.offsets.tolist()
    rows = [voxels.points[a:b].tolist() for a, b in pairwise(ends)]
    cells = [tuple(cell) for cell in voxels.grid.coordinates().tolist()]
    return dict(zip(cells, rows, strict=True))


@given(st.integers(0, 200), st.integers(0, 10_000))
def test_equals_the_reference(count: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    positions = torch.rand(count, 3, generator=generator) * torch.tensor([3.0, 3.5, 4.0])
    positions += torch.tensor([-1.4, -0.5, 1.5])
    batch = torch.randint(0, 3, (count,), generator=generator)
    found = voxelize(positions, batch, SPACE, 3)
    assert as_dict(found) == reference(positions, batch, SPACE.low, SPACE.size, SPACE.shape)


def test_owners_are_the_cells_of_the_points() -> None:
    positions = torch.tensor([[0.0, 0.1, 2.5], [-0.9, 0.1, 2.5], [0.1, 0.2, 2.1], [9.0, 0.0, 2.0]])
    found = voxelize(positions, torch.zeros(4, dtype=torch.int64), SPACE, 1)
    assert found.points.tolist() == [1, 0, 2]
    assert found.owners().tolist() == [0, 1, 1]
    centers = SPACE.centers(found.grid.coordinates()[:, 1:])
    away = (positions[found.points] - centers[found.owners()]).abs()
    assert bool((away <= torch.tensor(SPACE.size) / 2 + 1e-6).all())


def test_the_far_faces_are_outside_and_the_near_ones_inside() -> None:
    low = torch.tensor([SPACE.low])
    high = low + torch.tensor([SPACE.size]) * torch.tensor([SPACE.shape])
    found = voxelize(torch.cat([low, high]), torch.zeros(2, dtype=torch.int64), SPACE, 1)
    assert as_dict(found) == {(0, 0, 0, 0): [0]}


def test_no_points_make_no_cells() -> None:
    found = voxelize(torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64), SPACE, 2)
    assert len(found.grid) == 0
    assert found.offsets.tolist() == [0]
    assert found.grid.batch_size == 2


def test_huge_coordinates_are_just_outside() -> None:
    positions = torch.tensor([[1e30, 0.0, 2.0], [-1e30, 0.0, 2.0]])
    assert len(voxelize(positions, torch.zeros(2, dtype=torch.int64), SPACE, 1).grid) == 0


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_values_that_are_not_finite_are_refused(value: float) -> None:
    positions = torch.tensor([[0.0, 0.0, 0.0], [0.0, value, 0.0]])
    with pytest.raises(ValueError, match="row 1"):
        voxelize(positions, torch.zeros(2, dtype=torch.int64), SPACE, 1)


@pytest.mark.parametrize("number", [-1, 2])
def test_clouds_out_of_range_are_refused(number: int) -> None:
    with pytest.raises(ValueError, match=r"numbers of clouds must lie in \[0, 2\)"):
        voxelize(torch.zeros(1, 3), torch.tensor([number]), SPACE, 2)


def test_a_range_is_cut_into_the_fewest_cells_that_reach() -> None:
    space = VoxelSpace.of_range((0.0, -40.0, -3.0), (70.4, 40.0, 1.0), (0.1, 0.1, 0.3))
    assert space.shape == (704, 800, 14)


@pytest.mark.parametrize(
    ("high", "size"),
    [((1.0, 1.0, 0.0), (0.1, 0.1, 0.1)), ((1.0, 1.0, 1.0), (0.1, 0.0, 0.1))],
)
def test_empty_ranges_and_cells_are_refused(
    high: tuple[float, float, float], size: tuple[float, float, float]
) -> None:
    with pytest.raises(ValueError, match="must be"):
        VoxelSpace.of_range((0.0, 0.0, 0.0), high, size)
