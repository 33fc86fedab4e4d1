"""Trade time for memory: forget what a function computed, and compute it again going back.

``torch.utils.checkpoint`` does the same, but its first call imports the compiler of torch, seconds.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

__all__ = ["recomputed"]


def recomputed(function: Callable[..., tuple[Tensor, ...]], *inputs: Tensor) -> tuple[Tensor, ...]:
    """``function(*inputs)``, keeping only the inputs for the backward pass.

    Args:
        function: Pure; whatever it closes over gets no gradient.
        inputs: Gradients flow to those of floating-point type.
    """
    if not any(tensor.requires_grad for tensor in inputs):
        return function(*inputs)
    return _Recomputed.apply(function, *inputs)  # pyright: ignore[reportReturnType]  # untyped


class _Recomputed(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, function: Callable[..., tuple[Tensor, ...]], *inputs: Tensor
    ) -> tuple[Tensor, ...]:
        ctx.function = function
        ctx.save_for_backward(*inputs)
        outputs = function(*inputs)
        ctx.mark_non_differentiable(*(o for o in outputs if not o.is_floating_point()))
        return outputs

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]  # the decorator hides names
        ctx: Any, *gradients: Tensor
    ) -> tuple[Tensor | None, ...]:
        inputs = [t.detach().requires_grad_(t.is_floating_point()) for t in ctx.saved_tensors]
        with torch.enable_grad():
            outputs = ctx.function(*inputs)
            products = [
                (output * gradient).sum()
                for output, gradient in zip(outputs, gradients, strict=True)
                if output.requires_grad
            ]  # of a scalar, torch takes gradients without that import
            wanted = [tensor for tensor in inputs if tensor.requires_grad]
            found = iter(torch.autograd.grad(torch.stack(products).sum(), wanted))
        return None, *(next(found) if tensor.requires_grad else None for tensor in inputs)
