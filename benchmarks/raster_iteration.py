"""A whole training iteration of a splat, and what its parts take."""

from collections.abc import Iterator
from dataclasses import dataclass

from harness import Clock, Row, Timing, run
from harness.machine import use_threads
from raster.scenes import SceneSettings, make_scene
from raster.training import time_training


@dataclass(frozen=True)
class Case:
    """A scene and the time that an iteration may take."""

    scene: SceneSettings
    goal: float
    """Milliseconds, with two threads."""


@dataclass(frozen=True)
class Settings:
    """Scenes to train on."""

    cases: tuple[Case, ...] = (
        Case(SceneSettings(50_000, 504, 378), 35.0),
        Case(SceneSettings(100_000, 1008, 756), 140.0),
    )
    threads: int = 2


def measure(settings: Settings, clock: Clock) -> Iterator[Row]:
    """Iterations and their parts, for every scene."""
    use_threads(settings.threads)
    for case in settings.cases:
        yield from _measure(case, clock)


def _measure(case: Case, clock: Clock) -> Iterator[Row]:
    scene = make_scene(case.scene)
    times = time_training(scene, clock)
    yield _row(case, "iteration", times.whole, case.goal)
    yield _row(case, "  forward", times.forward)
    yield _row(case, "    project, colours", times.project)
    yield _row(case, "    sort, list by tile", times.listing)
    yield _row(case, "    blend", times.blend)
    yield _row(case, "  loss and its gradient", times.loss)
    yield _row(case, "  backward", times.backward)
    yield _row(case, "  Adam", times.optimizer)


def _row(case: Case, what: str, timing: Timing, goal: float | None = None) -> Row:
    name = f"{what}, {case.scene}" if goal is not None else what
    return Row(name, 1e3 * timing.seconds, "ms", goal=goal, spread=timing.spread)


if __name__ == "__main__":
    run(__file__, measure, Settings(), code=["benchmarks/raster", "sparse3d/ops"])
