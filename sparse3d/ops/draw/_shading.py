"""Colours of the corners of faces, lit by a lamp at the camera."""

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from sparse3d.ops.draw.primitives import Triangles

__all__ = ["corner_colors", "corners"]

_AMBIENT = 0.3  # share of the light that comes from everywhere


def corners(triangles: Triangles) -> Float64[Tensor, "t 3 3"]:
    """Positions of the three corners of each face, in the world."""
    return triangles.vertices.detach().double()[triangles.faces.long()]


def corner_colors(
    triangles: Triangles, places: Float64[Tensor, "t 3 3"], eye: Float64[Tensor, " 3"]
) -> Float[Tensor, "t 3 3"]:
    """RGB of the three corners of each face, seen and lit from ``eye``."""
    colors = triangles.colors.detach()
    if triangles.color_of == "face":
        painted = colors[:, None].expand(-1, 3, -1)
    else:
        painted = colors[triangles.faces.long()]
    if triangles.shaded:
        painted = painted * _light(places, eye)[:, None, None].float()
    return painted.contiguous()


def _light(places: Float64[Tensor, "t 3 3"], eye: Float64[Tensor, " 3"]) -> Float64[Tensor, " t"]:
    """Lambert's law for both sides: the cosine between normal and light at the middle of a face."""
    a, b, c = places.unbind(1)
    normal = torch.nn.functional.normalize(torch.linalg.cross(b - a, c - a), dim=1)
    towards = torch.nn.functional.normalize(eye - places.mean(1), dim=1)
    return _AMBIENT + (1 - _AMBIENT) * (normal * towards).sum(1).abs()
