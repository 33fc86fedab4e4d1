"""Frames a second of a real splat that covers two thirds of 1280x720."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from harness import Clock, Row, UnavailableError, run
from harness.cache import ROOT
from harness.machine import use_threads
from raster.render import render
from raster.scenes import Scene
from raster.training import time_forward
from sparse3d.geometry.views import Views
from sparse3d.scene import Gaussians
from sparse3d.scene.formats.registry import open_scene


@dataclass(frozen=True)
class Settings:
    """The splat, the picture and the goal."""

    file: str = "../shared/data/splats/guitar.ply"
    """Relative to the clone."""
    width: int = 1280
    height: int = 720
    covered: float = 2 / 3
    """Share of the pixels that are at least half opaque."""
    goal: float = 20.0
    """Frames a second with two threads."""
    threads: int = 2


def measure(settings: Settings, clock: Clock) -> Iterator[Row]:
    """Render only, all spherical harmonics."""
    file = ROOT / settings.file
    if not file.is_file():
        raise UnavailableError(f"no file {settings.file} beside the clone")
    gaussians = open_scene(file).read_gaussians()
    if gaussians is None:
        raise UnavailableError(f"{settings.file} holds no Gaussians")
    use_threads(settings.threads)
    scene = _fill(gaussians, settings)
    timing = time_forward(scene, clock)
    shown = f"{len(gaussians):,} Gaussians, SH degree {gaussians.sh_degree}"
    yield Row(f"pixels covered, {shown}", 100 * _covered(scene), "%", better="higher")
    yield Row(
        f"frames at {settings.width}x{settings.height}, {shown}",
        1 / timing.seconds,
        "1/s",
        goal=settings.goal,
        better="higher",
        spread=timing.spread,
    )


def _fill(gaussians: Gaussians, settings: Settings) -> Scene:
    """Zoom in, from a place at which the whole splat is in view, until enough is covered."""
    low, high = 0.1, 20.0  # focal length in image widths
    for _ in range(12):
        middle = (low * high) ** 0.5
        too_small = _covered(_look(gaussians, middle, settings)) < settings.covered
        low, high = (middle, high) if too_small else (low, middle)
    return _look(gaussians, high, settings)


def _look(gaussians: Gaussians, zoom: float, settings: Settings) -> Scene:
    """Along z at the median of the centres, from four times their spread (90 % of them)."""
    centre = gaussians.means.median(0).values
    distances = (gaussians.means - centre).norm(dim=1)
    pose = torch.eye(4)
    pose[:3, 3] = centre - torch.tensor([0.0, 0.0, 4.0]) * distances.quantile(0.9)
    focal = zoom * settings.width
    matrix = torch.tensor(
        [[focal, 0, settings.width / 2], [0, focal, settings.height / 2], [0, 0, 1]]
    )
    views = Views(pose[None], matrix[None], settings.width, settings.height)
    return Scene(gaussians, views, torch.zeros(3))


def _covered(scene: Scene) -> float:
    with torch.no_grad():
        return float((render(scene).alphas >= 0.5).float().mean())


if __name__ == "__main__":
    run(__file__, measure, Settings(), code=["benchmarks/raster", "sparse3d/ops/rasterize"])
