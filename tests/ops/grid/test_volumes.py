"""Boxes, frusta and other convex volumes against looking at every leaf."""

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sparse3d.geometry.transforms import invert_rigid, look_at, transform_points
from sparse3d.geometry.views import Projection, Views
from sparse3d.ops.grid import Leaves, frustum_planes, in_box, in_volume, parents, split_leaves
from sparse3d.ops.grid._reference import outside_planes
from sparse3d.ops.grid.descend import leaf_boxes
from sparse3d.scene.sparse_grid import SparseGrid
from sparse3d.scene.sparse_octree import SparseOctree

MakeGrid = Callable[..., SparseGrid]


def in_metres(leaves: Leaves) -> Tensor:
    """Corners of all leaves, ``[n, 2, 3]``."""
    space = leaves.require_space()
    low, size = (torch.tensor(v, dtype=torch.float64) for v in (space.low, space.size))
    boxes = torch.stack(leaf_boxes(leaves, torch.arange(len(leaves))), 1)
    return boxes * size + low


@settings(max_examples=30)
@given(st.integers(0, 150), st.integers(0, 10_000), st.integers(1, 7), st.booleans())
def test_volumes_are_those_of_the_reference(
    make_grid: MakeGrid, count: int, seed: int, planes: int, adaptive: bool
) -> None:
    leaves: Leaves = make_grid(count, seed)
    rng = torch.Generator().manual_seed(seed)
    if adaptive:
        octree = SparseOctree.of_grid(parents(make_grid(count, seed), 1).grid, 1)
        leaves = split_leaves(octree, torch.rand(len(octree), generator=rng) < 0.5).octree
    normals = torch.randn(planes, 3, generator=rng, dtype=torch.float64)
    inside = torch.tensor([2.0, 1.0, 6.0], dtype=torch.float64)
    heights = -normals @ inside + torch.rand(planes, generator=rng, dtype=torch.float64) * 2
    volume = torch.cat([normals, heights[:, None]], 1)
    rows = [tuple(row) for row in volume.tolist()]
    boxes = in_metres(leaves)
    outside = [outside_planes((tuple(b[0]), tuple(b[1])), rows) for b in boxes.tolist()]
    touched = [row for row, out in enumerate(outside) if not out]
    assert in_volume(leaves, volume).tolist() == touched
    away = boxes.mean(1) @ normals.T + heights
    centers = (away >= 0).all(1).nonzero()[:, 0].tolist()
    assert in_volume(leaves, volume, extent="centers").tolist() == centers
    numbers = (leaves.keys >> 48).tolist()
    of_two = [row for row in touched if numbers[row] == 2]
    assert in_volume(leaves, volume, number=2).tolist() == of_two
    assert in_volume(leaves, volume, number=1).tolist() == []


def test_boxes_take_what_they_touch_or_whose_centres_they_hold(make_grid: MakeGrid) -> None:
    grid = make_grid(300)
    low, high = (-0.3, 0.4, 3.3), (2.2, 1.1, 7.7)
    boxes, centers = in_metres(grid), grid.centers()
    a, b = torch.tensor(low), torch.tensor(high)
    touched = ((boxes[:, 0] <= b) & (boxes[:, 1] >= a)).all(1)
    held = ((centers >= a) & (centers <= b)).all(1)
    assert 0 < int(held.sum()) < int(touched.sum()) < len(grid)
    assert torch.equal(in_box(grid, low, high), touched.nonzero()[:, 0])
    assert torch.equal(in_box(grid, low, high, extent="centers"), held.nonzero()[:, 0])


@pytest.mark.parametrize("projection", ["perspective", "orthographic"])
def test_frusta_hold_what_is_drawn(make_grid: MakeGrid, projection: Projection) -> None:
    grid = make_grid(600)
    eye, target = torch.tensor([-4.0, 3.0, 1.0]), torch.tensor([2.0, 1.0, 6.0])
    pose = look_at(eye, target, torch.tensor([0.1, 0.2, 1.0]))
    focal = 40.0 if projection == "perspective" else 15.0
    matrix = torch.tensor([[focal, 0, 21.0], [0, focal * 1.1, 17.0], [0, 0, 1]])
    views = Views(pose[None].float(), matrix[None], 40, 30, projection)
    planes = frustum_planes(views, 2.0, 9.0)
    assert planes.shape == (1, 6, 4)
    torch.testing.assert_close(planes[..., :3].norm(dim=-1), torch.ones(1, 6).double())
    points = transform_points(invert_rigid(pose.double()), grid.centers().double())
    depth = points[:, 2:]
    flat = points[:, :2] if projection == "orthographic" else points[:, :2] / depth
    pixels = flat * torch.tensor([focal, focal * 1.1]) + torch.tensor([21.0, 17.0])
    seen = ((pixels >= 0) & (pixels <= torch.tensor([40, 30]))).all(1)
    seen &= ((depth >= 2) & (depth <= 9))[:, 0]
    assert 10 < int(seen.sum()) < len(grid) - 10
    assert torch.equal(in_volume(grid, planes[0], extent="centers"), seen.nonzero()[:, 0])
    assert set(seen.nonzero()[:, 0].tolist()) < set(in_volume(grid, planes[0]).tolist())


def test_no_plane_is_around_everything(make_grid: MakeGrid) -> None:
    grid = make_grid(20)
    assert in_volume(grid, torch.zeros(0, 4)).tolist() == list(range(len(grid)))
    assert in_volume(make_grid(0), torch.zeros(0, 4)).tolist() == []


def test_what_is_refused(make_grid: MakeGrid) -> None:
    grid = make_grid(5)
    with pytest.raises(ValueError, match="planes must be finite"):
        in_volume(grid, torch.full((1, 4), math.nan))
    with pytest.raises(ValueError, match=r"in \[0, 3\)"):
        in_volume(grid, torch.zeros(0, 4), number=3)
    with pytest.raises(ValueError, match="must not be above"):
        in_box(grid, (0.0, 0.0, 1.0), (1.0, 1.0, 0.0))
    with pytest.raises(ValueError, match="planes must be finite"):
        in_box(grid, (0.0, 0.0, 0.0), (1.0, 1.0, math.inf))
    views = Views(torch.eye(4)[None], torch.eye(3)[None], 4, 4)
    with pytest.raises(ValueError, match="far above near"):
        frustum_planes(views, 2.0, 1.0)
