"""Adam in torch operations: any device, any floating dtype of parameters."""

import math

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from sparse3d.ops.adam.settings import AdamStep

__all__ = ["adam_step"]


def adam_step(
    parameter: Float[Tensor, "*shape"],
    gradient: Float[Tensor, "*shape"],
    exp_avg: Float[Tensor, "*shape"],
    exp_avg_sq: Float[Tensor, "*shape"],
    settings: AdamStep,
    visible: Bool[Tensor, " n"] | None,
) -> None:
    """Update a parameter and its moments in place, in float32 or the parameter's wider dtype."""
    rows = ... if visible is None else visible.nonzero()[:, 0]
    working = torch.promote_types(parameter.dtype, torch.float32)
    gradient = gradient[rows].to(working)
    first = torch.lerp(exp_avg[rows].to(working), gradient, 1 - settings.beta1)
    second = exp_avg_sq[rows].to(working) * settings.beta2 + gradient**2 * (1 - settings.beta2)
    root = second.sqrt() / math.sqrt(settings.second_correction) + settings.eps
    step = first / root * (settings.lr / settings.first_correction)
    parameter[rows] = (parameter[rows] - step).to(parameter.dtype)
    if exp_avg.dtype == torch.bfloat16:
        noise = _noise(parameter, settings.step)[rows]
        first, second = _dithered(first, noise & 0xFFFF), _dithered(second, noise >> 16)
    exp_avg[rows] = first.to(exp_avg.dtype)
    exp_avg_sq[rows] = second.to(exp_avg_sq.dtype)


def _dithered(values: Float[Tensor, "*shape"], noise: Int[Tensor, "*shape"]) -> Tensor:
    """Add noise below the last kept bit of float32 values and cut the bits off."""
    values = values.float()
    bits = (values.view(torch.int32) + noise.to(torch.int32)) & ~0xFFFF
    return torch.where(values.isfinite(), bits.view(torch.float32), values)


def _noise(like: Float[Tensor, "*shape"], step: int) -> Int[Tensor, "*shape"]:
    """32 well-mixed bits an element, from step and element number."""
    low = 0xFFFFFFFF
    index = torch.arange(like.numel(), device=like.device).view(like.shape)
    x = (index * 0x9E3779B1 + step * 0x85EBCA6B) & low
    x = ((x ^ x >> 16) * 0x7FEB352D) & low
    x = ((x ^ x >> 15) * 0x846CA68B) & low
    return x ^ x >> 16
