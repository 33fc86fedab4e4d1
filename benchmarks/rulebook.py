"""Rulebooks of sparse convolutions: which voxels are neighbours, 10 thousand to ten million."""

from collections.abc import Iterator
from dataclasses import dataclass

from convolution.spconv_peer import Spconv
from convolution.voxels import Frame, FrameSettings, read_frame, waves
from harness import Clock, Row, Timing, UnavailableError, run
from harness.child import peak_memory
from harness.machine import use_threads
from sparse3d.ops.backend import FastBackend, has_native
from sparse3d.ops.neighbours import Kernel, neighbours

FRAME = FrameSettings()
GOALS = ((30_000, 5.0), (100_000, 10.0))
"""How many times as fast as spconv, from so many voxels on."""
MEMORY = 8.0
"""GiB."""
KERNELS = {"submanifold": Kernel(), "stride 2": Kernel(stride=(2, 2, 2))}


@dataclass(frozen=True)
class Settings:
    """Which voxels."""

    frame: FrameSettings = FRAME
    counts: tuple[int, ...] = (10_000, 30_000, 100_000, 300_000, 1_000_000, 3_000_000, 10_000_000)
    """Voxels of wavy sheets."""
    peers_up_to: int = 1_000_000
    """Voxels; larger grids would take the peers long, and much memory."""
    threads: int = 2


def measure(settings: Settings, clock: Clock) -> Iterator[Row]:
    """Rulebooks of 3x3x3 kernels beside spconv's and those of our torch backend."""
    if not has_native():
        raise UnavailableError("the C++ kernels were not built")
    use_threads(settings.threads)
    spconv, missing = _spconv()
    cases = [read_frame(settings.frame)]
    cases += [Frame(waves(count), "wavy surface") for count in settings.counts]
    for frame in cases:
        with_peers = len(frame.grid) <= settings.peers_up_to
        for name, kernel in KERNELS.items():
            ours = _time(frame, kernel, "native", clock)
            theirs = None
            if spconv is not None and with_peers:
                theirs = _time_spconv(spconv, frame, kernel, clock)
            goal = _goal(len(frame.grid))
            yield _row(f"{name}, {frame}", ours, f"spconv on the CPU{missing}", theirs, goal)
            each = 1e9 * ours.seconds / len(frame.grid)
            yield Row(f"  {name}, a voxel", each, "ns", spread=ours.spread)
            if with_peers:
                torch = _time(frame, kernel, "torch", clock)
                yield _row(f"  {name}", ours, "torch backend", torch, None)
    yield Row("memory of the process at most", peak_memory() / 2**30, "GiB", goal=MEMORY)


def _goal(voxels: int) -> float | None:
    """How many times as fast as spconv: from the next smaller number of voxels with a goal."""
    reached = [goal for least, goal in GOALS if voxels >= least]
    return reached[-1] if reached else None


def _spconv() -> tuple[Spconv | None, str]:
    """The peer, or what is to be said about its absence."""
    try:
        return Spconv(), ""
    except UnavailableError as error:
        return None, f": {error}"


def _time(frame: Frame, kernel: Kernel, backend: FastBackend, clock: Clock) -> Timing:
    return clock.time(lambda: neighbours(frame.grid, kernel, backend=backend))


def _time_spconv(spconv: Spconv, frame: Frame, kernel: Kernel, clock: Clock) -> Timing:
    """Its cells are in its order already, as those of its layers are."""
    cells = spconv.cells(frame.grid)
    found = spconv.rules(cells, frame.grid, kernel).outputs
    expected, _ = neighbours(frame.grid, kernel)
    if found != len(expected):
        raise RuntimeError(f"spconv found {found} outputs, not {len(expected)}")
    return clock.time(lambda: spconv.rules(cells, frame.grid, kernel))


def _row(name: str, ours: Timing, peer: str, theirs: Timing | None, goal: float | None) -> Row:
    value = None if theirs is None else 1e3 * theirs.seconds
    return Row(
        *(name, 1e3 * ours.seconds, "ms", peer, value),
        goal=goal,
        goal_of="ratio",
        spread=ours.spread,
    )


if __name__ == "__main__":
    run(
        __file__,
        measure,
        Settings(),
        code=["benchmarks/convolution", "sparse3d/ops/neighbours"],
    )
