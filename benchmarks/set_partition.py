"""Sets of voxels for attention in windows of 12x12x32, of a sweep and of a million voxels."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from convolution.voxels import Frame, FrameSettings, read_frame, waves
from harness import Clock, Row, Timing, UnavailableError, run
from harness.machine import use_threads
from sparse3d.ops.backend import FastBackend, has_native
from sparse3d.ops.set_partition import set_partition

FRAME = FrameSettings()


@dataclass(frozen=True)
class Settings:
    """The voxels, and the sets of the first stage of DSVT (Wang et al. 2023) on voxels."""

    frame: FrameSettings = FRAME
    count: int = 1_000_000
    """Voxels of wavy sheets."""
    window: tuple[int, int, int] = (12, 12, 32)
    shift: tuple[int, int, int] = (6, 6, 0)
    size: int = 48
    threads: int = 2


def measure(settings: Settings, clock: Clock) -> Iterator[Row]:
    """All threads beside our torch backend and one thread."""
    if not has_native():
        raise UnavailableError("the C++ kernels were not built")
    waving = Frame(waves(settings.count), "wavy surface")
    for frame in (read_frame(settings.frame), waving):
        use_threads(settings.threads)
        _check(frame, settings)
        ours, theirs = (_time(frame, settings, name, clock) for name in ("native", "torch"))
        use_threads(1)
        alone = _time(frame, settings, "native", clock)
        yield _row(f"sets, {frame}", ours, "torch backend", theirs)
        yield _row(f"  {settings.threads} threads", ours, "one thread", alone)


def _check(frame: Frame, settings: Settings) -> None:
    """Both backends must find the same.

    Raises:
        RuntimeError: If they do not.
    """
    given = (frame.grid, settings.window, settings.size)
    ours = set_partition(*given, shift=settings.shift, backend="native")
    theirs = set_partition(*given, shift=settings.shift, backend="torch")
    if not torch.equal(ours.sets, theirs.sets):
        raise RuntimeError("the torch backend found other sets")


def _time(frame: Frame, settings: Settings, backend: FastBackend, clock: Clock) -> Timing:
    given = (frame.grid, settings.window, settings.size)
    return clock.time(lambda: set_partition(*given, shift=settings.shift, backend=backend))


def _row(name: str, ours: Timing, peer: str, theirs: Timing) -> Row:
    return Row(name, 1e3 * ours.seconds, "ms", peer, 1e3 * theirs.seconds, spread=ours.spread)


if __name__ == "__main__":
    code = ["benchmarks/convolution", "sparse3d/ops/set_partition"]
    run(__file__, measure, Settings(), code=code)
