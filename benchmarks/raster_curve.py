"""How a training iteration grows with the number of Gaussians, at the same picture and coverage."""

from collections.abc import Iterator
from dataclasses import dataclass

from harness import Clock, Row, run
from harness.machine import use_threads
from raster.scenes import SceneSettings, make_scene
from raster.training import time_training


@dataclass(frozen=True)
class Settings:
    """The picture and how many Gaussians make it."""

    width: int = 504
    height: int = 378
    counts: tuple[int, ...] = (10_000, 30_000, 100_000, 300_000, 1_000_000)
    threads: int = 2


def measure(settings: Settings, clock: Clock) -> Iterator[Row]:
    """Iterations beside the one with the fewest Gaussians."""
    use_threads(settings.threads)
    first: float | None = None
    for count in settings.counts:
        scene = SceneSettings(count, settings.width, settings.height)
        whole = time_training(make_scene(scene), clock).whole
        milliseconds = 1e3 * whole.seconds
        peer = "" if first is None else f"{settings.counts[0]:,} Gaussians"
        yield Row(f"iteration, {scene}", milliseconds, "ms", peer, first, spread=whole.spread)
        first = first or milliseconds


if __name__ == "__main__":
    run(__file__, measure, Settings(), code=["benchmarks/raster", "sparse3d/ops"])
