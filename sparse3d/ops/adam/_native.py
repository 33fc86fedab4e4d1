"""Adam by the C++ kernel: one pass over parameter, gradient and moments, all threads."""

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sparse3d.ops.adam.settings import AdamStep
from sparse3d.ops.backend import native_module

__all__ = ["adam_step"]


def adam_step(
    parameter: Float[Tensor, "*shape"],
    gradient: Float[Tensor, "*shape"],
    exp_avg: Float[Tensor, "*shape"],
    exp_avg_sq: Float[Tensor, "*shape"],
    settings: AdamStep,
    visible: Bool[Tensor, " n"] | None,
) -> None:
    """Update a float32 parameter and its moments in place; all contiguous."""
    if not parameter.dtype == gradient.dtype == torch.float32:
        raise ValueError(f"backend 'native' takes float32 parameters, got {parameter.dtype}")
    step_size = settings.lr / settings.first_correction
    root_scale = 1 / math.sqrt(settings.second_correction)
    tensors = (x.view(-1) for x in (parameter, gradient, exp_avg, exp_avg_sq))
    betas = settings.beta1, settings.beta2
    mask = None if visible is None else visible.contiguous().view(torch.uint8)
    native_module().adam_step(
        *tensors, *betas, settings.eps, step_size, root_scale, settings.step, mask
    )
