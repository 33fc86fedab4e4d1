"""Nearest neighbours by the C++ k-d tree, all threads."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from sparse3d.ops.backend import native_module

__all__ = ["knn"]


def knn(
    points: Float[Tensor, "n 3"], k: int, queries: Float[Tensor, "m 3"] | None
) -> tuple[Float[Tensor, "m k"], Int64[Tensor, "m k"]]:
    """Squared distances and indices; ``k`` is at most the number of candidates."""
    if points.dtype not in (torch.float32, torch.float64):
        raise ValueError(f"backend 'native' takes float32 or float64 points, got {points.dtype}")
    sources = points if queries is None else queries.contiguous()
    distances = points.new_empty(len(sources), k)
    indices = torch.empty(len(sources), k, dtype=torch.int64)
    native_module().knn(
        points.contiguous(), None if queries is None else sources, distances, indices
    )
    return distances, indices
