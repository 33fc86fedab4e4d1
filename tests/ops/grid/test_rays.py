"""Rays against looking at every leaf, and what lies where they say."""

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sparse3d.ops.grid import Crossings, Leaves, cast_rays, locate, parents, split_leaves
from sparse3d.ops.grid._reference import crossing
from sparse3d.ops.grid.descend import leaf_boxes
from sparse3d.scene.sparse_grid import SparseGrid
from sparse3d.scene.sparse_octree import SparseOctree

MakeGrid = Callable[..., SparseGrid]


def rays(count: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Some along an axis, some along a face, from inside and outside."""
    rng = torch.Generator().manual_seed(seed)
    origins = torch.rand(count, 3, generator=rng) * torch.tensor([9.0, 3, 13]) - torch.tensor(
        [2.5, 0.5, 0.0]
    )
    directions = torch.randn(count, 3, generator=rng)
    directions[::3, 1] = 0
    directions[1::4, :2] = 0
    origins[::5] = (origins[::5] * 2).round() / 2
    batch = torch.randint(0, 3, (count,), generator=rng)
    return origins, directions, batch


def mixed(grid: SparseGrid, seed: int) -> SparseOctree:
    """Leaves of three sizes."""
    octree = SparseOctree.of_grid(parents(grid, 2).grid, 2)
    rng = torch.Generator().manual_seed(seed)
    for _ in range(2):
        chosen = (torch.rand(len(octree), generator=rng) < 0.4) & (octree.levels > 0)
        octree = split_leaves(octree, chosen).octree
    return octree


def expected(
    leaves: Leaves, ray: tuple[Tensor, Tensor, int], near: float, far: float
) -> list[tuple[float, int, float]]:
    space = leaves.require_space()
    low, size = (torch.tensor(v, dtype=torch.float64) for v in (space.low, space.size))
    origin = tuple(((ray[0].double() - low) / size).tolist())
    direction = tuple((ray[1].double() / size).tolist())
    found = []
    rows = (leaves.keys >> 48 == ray[2]).nonzero()[:, 0]
    boxes = (corner.double().tolist() for corner in leaf_boxes(leaves, rows))
    for row, a, b in zip(rows.tolist(), *boxes, strict=True):
        through = crossing((tuple(a), tuple(b)), origin, direction, near, far)
        if through is not None:
            found.append((through[0], row, through[1]))
    return sorted(found)


def listed(found: Crossings, ray: int) -> list[tuple[float, int, float]]:
    part = slice(int(found.offsets[ray]), int(found.offsets[ray + 1]))
    columns = (found.entries[part], found.rows[part], found.exits[part])
    return list(zip(*(column.tolist() for column in columns), strict=True))


@settings(max_examples=25)
@given(st.integers(0, 150), st.integers(0, 10_000), st.booleans(), st.booleans())
def test_crossings_are_those_of_the_reference(
    make_grid: MakeGrid, count: int, seed: int, adaptive: bool, segment: bool
) -> None:
    grid = make_grid(count, seed)
    leaves = mixed(grid, seed) if adaptive else grid
    origins, directions, batch = rays(12, seed)
    near, far = (0.3, 2.5) if segment else (0.0, math.inf)
    found = cast_rays(leaves, origins, directions, batch=batch, near=near, far=far)
    for ray in range(12):
        wanted = expected(leaves, (origins[ray], directions[ray], int(batch[ray])), near, far)
        assert listed(found, ray) == wanted


def test_the_middle_of_a_crossing_lies_in_its_leaf(make_grid: MakeGrid) -> None:
    octree = mixed(make_grid(150, 3), 3)
    origins, directions, batch = rays(500, 4)
    origins = origins + 0.01 * torch.randn(500, 3, generator=torch.Generator().manual_seed(1))
    found = cast_rays(octree, origins, directions, batch=batch)
    owners = found.rays()
    assert len(owners) > 100
    assert bool((found.entries < found.exits).all())
    middle = ((found.entries + found.exits) / 2)[:, None]
    points = origins[owners].double() + middle * directions[owners].double()
    long = found.exits - found.entries > 1e-4
    rows = locate(octree, points[long].float(), batch=batch[owners[long]])
    assert torch.equal(rows, found.rows[long])
    same_ray = owners.diff() == 0
    assert bool((found.entries.diff()[same_ray] >= 0).all())
    assert bool((found.entries[1:] >= found.exits[:-1] - 1e-9)[same_ray].all())


def test_more_rays_than_are_cast_at_once(make_grid: MakeGrid) -> None:
    grid = make_grid(60)
    origins, directions, batch = rays(20_000, 1)
    found = cast_rays(grid, origins, directions, batch=batch)
    some = torch.tensor([0, 8191, 8192, 19_999])
    few = cast_rays(grid, origins[some], directions[some], batch=batch[some])
    for number, ray in enumerate(some.tolist()):
        assert listed(found, ray) == listed(few, number)


def test_no_rays_and_no_cells(make_grid: MakeGrid) -> None:
    none = torch.zeros(0, 3)
    assert cast_rays(make_grid(9), none, none).offsets.tolist() == [0]
    nothing = cast_rays(make_grid(0), torch.zeros(2, 3), torch.ones(2, 3))
    assert nothing.offsets.tolist() == [0, 0, 0]


def test_what_is_refused(make_grid: MakeGrid) -> None:
    grid, zero, one = make_grid(5), torch.zeros(1, 3), torch.ones(1, 3)
    with pytest.raises(ValueError, match="directions other than zero"):
        cast_rays(grid, one, zero)
    with pytest.raises(ValueError, match="far above near"):
        cast_rays(grid, one, one, near=1.0, far=1.0)
    with pytest.raises(ValueError, match="far above near"):
        cast_rays(grid, one, one, far=math.nan)
    for origins, directions in ((one * math.nan, one), (one, one * math.inf)):
        with pytest.raises(ValueError, match="finite"):
            cast_rays(grid, origins, directions)
    with pytest.raises(ValueError, match="numbers of grids"):
        cast_rays(grid, one, one, batch=torch.tensor([-1]))
    with pytest.raises(ValueError, match="knows its space"):
        cast_rays(SparseGrid(grid.keys, grid.shape, 3), one, one)
