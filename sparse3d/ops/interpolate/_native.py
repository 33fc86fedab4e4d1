"""Interpolation by the C++ kernels: cells are found by hashing, sums taken row by row."""

from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.autograd.function import once_differentiable

from sparse3d.ops.backend import native_module

__all__ = ["find", "gather", "scatter"]


def find(
    keys: Int64[Tensor, " n"], first: Int64[Tensor, "p 4"], shape: tuple[int, int, int]
) -> Int64[Tensor, "p 8"]:
    """See the torch backend."""
    rows = torch.empty(len(first), 8, dtype=torch.int64)
    native_module().find_corners(keys.contiguous(), first.contiguous(), shape, rows)
    return rows


def gather(
    features: Float[Tensor, "n c"], rows: Int64[Tensor, "p 8"], weights: Float[Tensor, "p 8"]
) -> Float[Tensor, "p c"]:
    """See the torch backend."""
    result: Tensor = _Gather.apply(features, rows, weights)
    return result


def scatter(
    values: Float[Tensor, "p c"],
    rows: Int64[Tensor, "p 8"],
    weights: Float[Tensor, "p 8"],
    count: int,
) -> Float[Tensor, "n c"]:
    """See the torch backend."""
    result: Tensor = _Scatter.apply(values, rows, weights, count)
    return result


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, features: Tensor, rows: Tensor, weights: Tensor) -> Tensor:
        features, weights = features.contiguous(), weights.contiguous()
        ctx.save_for_backward(features, rows, weights)
        return _gathered(features, rows, weights)

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]  (the decorator hides names)
        ctx: Any, *grad_outputs: Tensor
    ) -> tuple[Tensor | None, None, Tensor | None]:
        gradient = grad_outputs[0].contiguous()
        features, rows, weights = ctx.saved_tensors
        wanted = ctx.needs_input_grad
        to_features = _scattered(gradient, rows, weights, len(features)) if wanted[0] else None
        return to_features, None, _products(features, rows, gradient) if wanted[2] else None


class _Scatter(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, rows: Tensor, weights: Tensor, count: int) -> Tensor:
        values, weights = values.contiguous(), weights.contiguous()
        ctx.save_for_backward(values, rows, weights)
        return _scattered(values, rows, weights, count)

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]  (the decorator hides names)
        ctx: Any, *grad_outputs: Tensor
    ) -> tuple[Tensor | None, None, Tensor | None, None]:
        gradient = grad_outputs[0].contiguous()
        values, rows, weights = ctx.saved_tensors
        wanted = ctx.needs_input_grad
        to_values = _gathered(gradient, rows, weights) if wanted[0] else None
        return to_values, None, _products(gradient, rows, values) if wanted[2] else None, None


def _gathered(features: Tensor, rows: Tensor, weights: Tensor) -> Tensor:
    result = features.new_empty(len(rows), features.shape[1])
    native_module().gather_rows(features.detach(), rows, weights.detach(), result)
    return result


def _scattered(values: Tensor, rows: Tensor, weights: Tensor, count: int) -> Tensor:
    result = values.new_empty(count, values.shape[1])
    native_module().scatter_rows(values.detach(), rows, weights.detach(), result)
    return result


def _products(features: Tensor, rows: Tensor, values: Tensor) -> Tensor:
    result = values.new_empty(rows.shape)
    native_module().multiply_rows(features, rows, values, result)
    return result
