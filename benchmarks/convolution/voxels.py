"""Occupied voxels to convolve: those of a real sweep, and surfaces with any number of them."""

import math
from dataclasses import dataclass

import torch

from harness import UnavailableError
from harness.cache import ROOT
from sparse3d.data.simulate.street.frames import simulate_frame
from sparse3d.errors import MissingDependencyError
from sparse3d.ops.voxelize import voxelize
from sparse3d.scene.formats.lidar_bin import read_sweep
from sparse3d.scene.sparse_grid import SparseGrid
from sparse3d.scene.voxel_space import VoxelSpace

__all__ = ["Frame", "FrameSettings", "read_frame", "waves"]


@dataclass(frozen=True)
class FrameSettings:
    """A sweep, and the grid that SECOND (Yan et al. 2018) lays over it."""

    file: str = "../shared/data/kitti_mini/training/velodyne/000008.bin"
    """Relative to the clone."""
    low: tuple[float, float, float] = (0.0, -40.0, -3.0)
    high: tuple[float, float, float] = (70.4, 40.0, 1.0)
    size: tuple[float, float, float] = (0.05, 0.05, 0.1)
    """Metres, like the corners."""


@dataclass(frozen=True)
class Frame:
    """The voxels of a sweep."""

    grid: SparseGrid
    source: str
    """Where the sweep is from."""

    def __str__(self) -> str:
        return f"{len(self.grid):,} voxels of a {self.source}"


def read_frame(settings: FrameSettings) -> Frame:
    """The voxels of the file, or of a simulated sweep where there is none.

    Raises:
        UnavailableError: If there is no file and nothing to simulate with.
    """
    file = ROOT / settings.file
    if file.is_file():
        points, source = read_sweep(file).positions, "KITTI sweep"
    else:
        try:
            points, source = simulate_frame(0, 0).points.positions, "simulated sweep"
        except MissingDependencyError as error:
            raise UnavailableError(f"no file {settings.file} beside the clone; {error}") from error
    space = VoxelSpace.of_range(settings.low, settings.high, settings.size)
    voxels = voxelize(points, torch.zeros(len(points), dtype=torch.int64), space, 1)
    return Frame(voxels.grid, source)


def waves(count: int) -> SparseGrid:
    """Exactly ``count`` voxels of two wavy sheets, square or nearly so.

    Cells have some nine neighbours out of 26, as those on the surfaces of a scene do.
    """
    side = math.ceil(math.sqrt(count / 2))
    cell = torch.arange(count) // 2
    x, y, sheet = cell // side, cell % side, torch.arange(count) % 2
    z = 20 + 24 * sheet + (6 * torch.sin(0.11 * x) + 6 * torch.cos(0.07 * y)).round().long()
    coordinates = torch.stack([torch.zeros_like(x), x, y, z], 1)
    return SparseGrid.of_coordinates(coordinates, (side, side, 64), 1)
