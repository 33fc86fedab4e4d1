"""A cheap photo of a street: one ray a pixel, sun and sky, soft noise for texture."""

import math

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor

from sparse3d.data.simulate.street.stage import Stage
from sparse3d.geometry.intrinsics import Intrinsics

__all__ = ["photograph"]

_HAZE = 250.0  # metres over which colours fade into the sky
_OFF_SURFACE = 5e-3  # metres between a surface and the start of its shadow ray
_SHADOW = 200.0  # metres; nothing farther casts shadows


def photograph(
    stage: Stage,
    lens: Intrinsics,
    world_from_camera: Float64[Tensor, "4 4"],
    rng: np.random.Generator,
) -> Float[Tensor, "h w 3"]:
    """The photo of a pinhole camera, RGB in [0, 1].

    Args:
        stage: The street.
        lens: Of the camera.
        world_from_camera: Pose, OpenCV axes.
        rng: Draws the light.
    """
    local = lens.unproject(lens.pixel_grid().reshape(-1, 2))
    rays = torch.nn.functional.normalize(local @ world_from_camera[:3, :3].T, dim=1).float()
    eye = world_from_camera[:3, 3].float()
    sun, cloudy = _sun(rng), float(rng.uniform(0.2, 0.9))
    sky = _sky(rays, cloudy)
    hits = stage.caster.cast(eye[None], rays)
    met = (hits.parts >= 0).nonzero()[:, 0]
    places, normals = eye + rays[met] * hits.distances[met, None], hits.normals[met]
    direct = (normals @ sun).clamp_min(0)
    starts = places + _OFF_SURFACE * normals
    direct *= ~stage.caster.occluded(starts, (sun * _SHADOW).expand_as(starts))
    ambient = 0.45 + 0.2 * normals[:, 2]
    light = ambient + (1 - 0.8 * cloudy) * 0.9 * direct
    colors = _albedo(stage, hits.parts[met], places) * light[:, None]
    fade = torch.exp(-hits.distances[met, None] / _HAZE)
    sky[met] = colors * fade + sky[met] * (1 - fade)
    grain = torch.from_numpy(rng.normal(0, 0.012, (len(sky), 3)).astype(np.float32))
    return (sky + grain).clamp(0, 1).reshape(lens.height, lens.width, 3)


def _albedo(stage: Stage, parts: Tensor, places: Float[Tensor, "n 3"]) -> Float[Tensor, "n 3"]:
    colors = torch.tensor([finish.color for finish in stage.finishes])
    x, y, z = (places * 5.3).unbind(1)
    waves = torch.sin(1.7 * x + y) * torch.sin(1.3 * y - z) * torch.sin(2.1 * z + 0.7 * x)
    return colors[parts] * (1 + 0.12 * waves[:, None])


def _sun(rng: np.random.Generator) -> Float[Tensor, " 3"]:
    """Direction to the sun, 20 to 65 degrees high."""
    high, around = math.radians(rng.uniform(20, 65)), rng.uniform(0, 2 * math.pi)
    flat = math.cos(high)
    return torch.tensor([flat * math.cos(around), flat * math.sin(around), math.sin(high)])


def _sky(rays: Float[Tensor, "n 3"], cloudy: float) -> Float[Tensor, "n 3"]:
    blue, grey = torch.tensor([0.45, 0.65, 0.95]), torch.tensor([0.85, 0.87, 0.9])
    share = (cloudy + (1 - rays[:, 2:].clamp(0, 1)) ** 3 * (1 - cloudy)).clamp(0, 1)
    return blue + (grey - blue) * share
