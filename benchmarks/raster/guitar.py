"""A real splat of some 90 thousand Gaussians that fills a part of the picture."""

from dataclasses import dataclass

import torch

from harness import UnavailableError
from harness.cache import ROOT
from raster.render import render
from raster.scenes import Scene
from sparse3d.geometry.views import Views
from sparse3d.scene import Gaussians
from sparse3d.scene.formats.registry import open_scene

__all__ = ["GuitarSettings", "covered", "look_at_guitar"]


@dataclass(frozen=True)
class GuitarSettings:
    """The splat and the picture."""

    file: str = "../shared/data/splats/guitar.ply"
    """Relative to the clone."""
    width: int = 1280
    height: int = 720
    covered: float = 2 / 3
    """Share of the pixels that are at least half opaque."""


def look_at_guitar(settings: GuitarSettings) -> Scene:
    """The splat from a place at which it covers as much as it shall.

    Raises:
        UnavailableError: If the file is not there or holds no Gaussians.
    """
    file = ROOT / settings.file
    if not file.is_file():
        raise UnavailableError(f"no file {settings.file} beside the clone")
    gaussians = open_scene(file).read_gaussians()
    if gaussians is None:
        raise UnavailableError(f"{settings.file} holds no Gaussians")
    return _fill(gaussians, settings)


def _fill(gaussians: Gaussians, settings: GuitarSettings) -> Scene:
    """Zoom in, from a place at which the whole splat is in view, until enough is covered."""
    low, high = 0.1, 20.0  # focal length in image widths
    for _ in range(12):
        middle = (low * high) ** 0.5
        too_small = covered(_look(gaussians, middle, settings)) < settings.covered
        low, high = (middle, high) if too_small else (low, middle)
    return _look(gaussians, high, settings)


def _look(gaussians: Gaussians, zoom: float, settings: GuitarSettings) -> Scene:
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


def covered(scene: Scene) -> float:
    """Share of the pixels that are at least half opaque."""
    with torch.no_grad():
        return float((render(scene).alphas >= 0.5).float().mean())
