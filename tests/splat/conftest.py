"""A tiny scene that a splat can fit: photos rendered from known Gaussians."""

from dataclasses import replace

import pytest
import torch

from sparse3d.geometry.intrinsics import Intrinsics
from sparse3d.geometry.transforms import look_at
from sparse3d.geometry.views import Views
from sparse3d.ops.rasterize import rasterize
from sparse3d.scene import Camera, Frame, Gaussians, Scene
from sparse3d.scene.images import write_rgb

LENS = Intrinsics(48, 36, 50.0, 50.0, 24.0, 18.0)
UP = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)


def blobs(count: int = 40) -> Gaussians:
    """Colourful opaque Gaussians around the origin."""
    rng = torch.Generator().manual_seed(0)
    return Gaussians(
        means=torch.rand(count, 3, generator=rng) * 2 - 1,
        quaternions=torch.randn(count, 4, generator=rng),
        log_scales=torch.rand(count, 3, generator=rng) - 2,
        logit_opacities=torch.full((count,), 2.0),
        sh=torch.randn(count, 1, 3, generator=rng),
    )


@pytest.fixture(scope="session")
def tiny_scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """Ten forward-facing photos of 48x36."""
    folder = tmp_path_factory.mktemp("tiny")
    frames = []
    for i in range(10):
        centre = torch.tensor([-4.0, (i - 4.5) * 0.15, 0.3 * (i % 3)], dtype=torch.float64)
        pose = look_at(centre, torch.zeros(3).double(), UP)
        render = rasterize(blobs(), Views.of([LENS], pose[None]), background=torch.zeros(3))
        path = folder / f"{i:02}.png"
        write_rgb(path, render.colors[0])
        frames.append(Frame(path.name, (Camera(path.name, LENS, pose, image_path=path),)))
    return replace(Scene("tiny", tuple(frames)), source=folder)
