"""One million Gaussians at 1920x1080: time of a picture and memory of the whole process."""

from collections.abc import Iterator
from dataclasses import dataclass

from harness import Clock, Row, Timing, run
from harness.child import in_child, peak_memory
from harness.machine import use_threads
from raster.scalar import count_pairs
from raster.scenes import SceneSettings, make_scene
from raster.training import time_forward

SCENE = SceneSettings(1_000_000, 1920, 1080)


@dataclass(frozen=True)
class Settings:
    """The scene and the goals."""

    scene: SceneSettings = SCENE
    seconds: float = 0.5
    """With two threads."""
    gibibytes: float = 1.5
    """Python, torch and the scene included."""
    threads: int = 2


@dataclass(frozen=True)
class Rendered:
    """What the child process has to tell."""

    timing: Timing
    memory: int
    """Peak, bytes."""
    memory_before: int
    """Peak before the first picture."""


def measure(settings: Settings, clock: Clock) -> Iterator[Row]:
    """Render only, in a process of its own."""
    told = in_child(_render, settings, clock)
    pairs = count_pairs(make_scene(settings.scene)).drawn
    pixels = settings.scene.width * settings.scene.height
    yield Row("pairs drawn a pixel", pairs / pixels, "pairs", better="higher")
    seconds, spread = told.timing.seconds, told.timing.spread
    name = f"picture, {settings.scene}"
    yield Row(name, seconds, "s", goal=settings.seconds, spread=spread)
    yield Row("peak memory of the process", told.memory / 2**30, "GiB", goal=settings.gibibytes)
    yield Row("  of it before the first picture", told.memory_before / 2**30, "GiB")


def _render(settings: Settings, clock: Clock) -> Rendered:
    use_threads(settings.threads)
    scene = make_scene(settings.scene)
    before = peak_memory()
    timing = time_forward(scene, clock)
    return Rendered(timing, peak_memory(), before)


if __name__ == "__main__":
    files = [f"benchmarks/{name}" for name in ("raster", "count_pairs.cpp")]
    code = [*files, "benchmarks/scalar_projection.hpp", "sparse3d/ops/rasterize"]
    run(__file__, measure, Settings(), code=code)
