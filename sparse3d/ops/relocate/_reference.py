"""Shares by the double sum of the paper, one Gaussian at a time."""

import math

import torch
from jaxtyping import Float64, Int64
from torch import Tensor

__all__ = ["share"]


def share(
    opacities: Float64[Tensor, " n"], copies: Int64[Tensor, " n"]
) -> tuple[Float64[Tensor, " n"], Float64[Tensor, " n"]]:
    """Opacity of each copy, and the factor on its scales."""
    shares, factors = [], []
    for opacity, count in zip(opacities.tolist(), copies.tolist(), strict=True):
        part = 1 - (1 - opacity) ** (1 / count)
        terms = [
            math.comb(i - 1, k) * (-1) ** k * part ** (k + 1) / math.sqrt(k + 1)
            for i in range(1, count + 1)
            for k in range(i)
        ]
        shares.append(part)
        factors.append(opacity / math.fsum(terms))
    return torch.tensor(shares, dtype=torch.float64), torch.tensor(factors, dtype=torch.float64)
