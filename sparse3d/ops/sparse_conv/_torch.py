"""Sparse convolution as gather, matrix product and scatter, offset by offset.

With one offset no row is written twice, and offsets come one after the other: sums have a fixed
order.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from sparse3d.ops.neighbours import Rulebook
from sparse3d.ops.sparse_conv._epilogue import Epilogue

__all__ = ["sparse_conv"]


def sparse_conv(
    features: Float[Tensor, "n i"],
    weight: Float[Tensor, "k i o"],
    rulebook: Rulebook,
    epilogue: Epilogue,
) -> Float[Tensor, "m o"]:
    """The convolution, with gradients."""
    sums: Tensor = _SparseConv.apply(features, weight, rulebook)
    return epilogue.of(sums)


class _SparseConv(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, features: Tensor, weight: Tensor, rulebook: Rulebook) -> Tensor:
        ctx.save_for_backward(features, weight)
        ctx.rulebook = rulebook
        result = features.new_zeros(rulebook.outputs, weight.shape[2])
        for matrix, (sources, targets) in zip(weight, rulebook.by_offset(), strict=True):
            result.index_add_(0, targets, features.index_select(0, sources) @ matrix)
        return result

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]  (the decorator hides names)
        ctx: Any, *grad_outputs: Tensor
    ) -> tuple[Tensor, Tensor, None]:
        gradient = grad_outputs[0]
        features, weight = ctx.saved_tensors
        to_features, to_weight = torch.zeros_like(features), torch.empty_like(weight)
        for k, (sources, targets) in enumerate(ctx.rulebook.by_offset()):
            of_outputs = gradient.index_select(0, targets)
            to_features.index_add_(0, sources, of_outputs @ weight[k].T)
            torch.mm(features.index_select(0, sources).T, of_outputs, out=to_weight[k])
        return to_features, to_weight, None
