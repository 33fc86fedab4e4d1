"""The C++ kernels behind an autograd function."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from sparse3d.ops.backend import native_module

__all__ = ["rasterize"]


def rasterize(
    parameters: tuple[Tensor, ...],
    world_from_camera: Float[Tensor, "c 4 4"],
    matrices: Float[Tensor, "c 3 3"],
    size: tuple[int, int],
    background: Float[Tensor, "c 3"],
    near: float,
    mean_gradients: Float[Tensor, "c n 2"] | None,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Colours, alphas, depths and radii of all views; ``size`` is width and height.

    Raises:
        ValueError: If the tensors are not float32.
    """
    if background.dtype != torch.float32:
        raise ValueError(f"backend 'native' takes float32, got {background.dtype}")
    constants = (matrices, size, near)
    leaves = (*parameters, world_from_camera, background, mean_gradients)
    return _Rasterize.apply(constants, *leaves)  # pyright: ignore[reportReturnType]  # untyped


class _Rasterize(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        constants: tuple[Tensor, tuple[int, int], float],
        *leaves: Tensor | None,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        matrices, (width, height), near = constants
        *gaussians, poses, background = (
            leaf.contiguous() for leaf in leaves[:7] if leaf is not None
        )
        colors = background.new_empty(len(poses), height, width, 3)
        alphas, depths = torch.empty_like(colors[..., 0]), torch.empty_like(colors[..., 0])
        radii = torch.empty(len(poses), len(gaussians[0]), dtype=torch.int32)
        ctx.plan = native_module().rasterize_forward(
            *(t.detach() for t in (*gaussians, poses, matrices.contiguous(), background)),
            near,
            *(colors, alphas, depths, radii),
        )
        ctx.save_for_backward(*gaussians, background, alphas, depths)
        ctx.mark_non_differentiable(radii)
        return colors, alphas, depths, radii

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]  # the decorator hides names
        ctx: Any, *gradients: Tensor
    ) -> tuple[Tensor | None, ...]:
        saved = ctx.saved_tensors
        cameras, n = len(gradients[0]), len(saved[0])
        outputs = [torch.zeros_like(tensor) for tensor in saved[:5]]
        poses = saved[0].new_zeros(cameras, 4, 4)
        background, centres = saved[0].new_zeros(cameras, 3), saved[0].new_zeros(cameras, n, 2)
        native_module().rasterize_backward(
            ctx.plan,
            *saved,
            *(gradient.contiguous() for gradient in gradients[:3]),
            *(*outputs, poses, background, centres),
        )
        wanted = centres if ctx.needs_input_grad[8] else None
        return None, *outputs, poses, background, wanted
