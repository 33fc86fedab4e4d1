"""What a second core brings to a training iteration."""

from collections.abc import Iterator
from dataclasses import dataclass

from harness import Clock, Row, UnavailableError, run
from harness.machine import Machine, use_threads
from raster.scenes import SceneSettings, make_scene
from raster.training import time_training


@dataclass(frozen=True)
class Settings:
    """Scenes to train on."""

    scenes: tuple[SceneSettings, ...] = (
        SceneSettings(50_000, 504, 378),
        SceneSettings(100_000, 1008, 756),
    )
    goal: float = 1.75
    """Speed-up."""


def measure(settings: Settings, clock: Clock) -> Iterator[Row]:
    """Iterations with two threads against one."""
    if Machine.here().cores < 2:
        raise UnavailableError("this machine has one core")
    for wanted in settings.scenes:
        scene = make_scene(wanted)
        use_threads(1)
        one = time_training(scene, clock).whole
        use_threads(2)
        two = time_training(scene, clock).whole
        yield Row(
            f"iteration with 2 threads, {wanted}",
            1e3 * two.seconds,
            "ms",
            peer="1 thread",
            peer_value=1e3 * one.seconds,
            goal=settings.goal,
            goal_of="ratio",
            spread=two.spread,
        )


if __name__ == "__main__":
    run(__file__, measure, Settings(), code=["benchmarks/raster", "sparse3d/ops"])
