"""Interpolation by binary search in sorted keys and bags of embeddings."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from sparse3d.geometry.morton import morton_encode
from sparse3d.ops.interpolate.corners import STEPS

__all__ = ["find", "gather", "scatter"]


def find(
    keys: Int64[Tensor, " n"], first: Int64[Tensor, "p 4"], shape: tuple[int, int, int]
) -> Int64[Tensor, "p 8"]:
    """Rows of the cells from the first one on, -1 where they are not there."""
    steps, limit = (torch.tensor(v, device=keys.device) for v in (STEPS, shape))
    cells = first[:, None, 1:] + steps  # p 8 3
    inside = ((cells >= 0) & (cells < limit)).all(2)
    batch = first[:, None, :1].expand(-1, len(STEPS), -1)
    wanted = morton_encode(torch.cat([batch, torch.where(inside[..., None], cells, 0)], 2))
    if not len(keys):
        return torch.full_like(wanted, -1)
    rows = torch.searchsorted(keys, wanted).clamp_max(len(keys) - 1)
    return torch.where(inside & (keys[rows] == wanted), rows, -1)


def gather(
    features: Float[Tensor, "n c"], rows: Int64[Tensor, "p 8"], weights: Float[Tensor, "p 8"]
) -> Float[Tensor, "p c"]:
    """Sums of weighted rows; those of -1 do not count."""
    padded = torch.cat([features, features.new_zeros(1, features.shape[1])])
    result = features.new_zeros(len(rows), features.shape[1])
    for row, weight in zip(rows.unbind(1), weights.unbind(1), strict=True):
        result = result + padded[row] * weight[:, None]  # row -1 is the last one
    return result


def scatter(
    values: Float[Tensor, "p c"],
    rows: Int64[Tensor, "p 8"],
    weights: Float[Tensor, "p 8"],
    count: int,
) -> Float[Tensor, "n c"]:
    """Weighted values, added to their rows out of so many."""
    result = values.new_zeros(count + 1, values.shape[1])
    for row, weight in zip(rows.unbind(1), weights.unbind(1), strict=True):
        into = torch.where(row < 0, count, row)
        result = result.index_add(0, into, values * weight[:, None])
    return result[:count]
