"""The benchmark of set partition, on few cells."""

from pathlib import Path

import pytest
import torch

import set_partition as benchmark
from convolution.voxels import FrameSettings
from harness import Clock
from sparse3d.ops.backend import has_native


@pytest.mark.skipif(not has_native(), reason="no C++ kernels")
def test_rows_are_measured(tmp_path: Path) -> None:
    file = tmp_path / "sweep.bin"
    points = torch.rand(50, 4, generator=torch.Generator().manual_seed(0))
    file.write_bytes(points.numpy().astype("<f4").tobytes())
    settings = benchmark.Settings(FrameSettings(str(file)), count=300, threads=1)
    rows = list(benchmark.measure(settings, Clock(2, 0)))
    assert [row.peer for row in rows] == ["torch backend", "one thread"] * 2
    assert all(row.value > 0 and row.ratio for row in rows)
    assert "300 voxels" in rows[2].name
