"""Adam by the formula, one number at a time in float64."""

import math
import struct

import torch
from jaxtyping import Bool, Float
from torch import Tensor

__all__ = ["adam_step"]


def adam_step(
    parameter: Float[Tensor, "*shape"],
    gradient: Float[Tensor, "*shape"],
    exp_avg: Float[Tensor, "*shape"],
    exp_avg_sq: Float[Tensor, "*shape"],
    settings: tuple[float, float, float, float, int],
    visible: Bool[Tensor, " n"] | None,
) -> None:
    """Update a parameter and its moments in place."""
    lr, beta1, beta2, eps, step = settings
    for i in range(parameter.numel()):
        if visible is not None and not visible[i * len(visible) // parameter.numel()]:
            continue
        p, g, m, v = (x.view(-1)[i].item() for x in (parameter, gradient, exp_avg, exp_avg_sq))
        first = beta1 * m + (1 - beta1) * g
        second = beta2 * v + (1 - beta2) * g * g
        root = math.sqrt(second / (1 - beta2**step)) + eps
        parameter.view(-1)[i] = p - lr * first / (1 - beta1**step) / root
        noise = _hash(i, step)
        exp_avg.view(-1)[i] = _stored(first, exp_avg.dtype, noise & 0xFFFF)
        exp_avg_sq.view(-1)[i] = _stored(second, exp_avg_sq.dtype, noise >> 16)


def _stored(value: float, dtype: torch.dtype, noise: int) -> float:
    """For bfloat16, add noise below the last kept bit of the float32 and cut the bits off."""
    if dtype != torch.bfloat16 or not math.isfinite(value):
        return value
    (bits,) = struct.unpack("<I", struct.pack("<f", value))
    (rounded,) = struct.unpack("<f", struct.pack("<I", (bits + noise) & 0xFFFF0000))
    return rounded


def _hash(index: int, step: int) -> int:
    """32 well-mixed bits: two rounds of multiply and shift."""
    x = (index * 0x9E3779B1 + step * 0x85EBCA6B) % 2**32
    x = ((x ^ x >> 16) * 0x7FEB352D) % 2**32
    x = ((x ^ x >> 15) * 0x846CA68B) % 2**32
    return x ^ x >> 16
