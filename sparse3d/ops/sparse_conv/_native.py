"""The C++ kernels behind an autograd function."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from sparse3d.ops.backend import native_module
from sparse3d.ops.neighbours import Rulebook
from sparse3d.ops.sparse_conv._epilogue import NO_EPILOGUE, Epilogue

__all__ = ["DTYPES", "sparse_conv"]

DTYPES = (torch.float32, torch.bfloat16)
"""What the kernels take; they sum in float32."""


def sparse_conv(
    features: Float[Tensor, "n i"],
    weight: Float[Tensor, "k i o"],
    rulebook: Rulebook,
    epilogue: Epilogue,
) -> Float[Tensor, "m o"]:
    """The convolution, with gradients.

    Raises:
        ValueError: If the tensors are neither float32 nor bfloat16.
    """
    if features.dtype not in DTYPES:
        raise ValueError(f"backend 'native' takes float32 and bfloat16, got {features.dtype}")
    result: Tensor = _SparseConv.apply(features, weight, rulebook, *epilogue)
    return result


class _SparseConv(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        features: Tensor,
        weight: Tensor,
        rulebook: Rulebook,
        bias: Tensor | None,
        relu: bool,
    ) -> Tensor:
        features, weight = features.contiguous(), weight.contiguous()
        result = _convolve(features, weight, rulebook, Epilogue(bias, relu))
        ctx.save_for_backward(features, weight, result if relu else None)
        ctx.rulebook = rulebook
        return result

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]  (the decorator hides names)
        ctx: Any, *grad_outputs: Tensor
    ) -> tuple[Tensor | None, Tensor | None, None, Tensor | None, None]:
        gradient = grad_outputs[0].contiguous()
        features, weight, rectified = ctx.saved_tensors
        if rectified is not None:
            gradient = torch.where(rectified <= 0, 0.0, gradient)
        to_features = to_weight = to_bias = None
        if ctx.needs_input_grad[0]:
            to_features = _to_features(gradient, weight, ctx.rulebook)
        if ctx.needs_input_grad[1]:
            to_weight = _to_weight(features, gradient, ctx.rulebook)
        if ctx.needs_input_grad[3]:
            to_bias = gradient.sum(0)
        return to_features, to_weight, None, to_bias, None


def _convolve(
    features: Float[Tensor, "n i"],
    weight: Float[Tensor, "k a b"],
    rules: Rulebook,
    epilogue: Epilogue = NO_EPILOGUE,
    *,
    transposed: bool = False,
) -> Float[Tensor, "m o"]:
    """Along the rules; ``transposed`` multiplies with transposed matrices."""
    bias = None if epilogue.bias is None else epilogue.bias.detach().float().contiguous()
    result = features.new_empty(rules.outputs, weight.shape[1 if transposed else 2])
    native_module().sparse_conv_forward(
        features.detach(),
        weight.detach(),
        transposed,
        rules.sources.contiguous(),
        rules.targets.contiguous(),
        torch.tensor(rules.counts, dtype=torch.int64),
        result,
        bias,
        epilogue.relu,
    )
    return result


def _to_features(
    gradient: Float[Tensor, "m o"], weight: Float[Tensor, "k i o"], rules: Rulebook
) -> Float[Tensor, "n i"]:
    """The rules against their direction; mirrored ones are those of the opposite offsets."""
    if rules.mirrored:
        return _convolve(gradient, weight.flip(0), rules, transposed=True)
    return _convolve(gradient, weight, rules.reversed(), transposed=True)


def _to_weight(
    features: Float[Tensor, "n i"], gradient: Float[Tensor, "m o"], rules: Rulebook
) -> Float[Tensor, "k i o"]:
    shape = (len(rules.counts), features.shape[1], gradient.shape[1])
    result = torch.empty(shape, dtype=torch.float32)
    native_module().sparse_conv_weight_gradient(
        features.detach(),
        gradient.detach(),
        rules.sources.contiguous(),
        rules.targets.contiguous(),
        torch.tensor(rules.counts, dtype=torch.int64),
        result,
    )
    return result.to(features.dtype)
