"""SSIM by the C++ kernel: loss and gradient of one image in one call, all threads."""

from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from sparse3d.ops.backend import native_module

__all__ = ["photometric_loss", "ssim"]


def ssim(image: Float[Tensor, "b h w c"], target: Float[Tensor, "b h w c"]) -> Float[Tensor, " b"]:
    """Mean SSIM of each image, float32."""
    _check_dtype(image, target)
    return _Ssim.apply(image, target)  # pyright: ignore[reportReturnType]  (apply is untyped)


def photometric_loss(
    image: Float[Tensor, "h w c"],
    target: Float[Tensor, "h w c"],
    mask: Bool[Tensor, "h w"] | None,
    ssim_weight: float,
) -> Float[Tensor, ""]:
    """``(1 - w) * L1 + w * (1 - SSIM)`` of masked images, float32."""
    _check_dtype(image, target)
    return _PhotometricLoss.apply(image, target, mask, ssim_weight)  # pyright: ignore[reportReturnType]  (untyped)


class _Ssim(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, image: Tensor, target: Tensor) -> Tensor:
        wanted = ctx.needs_input_grad
        pairs = list(zip(image, target, strict=True))
        means, grads = _each(pairs, wanted[0])
        # SSIM is symmetric: the gradient to the target is that of the swapped call.
        target_grads = _each([(y, x) for x, y in pairs], True)[1] if wanted[1] else None
        ctx.save_for_backward(grads, target_grads)
        return means

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]  (the decorator hides names)
        ctx: Any, *grad_outputs: Tensor
    ) -> tuple[Tensor | None, Tensor | None]:
        scale = grad_outputs[0][:, None, None, None]
        first, second = (None if grad is None else grad * scale for grad in ctx.saved_tensors)
        return first, second


class _PhotometricLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, image: Tensor, target: Tensor, mask: Tensor | None, ssim_weight: float
    ) -> Tensor:
        grad = torch.empty_like(image, memory_format=torch.contiguous_format)
        wanted = grad if ctx.needs_input_grad[0] else None
        l1, mean = _compare(image, target, mask, (1 - ssim_weight, -ssim_weight), wanted)
        ctx.save_for_backward(wanted)
        return image.new_tensor((1 - ssim_weight) * l1 + ssim_weight * (1 - mean))

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]  (the decorator hides names)
        ctx: Any, *grad_outputs: Tensor
    ) -> tuple[Tensor, None, None, None]:
        (grad,) = ctx.saved_tensors
        return grad * grad_outputs[0], None, None, None


def _each(pairs: list[tuple[Tensor, Tensor]], with_grad: bool) -> tuple[Tensor, Tensor | None]:
    """Mean SSIM of each pair, and its gradient to the first image of the pair."""
    shape = (len(pairs), *pairs[0][0].shape)
    grads = pairs[0][0].new_empty(shape) if with_grad else None
    rows = [None] * len(pairs) if grads is None else list(grads)
    means = [
        _compare(x, y, None, (0.0, 1.0), row)[1] for (x, y), row in zip(pairs, rows, strict=True)
    ]
    return pairs[0][0].new_tensor(means), grads


def _compare(
    image: Tensor,
    target: Tensor,
    mask: Tensor | None,
    weights: tuple[float, float],
    grad: Tensor | None,
) -> tuple[float, float]:
    """Means of L1 and SSIM; the gradient of their weighted sum is written to ``grad``."""
    return native_module().compare_images(
        image.detach().contiguous(),
        target.detach().contiguous(),
        None if mask is None else mask.contiguous(),
        *weights,
        grad,
    )


def _check_dtype(image: Tensor, target: Tensor) -> None:
    if not image.dtype == target.dtype == torch.float32:
        raise ValueError(
            f"backend 'native' takes float32 images, got {image.dtype} and {target.dtype}"
        )
