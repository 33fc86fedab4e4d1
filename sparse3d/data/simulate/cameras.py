"""Paths of simulated cameras."""

import math

import torch
from jaxtyping import Float64
from torch import Tensor

from sparse3d.geometry.transforms import look_at

__all__ = ["forward_facing_path", "orbit_path"]

_UP = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)


def forward_facing_path(
    count: int,
    centre: tuple[float, float, float],
    target: tuple[float, float, float],
    spread: tuple[float, float],
) -> Float64[Tensor, "n 4 4"]:
    """``world_from_camera`` along a winding line across the viewing direction.

    Args:
        count: Number of cameras, at least one.
        centre: Middle of the line, metres.
        target: What all cameras look at, metres.
        spread: Half the width and half the height of the line, metres.
    """
    eye, aim = (torch.tensor(point, dtype=torch.float64) for point in (centre, target))
    right = torch.nn.functional.normalize(torch.linalg.cross(aim - eye, _UP), dim=0)
    poses = []
    for i in range(count):
        share = 2 * i / max(count - 1, 1) - 1
        height = spread[1] * math.sin(2.2 * math.pi * share + 0.7)
        poses.append(look_at(eye + right * spread[0] * share + _UP * height, aim, _UP))
    return torch.stack(poses)


def orbit_path(
    count: int,
    target: tuple[float, float, float],
    radii: tuple[float, float],
    height: float,
    sector: tuple[float, float] = (0.0, 2 * math.pi),
) -> Float64[Tensor, "n 4 4"]:
    """``world_from_camera`` on an ellipse around a target.

    Args:
        count: Number of cameras, at least one.
        target: What all cameras look at, metres.
        radii: Half axes of the ellipse along x and y, metres.
        height: Height of the cameras above the target, metres.
        sector: First and last angle from +x, radians; a full turn does not repeat its first view.
    """
    aim = torch.tensor(target, dtype=torch.float64)
    first, last = sector
    full = math.isclose(last - first, 2 * math.pi)
    step = (last - first) / (count if full else max(count - 1, 1))
    poses = []
    for i in range(count):
        angle = first + i * step
        around = (radii[0] * math.cos(angle), radii[1] * math.sin(angle), height)
        poses.append(look_at(aim + torch.tensor(around, dtype=torch.float64), aim, _UP))
    return torch.stack(poses)
