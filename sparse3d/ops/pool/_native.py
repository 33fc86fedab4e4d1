"""The C++ kernels behind autograd functions."""

from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.autograd.function import once_differentiable

from sparse3d.ops.backend import native_module
from sparse3d.ops.neighbours import Rulebook

__all__ = ["DTYPES", "average", "max_pool", "max_unpool"]

DTYPES = (torch.float32, torch.bfloat16)
"""What the kernels take; they sum in float32."""


def max_pool(
    features: Float[Tensor, "n c"], rulebook: Rulebook
) -> tuple[Float[Tensor, "m c"], Int64[Tensor, "m c"]]:
    """Largest inputs, and their rows.

    Raises:
        ValueError: If the features are neither float32 nor bfloat16.
    """
    _check_dtype(features)
    result: tuple[Tensor, Tensor] = _MaxPool.apply(features, rulebook)
    return result


def max_unpool(
    features: Float[Tensor, "m c"], winners: Int64[Tensor, "m c"], inputs: int
) -> Float[Tensor, "n c"]:
    """Features where the winners were.

    Raises:
        ValueError: If the features are neither float32 nor bfloat16.
    """
    _check_dtype(features)
    result: Tensor = _MaxUnpool.apply(features, winners.contiguous(), inputs)
    return result


def average(features: Float[Tensor, "n c"], rulebook: Rulebook) -> Float[Tensor, "m c"]:
    """Means of the inputs that outputs read.

    Raises:
        ValueError: If the features are neither float32 nor bfloat16.
    """
    _check_dtype(features)
    result: Tensor = _Average.apply(features, rulebook)
    return result


class _MaxPool(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, features: Tensor, rulebook: Rulebook) -> tuple[Tensor, Tensor]:
        result = features.new_empty(rulebook.outputs, features.shape[1])
        winners = torch.empty(result.shape, dtype=torch.int64)
        native_module().pool_largest(_dense(features), *_pairs(rulebook), result, winners)
        ctx.save_for_backward(winners)
        ctx.mark_non_differentiable(winners)
        ctx.set_materialize_grads(False)  # no zeros for the winners
        ctx.inputs = rulebook.inputs
        return result, winners

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]  (the decorator hides names)
        ctx: Any, *grad_outputs: Tensor | None
    ) -> tuple[Tensor | None, None]:
        gradient = grad_outputs[0]
        if gradient is None:
            return None, None
        return _scatter(gradient, ctx.saved_tensors[0], ctx.inputs), None


class _MaxUnpool(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, features: Tensor, winners: Tensor, inputs: int) -> Tensor:
        ctx.save_for_backward(winners)
        return _scatter(features, winners, inputs)

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]  (the decorator hides names)
        ctx: Any, *grad_outputs: Tensor
    ) -> tuple[Tensor, None, None]:
        winners, gradient = ctx.saved_tensors[0], _dense(grad_outputs[0])
        result = gradient.new_empty(winners.shape)
        native_module().gather_from_winners(gradient, winners, result)
        return result, None, None


class _Average(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, features: Tensor, rulebook: Rulebook) -> Tensor:
        result = features.new_empty(rulebook.outputs, features.shape[1])
        reads = torch.empty(rulebook.outputs, dtype=torch.float32)
        native_module().pool_means(_dense(features), *_pairs(rulebook), result, reads)
        ctx.save_for_backward(reads)
        ctx.rulebook = rulebook
        return result

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]  (the decorator hides names)
        ctx: Any, *grad_outputs: Tensor
    ) -> tuple[Tensor, None]:
        gradient, back = _dense(grad_outputs[0]), ctx.rulebook.reversed()
        result = gradient.new_empty(back.outputs, gradient.shape[1])
        reads = ctx.saved_tensors[0]
        native_module().pool_shares(gradient, reads, *_pairs(back), result)
        return result, None


def _scatter(
    values: Float[Tensor, "m c"], winners: Int64[Tensor, "m c"], inputs: int
) -> Float[Tensor, "n c"]:
    result = values.new_empty(inputs, values.shape[1])
    native_module().scatter_to_winners(_dense(values), winners, result)
    return result


def _dense(values: Tensor) -> Tensor:
    return values.detach().contiguous()


def _pairs(rulebook: Rulebook) -> tuple[Tensor, Tensor, Tensor]:
    counts = torch.tensor(rulebook.counts, dtype=torch.int64)
    return rulebook.sources, rulebook.targets, counts


def _check_dtype(features: Tensor) -> None:
    if features.dtype not in DTYPES:
        raise ValueError(f"backend 'native' takes float32 and bfloat16, got {features.dtype}")
