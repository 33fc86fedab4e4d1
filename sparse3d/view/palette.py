"""Colours of classes, of points that have none of their own, and of bare surfaces."""

import colorsys
import zlib

import torch
from jaxtyping import Float
from torch import Tensor

from sparse3d.scene import Mesh, PointCloud
from sparse3d.view.colormap import DEPTH

__all__ = ["CAMERA", "TEST_CAMERA", "class_color", "mesh_colors", "point_colors"]

Color = tuple[float, float, float]

CAMERA: Color = (0.13, 0.35, 0.75)
"""Of the frusta of cameras."""
TEST_CAMERA: Color = (0.90, 0.45, 0.05)
"""Of cameras that are held out."""

_BARE: Color = (0.72, 0.74, 0.78)
_CLASSES: dict[str, Color] = {
    "car": (0.90, 0.35, 0.05),
    "van": (0.75, 0.45, 0.10),
    "truck": (0.55, 0.20, 0.70),
    "bus": (0.80, 0.10, 0.45),
    "pedestrian": (0.05, 0.45, 0.85),
    "cyclist": (0.05, 0.60, 0.30),
    "bicycle": (0.05, 0.60, 0.30),
}


def class_color(name: str) -> Color:
    """RGB in [0, 1] of a class: well apart for the common ones, always the same for the others."""
    known = _CLASSES.get(name.lower())
    hue = zlib.crc32(name.encode()) / 2**32
    return known or colorsys.hsv_to_rgb(hue, 0.85, 0.75)


def point_colors(cloud: PointCloud, up: Float[Tensor, " 3"]) -> Float[Tensor, "n 3"]:
    """The cloud's own colours; else by height from dark blue (low) to yellow.

    The scale of heights leaves out the lowest and the highest 2 %.

    Args:
        cloud: Finite points.
        up: Unit vector upwards in the frame of the cloud.
    """
    if cloud.colors is not None:
        return cloud.colors.float().clamp(0, 1)
    heights = cloud.positions.float() @ up.float()
    if len(heights) == 0:
        return torch.zeros(0, 3)
    low, high = (float(heights.kthvalue(_rank(len(heights), q)).values) for q in (0.02, 0.98))
    return DEPTH((heights - low) / max(high - low, 1e-9) * 0.9)  # the very end is pale on white


def mesh_colors(mesh: Mesh, light: Float[Tensor, " 3"]) -> Float[Tensor, "v 3"]:
    """The mesh's own colours, as they are; else grey, shaded by a light from far away.

    Args:
        mesh: Surface in the world; both sides are lit.
        light: Unit vector towards the light.
    """
    if mesh.colors is not None:
        return mesh.colors.float().clamp(0, 1)
    facing = (_vertex_normals(mesh) @ light.float()).abs()
    return torch.tensor(_BARE) * (0.35 + 0.65 * facing)[:, None]


def _rank(count: int, share: float) -> int:
    return 1 + round((count - 1) * share)


def _vertex_normals(mesh: Mesh) -> Float[Tensor, "v 3"]:
    if mesh.normals is not None:
        return mesh.normals.float()
    vertices, triangles = mesh.vertices.float(), mesh.triangles.long()
    a, b, c = vertices[triangles].unbind(1)
    weighted = torch.linalg.cross(b - a, c - a)  # [t, 3], twice the area long
    total = torch.zeros_like(vertices)
    for corner in range(3):
        total.index_add_(0, triangles[:, corner], weighted)
    return torch.nn.functional.normalize(total, dim=1)
