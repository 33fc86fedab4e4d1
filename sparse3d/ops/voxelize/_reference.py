"""Voxelisation point by point."""

import math
from collections import defaultdict

from jaxtyping import Float, Int
from torch import Tensor

__all__ = ["voxelize"]


def voxelize(
    positions: Float[Tensor, "n 3"],
    batch: Int[Tensor, " n"],
    low: tuple[float, float, float],
    size: tuple[float, float, float],
    shape: tuple[int, int, int],
) -> dict[tuple[int, int, int, int], list[int]]:
    """Rows of the points of every occupied cell ``(batch, x, y, z)``."""
    cells: dict[tuple[int, int, int, int], list[int]] = defaultdict(list)
    for row, (number, position) in enumerate(zip(batch.tolist(), positions.tolist(), strict=True)):
        x, y, z = (math.floor((p - a) / e) for p, a, e in zip(position, low, size, strict=True))
        if 0 <= x < shape[0] and 0 <= y < shape[1] and 0 <= z < shape[2]:
            cells[number, x, y, z].append(row)
    return dict(cells)
