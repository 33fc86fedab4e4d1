"""Sparse pooling output by output; torch's autograd gives the gradients."""

import torch
from jaxtyping import Float64
from torch import Tensor

__all__ = ["average", "max_pool", "max_unpool"]

Pairs = list[tuple[int, int]]
"""Rows of input and output, offset by offset."""


def max_pool(
    features: Float64[Tensor, "n c"], pairs: Pairs, outputs: int
) -> tuple[Float64[Tensor, "m c"], list[list[int]]]:
    """Largest inputs and their rows."""
    values: list[Tensor] = []
    winners: list[list[int]] = []
    numbers = features.tolist()
    for output in range(outputs):
        read = [source for source, target in pairs if target == output]
        winners.append([])
        for channel in range(features.shape[1]):
            by_value = [(numbers[row][channel], -place) for place, row in enumerate(read)]
            winner = read[-max(by_value)[1]] if read else -1  # the first of equal ones
            winners[-1].append(winner)
            values.append(features[winner, channel] if read else features.new_zeros(()))
    return torch.stack(values).reshape(outputs, features.shape[1]), winners


def average(features: Float64[Tensor, "n c"], pairs: Pairs, outputs: int) -> Float64[Tensor, "m c"]:
    """Means of the inputs that outputs read."""
    rows = []
    for output in range(outputs):
        read = [features[source] for source, target in pairs if target == output]
        rows.append(torch.stack(read).mean(0) if read else features.new_zeros(features.shape[1]))
    return torch.stack(rows)


def max_unpool(
    features: Float64[Tensor, "m c"], winners: list[list[int]], inputs: int
) -> Float64[Tensor, "n c"]:
    """Features where the winners were."""
    result = [[features.new_zeros(()) for _ in range(features.shape[1])] for _ in range(inputs)]
    for values, rows in zip(features, winners, strict=True):
        for channel, (value, row) in enumerate(zip(values, rows, strict=True)):
            if row >= 0:
                result[row][channel] = result[row][channel] + value
    return torch.stack([torch.stack(row) for row in result])
