"""Trilinear interpolation point by point; torch's autograd gives the gradients."""

import math
from itertools import product

import torch
from jaxtyping import Float64
from torch import Tensor

__all__ = ["interpolate", "splat"]

Triple = tuple[float, float, float]
Cells = dict[tuple[int, int, int, int], int]
"""Row of each cell ``(batch, x, y, z)``."""


def interpolate(
    features: Float64[Tensor, "n c"],
    cells: Cells,
    low: Triple,
    size: Triple,
    positions: Float64[Tensor, "p 3"],
    batch: list[int],
    normalised: bool,
) -> Float64[Tensor, "p c"]:
    """Features at points."""
    rows = []
    for position, number in zip(positions, batch, strict=True):
        row = features.new_zeros(features.shape[1])
        for source, weight in _around(cells, low, size, position, number, normalised):
            row = row + weight * features[source]
        rows.append(row)
    return torch.stack(rows)


def splat(
    values: Float64[Tensor, "p c"],
    cells: Cells,
    low: Triple,
    size: Triple,
    positions: Float64[Tensor, "p 3"],
    batch: list[int],
    normalised: bool,
) -> Float64[Tensor, "n c"]:
    """Values added to cells."""
    rows = [values.new_zeros(values.shape[1]) for _ in cells]
    for value, position, number in zip(values, positions, batch, strict=True):
        for target, weight in _around(cells, low, size, position, number, normalised):
            rows[target] = rows[target] + weight * value
    return torch.stack(rows)


def _around(
    cells: Cells,
    low: Triple,
    size: Triple,
    position: Float64[Tensor, " 3"],
    number: int,
    normalised: bool,
) -> list[tuple[int, Tensor]]:
    """Rows and weights of the cells around a point."""
    scaled = [(position[a] - low[a]) / size[a] - 0.5 for a in range(3)]
    found = []
    for steps in product((0, 1), repeat=3):
        cell = [math.floor(s.item()) + step for s, step in zip(scaled, steps, strict=True)]
        x, y, z = (1 - (s - c).abs() for s, c in zip(scaled, cell, strict=True))
        if (number, *cell) in cells:
            found.append((cells[number, cell[0], cell[1], cell[2]], x * y * z))
    total = sum(weight for _, weight in found)
    if normalised and total > 0:
        found = [(row, weight / total) for row, weight in found]
    return found
