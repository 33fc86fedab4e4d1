"""A splat drawn with a half, a quarter and a tenth of its Gaussians: time and likeness."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from harness import Clock, Row, run
from harness.machine import use_threads
from raster.guitar import GuitarSettings, look_at_guitar
from raster.render import render
from raster.scenes import Scene
from sparse3d.ops.rasterize import rasterize
from sparse3d.splat.budget import DetailedSplat


@dataclass(frozen=True)
class Settings:
    """The splat, the picture and the budgets."""

    guitar: GuitarSettings = field(default_factory=GuitarSettings)
    parts: tuple[int, ...] = (2, 4, 10)
    """The budget is the number of Gaussians over each of these."""
    threads: int = 2


def measure(settings: Settings, clock: Clock) -> Iterator[Row]:
    """Choose the Gaussians and draw them, beside drawing all; likeness to the picture of all."""
    use_threads(settings.threads)
    scene = look_at_guitar(settings.guitar)
    with torch.no_grad():
        yield from _rows(scene, settings, clock)


def _rows(scene: Scene, settings: Settings, clock: Clock) -> Iterator[Row]:
    count = len(scene.gaussians)
    building = clock.time(lambda: DetailedSplat.of(scene.gaussians))
    name = f"build the levels of {count:,} Gaussians"
    yield Row(name, 1e3 * building.seconds, "ms", spread=building.spread)
    detailed = DetailedSplat.of(scene.gaussians)
    whole, every = render(scene).colors, clock.time(lambda: render(scene))
    for part in settings.parts:
        budget = count // part

        def draw(budget: int = budget) -> Tensor:
            chosen = detailed.within(budget, scene.views)
            return rasterize(chosen, scene.views, background=scene.background).colors

        choice = clock.time(lambda budget=budget: detailed.within(budget, scene.views))
        timing, shown = clock.time(draw), f"{budget:,} of {count:,} Gaussians"
        peer = ("all of them", 1e3 * every.seconds)
        yield Row(f"draw {shown}", 1e3 * timing.seconds, "ms", *peer, spread=timing.spread)
        yield Row("  of it to choose them", 1e3 * choice.seconds, "ms", spread=choice.spread)
        yield Row("  PSNR against all", _psnr(draw(), whole), "dB", better="higher")


def _psnr(picture: Float[Tensor, "1 h w 3"], truth: Float[Tensor, "1 h w 3"]) -> float:
    """As pictures are written: clamped."""
    return -10 * math.log10(float((picture.clamp(0, 1) - truth.clamp(0, 1)).square().mean()))


if __name__ == "__main__":
    code = ["benchmarks/raster", "sparse3d/ops/rasterize", "sparse3d/ops/detail"]
    run(__file__, measure, Settings(), code=[*code, "sparse3d/splat/budget.py"])
