"""Render a splat from the cameras of a scene."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
import tyro
from jaxtyping import Float
from torch import Tensor

from sparse3d.cli.arguments import parse
from sparse3d.errors import ConfigError, DataError
from sparse3d.geometry.undistort import undistorted_pinhole
from sparse3d.geometry.views import Views
from sparse3d.ops.rasterize import Render, rasterize
from sparse3d.scene import Camera, Gaussians
from sparse3d.scene.atomic import writing
from sparse3d.scene.formats.registry import open_scene
from sparse3d.scene.images import write_depth, write_rgb
from sparse3d.splat.budget import DetailedSplat, TimeBudget
from sparse3d.splat.results import picture_name
from sparse3d.train.progress import showing

__all__ = ["main"]

_ATTEMPTS = 12  # at the first picture, to find how many are drawn in time


@dataclass(frozen=True)
class Arguments:
    """Render a splat from the cameras of a scene: colour as PNG, z-depth as float32 ``.npy``.

    A camera with lens distortion is drawn as the pinhole that undistortion makes of it.
    """

    splat: tyro.conf.Positional[Path]
    """3DGS file, plain or compressed PLY, or any scene with Gaussians."""
    cameras: Path
    """Any scene with posed cameras, in the same world."""
    out: Path
    """Folder for images/ and depth/, new or empty."""
    background: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Red, green, blue behind everything, 0 to 1."""
    budget: int | None = None
    """Draw at most so many Gaussians a picture: the splat's own near the camera, merged ones far
    away, coarse ones out of sight. The same pictures every time."""
    milliseconds: float | None = None
    """Draw as many as are drawn in this time a picture, by the times of the pictures before (the
    first one is drawn until its number is found). What is drawn depends on the machine and its
    load."""

    def __post_init__(self) -> None:
        """Refuse what cannot be drawn."""
        if self.budget is not None and self.milliseconds is not None:
            raise ConfigError("--budget or --milliseconds expected, not both")
        if self.budget is not None and self.budget < 1:
            raise ConfigError(f"--budget must be at least 1, got {self.budget}")
        if self.milliseconds is not None and not 0 < self.milliseconds < math.inf:
            raise ConfigError(f"--milliseconds must be above 0, got {self.milliseconds}")


def main(arguments: Sequence[str]) -> int:
    """Run ``sparse3d render``."""
    given = parse(Arguments, "render", arguments)
    gaussians = open_scene(given.splat).read_gaussians()
    if gaussians is None:
        raise DataError(given.splat, "Gaussians expected, but there are none")
    cameras = open_scene(given.cameras).require_cameras()
    draw = _drawer(gaussians, given, _views(cameras[0]))
    with writing(given.out) as draft, showing("rendering") as progress:
        for name in ("images", "depth"):
            (draft / name).mkdir(parents=True)
        for done, camera in enumerate(cameras, start=1):
            render = draw(_views(camera))
            _write(draft, camera, render)
            progress.show(done, len(cameras), f"{render.radii.shape[1]} Gaussians")
    print(f"{len(cameras)} views: {given.out}")
    return 0


def _views(camera: Camera) -> Views:
    return Views.of([undistorted_pinhole(camera.intrinsics)], camera.world_from_camera[None])


def _drawer(gaussians: Gaussians, given: Arguments, first: Views) -> Callable[[Views], Render]:
    """What draws a picture of what is asked for, beginning with the ``first``."""
    background = torch.tensor(given.background)
    if given.budget is not None:
        choose = partial(DetailedSplat.of(gaussians).within, given.budget)
        return lambda views: _draw(choose(views), background, views)
    if given.milliseconds is not None:
        clock = TimeBudget(given.milliseconds / 1000, len(gaussians))
        draw = partial(_draw_in_time, DetailedSplat.of(gaussians), clock, background)
        for _ in range(_ATTEMPTS):
            draw(first)
            if clock.settled:
                break
        return draw
    return partial(_draw, gaussians, background)


def _draw_in_time(
    detailed: DetailedSplat, clock: TimeBudget, background: Float[Tensor, " 3"], views: Views
) -> Render:
    with clock.picture() as count:
        return _draw(detailed.within(count, views), background, views)


@torch.no_grad()
def _draw(gaussians: Gaussians, background: Float[Tensor, " 3"], views: Views) -> Render:
    return rasterize(gaussians, views, background=background)


def _write(folder: Path, camera: Camera, render: Render) -> None:
    name = picture_name(camera.name)
    write_rgb(folder / "images" / f"{name}.png", render.colors[0])
    write_depth(folder / "depth" / f"{name}.npy", render.depths[0])
