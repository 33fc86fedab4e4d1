"""Forward plus backward against a plain scalar rasteriser, as CPU fall-backs are written."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torch import Tensor

from harness import Clock, Row, run
from harness.machine import use_threads
from raster.render import forward_and_backward, random_cotangent
from raster.scalar import ScalarRasterizer
from raster.scenes import SceneSettings, make_scene

SCENE = SceneSettings(50_000, 504, 378)
NAMES = ("colors", "alphas", "depths", "means", "quaternions", "log scales", "opacities", "sh")


@dataclass(frozen=True)
class Settings:
    """The scene and the goals."""

    scene: SceneSettings = SCENE
    goal: float = 40.0
    """How many times faster."""
    difference: float = 1e-4
    """Largest norm of the difference to the peer, relative to the norm, of any image or
    gradient."""
    threads: int = 2


def measure(settings: Settings, clock: Clock) -> Iterator[Row]:
    """Compare the results first, then the times."""
    use_threads(settings.threads)
    scene = make_scene(settings.scene)
    cotangent, peer = random_cotangent(scene), ScalarRasterizer()
    ours, theirs = forward_and_backward(scene, cotangent), peer.run(scene, cotangent)
    differences = relative_differences((*ours[0].all, *ours[1]), (*theirs[0].all, *theirs[1]))
    worst = max(range(len(NAMES)), key=lambda i: differences[i])
    yield Row(
        f"largest relative difference ({NAMES[worst]})",
        differences[worst],
        "",
        goal=settings.difference,
    )
    slow = clock.time(lambda: peer.run(scene, cotangent))
    fast = clock.time(lambda: forward_and_backward(scene, cotangent))
    yield Row(
        f"forward and backward, {settings.threads} threads, {settings.scene}",
        1e3 * fast.seconds,
        "ms",
        peer="scalar C++, 1 thread",
        peer_value=1e3 * slow.seconds,
        goal=settings.goal,
        goal_of="ratio",
        spread=fast.spread,
    )


def relative_differences(ours: Sequence[Tensor], theirs: Sequence[Tensor]) -> list[float]:
    """Norms of differences over norms: a pixel may differ by 1/255 where alpha rounds to it."""
    pairs = zip(ours, theirs, strict=True)
    return [float((a.detach() - b).norm() / b.norm()) for a, b in pairs]


if __name__ == "__main__":
    files = [f"benchmarks/{name}" for name in ("raster", "scalar_rasterizer.cpp")]
    code = [*files, "benchmarks/scalar_projection.hpp", "sparse3d/ops/rasterize"]
    run(__file__, measure, Settings(), code=code)
