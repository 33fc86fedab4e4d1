"""Nearest neighbours by comparing all pairs, a chunk of queries at a time."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor

__all__ = ["knn"]

_PAIRS = 1 << 23  # pairs a chunk: distances and their sums take about 200 MB in float64


def knn(
    points: Float[Tensor, "n 3"], k: int, queries: Float[Tensor, "m 3"] | None
) -> tuple[Float[Tensor, "m k"], Int64[Tensor, "m k"]]:
    """Squared distances and indices; ``k`` is at most the number of candidates."""
    chunk = max(1, _PAIRS // len(points))
    sources = points if queries is None else queries
    found = []
    for start in range(0, len(sources), chunk):
        rows = sources[start : start + chunk]
        x, y, z = (rows[:, None, axis] - points[None, :, axis] for axis in range(3))
        distances = x * x + y * y + z * z
        if queries is None:
            itself = torch.arange(start, start + len(rows), device=points.device)
            distances.scatter_(1, itself[:, None], torch.inf)
        found.append(_smallest(distances, k))
    distances, indices = zip(*found, strict=True)
    return torch.cat(distances), torch.cat(indices)


def _smallest(
    distances: Float[Tensor, "m n"], k: int
) -> tuple[Float[Tensor, "m k"], Int64[Tensor, "m k"]]:
    """The ``k`` smallest of each row by (distance, index)."""
    smallest, indices = distances.topk(k, dim=1, largest=False)
    shared = (distances <= smallest[:, -1:]).sum(1) > k  # topk took any of equally far ones
    if bool(shared.any()):
        indices[shared] = distances[shared].sort(dim=1, stable=True).indices[:, :k]
    indices = indices.sort(dim=1).values
    values, order = distances.gather(1, indices).sort(dim=1, stable=True)
    return values, indices.gather(1, order)
