"""The points and the torch peer of the benchmark of voxelisation."""

from pathlib import Path

import torch

import voxelize as benchmark
from convolution.voxels import FrameSettings
from harness import Clock
from sparse3d.ops.voxelize import voxelize
from sparse3d.scene.voxel_space import VoxelSpace


def small_settings(folder: Path) -> benchmark.Settings:
    rows = 2 * torch.rand(50, 4, generator=torch.Generator().manual_seed(0))
    rows[0, 0] = -1.0  # outside
    file = folder / "sweep.bin"
    rows.numpy().astype("<f4").tofile(file)
    frame = FrameSettings(str(file), (0.0, 0.0, 0.0), (2.0, 2.0, 2.0), (0.3, 0.2, 0.1))
    return benchmark.Settings(frame, count=300, jitter=0.2, threads=1)


def test_points_are_as_many_as_asked_for_and_inside(tmp_path: Path) -> None:
    points, source = benchmark.many_points(small_settings(tmp_path))
    assert points.shape == (300, 3)
    assert bool(((points > 0) & (points < 2)).all())
    assert source == "KITTI sweep"


def test_peer_finds_the_same_voxels(tmp_path: Path) -> None:
    settings = small_settings(tmp_path)
    points, _ = benchmark.many_points(settings)
    space = VoxelSpace.of_range(settings.frame.low, settings.frame.high, settings.frame.size)
    keys, inverse = benchmark.pack_and_unique(points, space)
    voxels = voxelize(points, torch.zeros(300, dtype=torch.int64), space, 1)
    assert len(keys) == len(voxels.grid)
    pairs = torch.stack([inverse, voxels.inverse()], 1).unique(dim=0)
    assert len(pairs) == len(keys)


def test_rows_are_measured(tmp_path: Path) -> None:
    names = [row.name for row in benchmark.measure(small_settings(tmp_path), Clock(2, 0))]
    assert names[0].startswith("voxels, inverse, means; 300 points")
    assert "voxelize, means" in names
