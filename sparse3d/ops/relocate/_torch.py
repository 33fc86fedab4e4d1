"""Shares of all Gaussians at once: one step of Horner's scheme a binomial coefficient."""

import math

import torch
from jaxtyping import Float64, Int64
from torch import Tensor

__all__ = ["share"]


def share(
    opacities: Float64[Tensor, " n"], copies: Int64[Tensor, " n"]
) -> tuple[Float64[Tensor, " n"], Float64[Tensor, " n"]]:
    """Opacity of each copy, and the factor on its scales.

    Summed over ``i`` first (``sum_i C(i-1, k) = C(N, k+1)``), the double sum of the paper is a
    polynomial in the opacity of a copy.
    """
    part = -torch.expm1(torch.log1p(-opacities) / copies)
    most = int(copies.max()) if len(copies) else 0
    table = _coefficients(most).to(opacities.device)
    total = torch.zeros_like(part)
    for power in range(most, 0, -1):
        total = (total + table[copies, power]) * part
    return part, opacities / total


def _coefficients(most: int) -> Float64[Tensor, "m m"]:
    """``C(N, j) (-1)^(j-1) / sqrt(j)`` in row ``N``, column ``j``; 0 where ``j`` is 0 or above."""
    rows = [
        [math.comb(n, j) * (-1) ** (j - 1) / math.sqrt(j) if j else 0.0 for j in range(most + 1)]
        for n in range(most + 1)
    ]
    return torch.tensor(rows, dtype=torch.float64).reshape(most + 1, most + 1)
