"""Sparse pooling offset by offset.

With one offset no row is written twice, and offsets come one after the other: sums have a fixed
order.
"""

from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.autograd.function import once_differentiable

from sparse3d.ops.neighbours import Rulebook

__all__ = ["average", "max_pool", "max_unpool"]


def max_pool(
    features: Float[Tensor, "n c"], rulebook: Rulebook
) -> tuple[Float[Tensor, "m c"], Int64[Tensor, "m c"]]:
    """Largest inputs, and their rows."""
    winners = _winners(features.detach(), rulebook)
    if not rulebook.inputs:
        return features.sum(0).repeat(rulebook.outputs, 1), winners  # zeros that have a gradient
    found = features.gather(0, winners.clamp_min(0))
    return torch.where(winners >= 0, found, 0), winners


def max_unpool(
    features: Float[Tensor, "m c"], winners: Int64[Tensor, "m c"], inputs: int
) -> Float[Tensor, "n c"]:
    """Features where the winners were."""
    none = features.new_zeros(inputs + 1, features.shape[1])  # the last row is that of no winner
    return none.scatter_add(0, torch.where(winners < 0, inputs, winners), features)[:inputs]


def average(features: Float[Tensor, "n c"], rulebook: Rulebook) -> Float[Tensor, "m c"]:
    """Means of the inputs that outputs read."""
    result: Tensor = _Average.apply(features, rulebook)
    return result


def _winners(features: Float[Tensor, "n c"], rulebook: Rulebook) -> Int64[Tensor, "m c"]:
    shape = rulebook.outputs, features.shape[1]
    largest = features.new_full(shape, -torch.inf)
    winners = torch.full(shape, -1, dtype=torch.int64, device=features.device)
    for sources, targets in rulebook.by_offset():
        offered, held, holders = features[sources], largest[targets], winners[targets]
        better = ~(offered <= held) & ~held.isnan() | (holders < 0)
        largest[targets] = torch.where(better, offered, held)
        winners[targets] = torch.where(better, sources[:, None].long(), holders)
    return winners


class _Average(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, features: Tensor, rulebook: Rulebook) -> Tensor:
        ctx.rulebook = rulebook
        result = features.new_zeros(rulebook.outputs, features.shape[1])
        for sources, targets in rulebook.by_offset():
            result.index_add_(0, targets, features.index_select(0, sources))
        return result / _reads(rulebook, features)

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]  (the decorator hides names)
        ctx: Any, *grad_outputs: Tensor
    ) -> tuple[Tensor, None]:
        shares = grad_outputs[0] / _reads(ctx.rulebook, grad_outputs[0])
        result = shares.new_zeros(ctx.rulebook.inputs, shares.shape[1])
        for sources, targets in ctx.rulebook.by_offset():
            result.index_add_(0, sources, shares.index_select(0, targets))
        return result, None


def _reads(rulebook: Rulebook, like: Tensor) -> Float[Tensor, "m 1"]:
    """Number of inputs of each output, at least 1."""
    counts = torch.bincount(rulebook.targets, minlength=rulebook.outputs)
    return counts.clamp_min(1)[:, None].to(like.dtype)
