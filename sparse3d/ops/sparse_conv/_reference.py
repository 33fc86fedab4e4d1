"""Sparse convolution pair by pair, in float64."""

import torch
from jaxtyping import Float, Float64
from torch import Tensor

__all__ = ["sparse_conv"]


def sparse_conv(
    features: Float[Tensor, "n i"],
    weight: Float[Tensor, "k i o"],
    pairs: list[list[tuple[int, int]]],
    outputs: int,
    bias: Float[Tensor, " o"] | None = None,
    *,
    relu: bool = False,
) -> Float64[Tensor, "m o"]:
    """The convolution; torch's autograd gives the gradients.

    Args:
        features: Inputs.
        weight: A matrix an offset.
        pairs: Rows of input and output, a list an offset.
        outputs: Number of outputs.
        bias: Added to each.
        relu: Whether what is negative then becomes zero.
    """
    features, weight = features.double(), weight.double()
    rows = [torch.zeros(weight.shape[2], dtype=torch.float64) for _ in range(outputs)]
    for number, rules in enumerate(pairs):
        for source, target in rules:
            rows[target] = rows[target] + features[source] @ weight[number]
    if bias is not None:
        rows = [row + bias.double() for row in rows]
    if relu:
        rows = [torch.where(row < 0, 0.0, row) for row in rows]
    return torch.stack(rows) if rows else torch.zeros(0, weight.shape[2], dtype=torch.float64)
