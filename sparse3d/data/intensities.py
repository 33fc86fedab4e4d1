"""Strengths of returns on one scale."""

import torch
from jaxtyping import Float
from torch import Tensor

from sparse3d.scene import PointCloud

__all__ = ["unit_intensities"]


def unit_intensities(cloud: PointCloud, wanted: bool, scale: float) -> Float[Tensor, " n"]:
    """Intensities of a sweep in [0, 1], float32; what is not finite stays so.

    Args:
        cloud: The sweep; without intensities all are 0.
        wanted: Whether they are to be seen; if not, all are 0.
        scale: They are divided by this and then cut.
    """
    if cloud.intensities is None or not wanted:
        return torch.zeros(len(cloud))
    scaled = cloud.intensities.float() / scale
    return torch.where(scaled.isfinite(), scaled.clamp(0, 1), scaled)
