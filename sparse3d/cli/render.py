"""Render a splat from the cameras of a scene."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import tyro

from sparse3d.cli.arguments import parse
from sparse3d.errors import DataError
from sparse3d.geometry.undistort import undistorted_pinhole
from sparse3d.geometry.views import Views
from sparse3d.ops.rasterize import Render, rasterize
from sparse3d.scene import Camera, Gaussians
from sparse3d.scene.atomic import writing
from sparse3d.scene.formats.registry import open_scene
from sparse3d.scene.images import write_depth, write_rgb
from sparse3d.splat.results import picture_name
from sparse3d.train.progress import showing

__all__ = ["main"]


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


def main(arguments: Sequence[str]) -> int:
    """Run ``sparse3d render``."""
    given = parse(Arguments, "render", arguments)
    gaussians = open_scene(given.splat).read_gaussians()
    if gaussians is None:
        raise DataError(given.splat, "Gaussians expected, but there are none")
    cameras = open_scene(given.cameras).require_cameras()
    with writing(given.out) as draft, showing("rendering") as progress:
        for name in ("images", "depth"):
            (draft / name).mkdir(parents=True)
        for done, camera in enumerate(cameras, start=1):
            _write(draft, camera, _draw(gaussians, camera, given.background))
            progress.show(done, len(cameras))
    print(f"{len(cameras)} views: {given.out}")
    return 0


@torch.no_grad()
def _draw(gaussians: Gaussians, camera: Camera, background: tuple[float, float, float]) -> Render:
    pinhole = undistorted_pinhole(camera.intrinsics)
    views = Views.of([pinhole], camera.world_from_camera[None])
    return rasterize(gaussians, views, background=torch.tensor(background))


def _write(folder: Path, camera: Camera, render: Render) -> None:
    name = picture_name(camera.name)
    write_rgb(folder / "images" / f"{name}.png", render.colors[0])
    write_depth(folder / "depth" / f"{name}.npy", render.depths[0])
