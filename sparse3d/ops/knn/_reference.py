"""Nearest neighbours by sorting all distances of a query, in float64."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor

__all__ = ["knn"]


def knn(
    points: Float[Tensor, "n 3"], k: int, queries: Float[Tensor, "m 3"] | None
) -> tuple[Float[Tensor, "m k"], Int64[Tensor, "m k"]]:
    """Squared distances and indices; ``k`` is at most the number of candidates."""
    rows = []
    for i, query in enumerate((points if queries is None else queries).tolist()):
        others = [j for j in range(len(points)) if queries is not None or j != i]
        rows.append(sorted((_squared(query, points[j].tolist()), j) for j in others)[:k])
    distances = [[distance for distance, _ in row] for row in rows]
    indices = [[j for _, j in row] for row in rows]
    return points.new_tensor(distances), torch.tensor(indices)


def _squared(a: list[float], b: list[float]) -> float:
    return sum((x - y) ** 2 for x, y in zip(a, b, strict=True))
