"""Adam in torch operations: any device, any floating dtype of parameters."""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sparse3d.ops.adam.settings import AdamStep

__all__ = ["adam_step"]


def adam_step(
    parameter: Float[Tensor, "*shape"],
    gradient: Float[Tensor, "*shape"],
    exp_avg: Float[Tensor, "*shape"],
    exp_avg_sq: Float[Tensor, "*shape"],
    settings: AdamStep,
) -> None:
    """Update a parameter and its moments in place, in float32 or the parameter's wider dtype."""
    working = torch.promote_types(parameter.dtype, torch.float32)
    gradient = gradient.to(working)
    first = torch.lerp(exp_avg.to(working), gradient, 1 - settings.beta1)
    second = exp_avg_sq.to(working) * settings.beta2 + gradient**2 * (1 - settings.beta2)
    root = second.sqrt() / math.sqrt(settings.second_correction) + settings.eps
    parameter.copy_(parameter - first / root * (settings.lr / settings.first_correction))
    if exp_avg.dtype == torch.bfloat16:
        noise = _noise(parameter, settings.step)
        first, second = _dithered(first, noise & 0xFFFF), _dithered(second, noise >> 16)
    exp_avg.copy_(first)
    exp_avg_sq.copy_(second)


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
