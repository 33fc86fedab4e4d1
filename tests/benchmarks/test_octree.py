"""Octrees of the benchmark: that the peer finds the same, and that it would be seen if not."""

from dataclasses import replace

import pytest
import torch

from harness import UnavailableError
from octree import Ocnn
from sparse3d.ops.grid import Octree, build_octree, grid_of_points
from sparse3d.scene.voxel_space import VoxelSpace

SPACE = VoxelSpace((-1.0, -1.0, -1.0), (0.125, 0.125, 0.125), (16, 16, 16))


@pytest.fixture
def ocnn() -> Ocnn:
    """The peer."""
    try:
        return Ocnn()
    except UnavailableError as error:
        pytest.skip(str(error))


def octree_of(points: torch.Tensor) -> Octree:
    return build_octree(grid_of_points(points, SPACE).grid)


@pytest.mark.parametrize("count", [40, 700])
def test_peer_agrees_with_us(ocnn: Ocnn, count: int) -> None:
    points = torch.rand(count, 3, generator=torch.Generator().manual_seed(1)) * 1.9 - 0.95
    ours = octree_of(points)
    ocnn.check(points, ours)
    others = ours.neighbours[1].clone()
    others[0, 13] = 1
    changed = replace(ours, neighbours=(ours.neighbours[0], others, *ours.neighbours[2:]))
    with pytest.raises(RuntimeError, match="other neighbours than we at depth 3"):
        ocnn.check(points, changed)
    with pytest.raises(RuntimeError, match="another number of nodes"):
        ocnn.check(points, octree_of(points[:-15]))
