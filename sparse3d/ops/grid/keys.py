"""Searching sorted keys."""

import torch
from jaxtyping import Int64
from torch import Tensor

__all__ = ["find_keys"]


def find_keys(keys: Int64[Tensor, " n"], wanted: Int64[Tensor, " m"]) -> Int64[Tensor, " m"]:
    """Rows of wanted keys among sorted ones, -1 where they are not there."""
    if not len(keys):
        return torch.full_like(wanted, -1)
    rows = torch.searchsorted(keys, wanted).clamp_max_(len(keys) - 1)
    return torch.where(keys[rows] == wanted, rows, -1)
