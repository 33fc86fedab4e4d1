"""Memory of a submanifold convolution while it runs, beside what it cannot do without."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from convolution.voxels import waves
from harness import Clock, Row, UnavailableError, run
from harness.child import in_child
from sparse3d.ops.neighbours import Kernel, neighbours
from sparse3d.ops.sparse_conv import sparse_conv


@dataclass(frozen=True)
class Settings:
    """The layer and the goal."""

    voxels: int = 1_000_000
    channels: tuple[int, ...] = (16, 64)
    """In and out."""
    goal: float = 1.1
    """Of input, output and rulebook."""


@dataclass(frozen=True)
class Memory:
    """Bytes."""

    needed: int
    """Of input, output and rulebook."""
    used: int
    """Of input and rulebook, and what came on top of them."""


def measure(settings: Settings, clock: Clock) -> Iterator[Row]:
    """Peaks of processes of their own."""
    if not Path("/proc/self/clear_refs").exists():
        raise UnavailableError("the peak of a process can be reset on Linux only")
    for channels in settings.channels:
        memory = in_child(_convolve, settings.voxels, channels)
        yield Row(
            f"forward, {channels} channels, {settings.voxels:,} voxels",
            memory.used / 2**20,
            "MiB",
            "input, output, rulebook",
            memory.needed / 2**20,
        )
        share = memory.used / memory.needed
        yield Row(f"  {channels} channels, of these three", share, "times", goal=settings.goal)


def _convolve(voxels: int, channels: int) -> Memory:
    grid = waves(voxels)
    _, rules = neighbours(grid, Kernel())
    features, weight = torch.randn(len(grid), channels), torch.randn(27, channels, channels)
    known = features.nbytes + rules.sources.nbytes + rules.targets.nbytes
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak is what is now
    before = _resident("VmRSS")
    with torch.no_grad():
        output = sparse_conv(features, weight, rules)
    return Memory(known + output.nbytes, known + _resident("VmHWM") - before)


def _resident(field: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(field))


if __name__ == "__main__":
    code = ["benchmarks/convolution", "sparse3d/ops/sparse_conv", "sparse3d/ops/neighbours"]
    run(__file__, measure, Settings(), code=code)
