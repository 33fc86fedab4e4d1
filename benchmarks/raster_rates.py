"""Gaussian-pixel pairs blended a second by one core, against the multiply-adds it could do.

The time of blending is that of a scene less that of the same scene behind a curtain, where all is
projected, listed and summed and nearly nothing blended; the pairs are the difference of the two.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from harness import Clock, Row, Timing, UnavailableError, run
from harness.limits import fma_peak
from harness.machine import use_threads
from raster.render import Passes, random_cotangent, time_passes
from raster.scalar import Pairs, count_pairs
from raster.scenes import SceneSettings, behind_curtain, make_scene
from sparse3d.ops.backend import has_native, native_module

SCENE = SceneSettings(50_000, 504, 378)
LANES = {"baseline": 4, "avx2": 8, "avx512": 16}
"""Floats of a register of each instruction set, as native/kernels/lanes.hpp has them."""


@dataclass(frozen=True)
class Pass:
    """What the goals of one direction are."""

    name: str
    flops: int
    """Floating-point operations of a pair."""
    goal: float
    """Billions of pairs a second and core, for AVX-512."""


@dataclass(frozen=True)
class Settings:
    """The scene and the goals."""

    scene: SceneSettings = SCENE
    passes: tuple[Pass, Pass] = (Pass("forward", 27, 1.5), Pass("backward", 60, 0.7))
    goal_of_peak: float = 0.25


def measure(settings: Settings, clock: Clock) -> Iterator[Row]:
    """Rates of every instruction set of this machine, with one thread."""
    if not has_native():
        raise UnavailableError("the C++ kernels were not built")
    use_threads(1)
    scene = make_scene(settings.scene)
    hidden = behind_curtain(scene)
    pixels = settings.scene.width * settings.scene.height
    drawn = count_pairs(scene).drawn
    yield Row("pairs drawn a pixel", drawn / pixels, "pairs", better="higher")
    cotangent, peak, kernels = random_cotangent(scene), fma_peak(), native_module()
    for isa in kernels.available_isas():
        kernels.set_isa(isa)
        blended = count_pairs(scene, LANES[isa]) - count_pairs(hidden, LANES[isa])
        times = (time_passes(one, cotangent, clock) for one in (scene, hidden))
        is_best = isa == kernels.available_isas()[-1]
        for name, count in (("forward", blended.forward), ("backward", blended.backward)):
            yield Row(f"{name}, {isa}, evaluated a drawn pair", count / blended.drawn, "pairs")
        yield from _rates(settings, isa, blended, next(times), next(times), peak if is_best else 0)
    kernels.set_isa("auto")


def _rates(
    settings: Settings, isa: str, pairs: Pairs, whole: Passes, rest: Passes, peak: float
) -> Iterator[Row]:
    """Rows of one instruction set; ``peak`` is 0 where the machine could do better than it."""
    unit = "G pairs/s"
    blending = (
        _difference(whole.forward, rest.forward),
        _difference(whole.backward, rest.backward),
    )
    both = (pairs.forward, pairs.backward)
    for one, took, walked in zip(settings.passes, blending, both, strict=True):
        drawn, evaluated = (1e-9 * n / took.seconds for n in (pairs.drawn, walked))
        name, spread = f"{one.name}, {isa}", took.spread
        goal = one.goal if isa == "avx512" else None
        yield Row(f"{name}, drawn", drawn, unit, goal=goal, better="higher", spread=spread)
        yield Row(f"{name}, evaluated", evaluated, unit, better="higher", spread=spread)
        if peak:
            yield Row(
                f"{name}, drawn, of the peak",
                drawn,
                unit,
                peer=f"FMA peak of {peak / 1e9:.0f} GFLOP/s at {one.flops} flops a pair",
                peer_value=1e-9 * peak / one.flops,
                goal=settings.goal_of_peak,
                goal_of="ratio",
                better="higher",
            )


def _difference(whole: Timing, part: Timing) -> Timing:
    """What is left of ``whole``; the spreads of two independent times add up as squares."""
    seconds = whole.seconds - part.seconds
    if seconds <= 0:
        raise UnavailableError("the machine is too busy to tell blending from the rest")
    spread = math.hypot(whole.seconds * whole.spread, part.seconds * part.spread)
    return Timing(seconds, spread / seconds)


if __name__ == "__main__":
    files = [f"benchmarks/{name}" for name in ("raster", "count_pairs.cpp", "limits.cpp")]
    code = [*files, "benchmarks/scalar_projection.hpp", "sparse3d/ops/rasterize"]
    run(__file__, measure, Settings(), code=code)
