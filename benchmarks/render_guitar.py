"""Frames a second of a real splat that covers two thirds of 1280x720."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from harness import Clock, Row, run
from harness.machine import use_threads
from raster.guitar import GuitarSettings, covered, look_at_guitar
from raster.training import time_forward


@dataclass(frozen=True)
class Settings:
    """The splat, the picture and the goal."""

    guitar: GuitarSettings = field(default_factory=GuitarSettings)
    goal: float = 20.0
    """Frames a second with two threads."""
    threads: int = 2


def measure(settings: Settings, clock: Clock) -> Iterator[Row]:
    """Render only, all spherical harmonics."""
    use_threads(settings.threads)
    scene = look_at_guitar(settings.guitar)
    timing, gaussians = time_forward(scene, clock), scene.gaussians
    shown = f"{len(gaussians):,} Gaussians, SH degree {gaussians.sh_degree}"
    yield Row(f"pixels covered, {shown}", 100 * covered(scene), "%", better="higher")
    yield Row(
        f"frames at {settings.guitar.width}x{settings.guitar.height}, {shown}",
        1 / timing.seconds,
        "1/s",
        goal=settings.goal,
        better="higher",
        spread=timing.spread,
    )


if __name__ == "__main__":
    run(__file__, measure, Settings(), code=["benchmarks/raster", "sparse3d/ops/rasterize"])
