"""Nearest neighbours by sorting all distances of a query."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor

__all__ = ["knn"]


def knn(
    points: Float[Tensor, "n 3"], k: int, queries: Float[Tensor, "m 3"] | None
) -> tuple[Float[Tensor, "m k"], Int64[Tensor, "m k"]]:
    """Squared distances and indices; ``k`` is at most the number of candidates."""
    rows = []
    for i, query in enumerate(points if queries is None else queries):
        x, y, z = ((points - query) ** 2).unbind(1)  # rounded in the dtype of the points
        everyone = zip((x + y + z).tolist(), range(len(points)), strict=True)
        rows.append(sorted(pair for pair in everyone if queries is not None or pair[1] != i)[:k])
    distances = [[distance for distance, _ in row] for row in rows]
    indices = [[j for _, j in row] for row in rows]
    return points.new_tensor(distances), torch.tensor(indices)
