"""Voxelisation by sorting keys."""

import torch
from jaxtyping import Float, Int, Int64
from torch import Tensor

from sparse3d.geometry.morton import morton_encode

__all__ = ["voxelize"]


def voxelize(
    positions: Float[Tensor, "n 3"],
    batch: Int[Tensor, " n"],
    low: tuple[float, float, float],
    size: tuple[float, float, float],
    shape: tuple[int, int, int],
) -> tuple[Int64[Tensor, " m"], Int64[Tensor, " p"], Int64[Tensor, " o"]]:
    """Sorted keys of the cells, point rows by cell, and where each cell's points begin."""
    origin, edges, limit = (torch.tensor(v, device=positions.device) for v in (low, size, shape))
    scaled = ((positions - origin) / edges).floor()
    inside = ((scaled >= 0) & (scaled < limit)).all(1).nonzero()[:, 0]
    cells = torch.cat([batch[inside, None].long(), scaled[inside].long()], dim=1)
    keys, order = morton_encode(cells).sort(stable=True)
    unique, counts = keys.unique_consecutive(return_counts=True)
    offsets = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
    return unique, inside[order], offsets
