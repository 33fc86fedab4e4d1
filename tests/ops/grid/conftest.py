"""Random grids that break every symmetry."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from sparse3d.scene.sparse_grid import SparseGrid
from sparse3d.scene.voxel_space import VoxelSpace

MakeGrid = Callable[..., SparseGrid]


@pytest.fixture(scope="session")
def make_grid() -> MakeGrid:
    """Grids of ``count`` drawn cells (repeated ones count once); batch element 1 is empty."""

    def make(
        count: int, seed: int = 0, shape: tuple[int, int, int] = (13, 6, 9), channels: int = 0
    ) -> SparseGrid:
        rng = torch.Generator().manual_seed(seed)
        cells = torch.stack([torch.randint(n, (count,), generator=rng) for n in (2, *shape)], 1)
        cells[:, 0] *= 2
        grid = SparseGrid.of_coordinates(cells, shape, 3)
        space = VoxelSpace((-1.5, 0.25, 2.0), (0.5, 0.25, 1.0), shape)
        features = torch.randn(len(grid), channels, generator=rng) if channels else None
        return replace(grid, space=space, features=features)

    return make
