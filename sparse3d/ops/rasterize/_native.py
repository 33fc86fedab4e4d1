"""The C++ kernels behind an autograd function."""

from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int32
from torch import Tensor
from torch.autograd.function import once_differentiable

from sparse3d.ops.backend import native_module
from sparse3d.ops.rasterize._job import Drawn, Job, Rules
from sparse3d.ops.rasterize._options import StageSeconds

__all__ = ["rasterize"]

_LEAVES = 9  # parameters, poses, background and two receivers; values of channels follow


class _Fixed(NamedTuple):
    """What a call is told and no gradient goes to."""

    rules: Rules
    matrices: Float[Tensor, "c 3 3"]
    layouts: tuple[tuple[Int32[Tensor, "n k"] | None, int], ...]
    """Indices and count of each of the channels."""
    rows: bool
    weights: bool


def rasterize(job: Job) -> Drawn:
    """Draw all views of the job.

    Raises:
        ValueError: If the tensors are not float32.
    """
    if job.background.dtype != torch.float32:
        raise ValueError(f"backend 'native' takes float32, got {job.background.dtype}")
    layouts = tuple(
        (None if channels.indices is None else channels.indices.contiguous(), channels.count)
        for channels in job.channels
    )
    fixed = _Fixed(job.rules, job.matrices.contiguous(), layouts, job.rows, job.weights)
    receivers = (job.mean_gradients, job.absolute_gradients)
    values = [value for channels in job.channels for value in channels.values]
    leaves = (*job.parameters, job.world_from_camera, job.background, *receivers, *values)
    outputs: Any = _Rasterize.apply(fixed, *leaves)
    colors, alphas, depths, radii, median, dominant, weights, *channels, stages = outputs
    return Drawn(colors, alphas, depths, radii, tuple(channels), median, dominant, weights, stages)


class _Rasterize(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, fixed: _Fixed, *leaves: Tensor | None
    ) -> tuple[Tensor | StageSeconds | None, ...]:
        *gaussians, poses, background = (
            leaf.detach().contiguous() for leaf in leaves[:7] if leaf is not None
        )
        values = [leaf.detach().contiguous() for leaf in leaves[_LEAVES:] if leaf is not None]
        (width, height), views = fixed.rules.size, len(poses)
        colors = background.new_empty(views, height, width, 3)
        alphas, depths = torch.empty_like(colors[..., 0]), torch.empty_like(colors[..., 0])
        radii = torch.empty(views, len(gaussians[0]), dtype=torch.int32)
        tiles = fixed.rules.tiles
        weights = alphas.new_zeros(radii.shape) if fixed.weights else None
        ctx.plan = native_module().rasterize_forward(
            *(*gaussians, poses, fixed.matrices, background),
            *(fixed.rules.near, fixed.rules.blur, fixed.rules.max_alpha),
            *(fixed.rules.orthographic, fixed.rules.antialiased, fixed.rules.surfels),
            None if tiles is None else tiles.contiguous(),
            *(colors, alphas, depths, radii, weights),
        )
        median, dominant = _rows(ctx.plan, radii, alphas) if fixed.rows else (None, None)
        channels = _blend(ctx.plan, fixed, values, alphas)
        ctx.fixed = fixed
        ctx.save_for_backward(*gaussians, background, alphas, depths, *values)
        ctx.mark_non_differentiable(
            *(t for t in (radii, median, dominant, weights) if t is not None)
        )
        stages = StageSeconds(*ctx.plan.seconds)
        return colors, alphas, depths, radii, median, dominant, weights, *channels, stages

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]  # the decorator hides names
        ctx: Any, *gradients: Tensor | None
    ) -> tuple[Tensor | None, ...]:
        gaussians, (background, alphas, depths) = ctx.saved_tensors[:5], ctx.saved_tensors[5:8]
        values = list(ctx.saved_tensors[8:])
        images = [gradient.contiguous() for gradient in gradients[:3] if gradient is not None]
        channels = [gradient.contiguous() for gradient in gradients[7:] if gradient is not None]
        views, n = len(background), len(gaussians[0])
        sums = 12 if ctx.fixed.rules.surfels else 6
        shape = background.new_zeros(views, n, sums) if channels else None
        value_gradients = _blend_backward(ctx.plan, ctx.fixed, values, channels, shape)
        outputs = [torch.zeros_like(tensor) for tensor in gaussians]
        poses, backdrop = background.new_zeros(views, 4, 4), torch.zeros_like(background)
        centres = background.new_zeros(views, n, 2)
        native_module().rasterize_backward(
            *(ctx.plan, *gaussians, background, alphas, depths, *images, shape),
            *(*outputs, poses, backdrop, centres),
        )
        absolute = None
        if ctx.needs_input_grad[_LEAVES]:
            summed = torch.cat(
                [*_as_channels(background, depths, alphas, images), *channels], dim=-1
            )
            absolute = _absolute(ctx.plan, ctx.fixed, values, summed, n)
        wanted = centres if ctx.needs_input_grad[_LEAVES - 1] else None
        return None, *outputs, poses, backdrop, wanted, absolute, *value_gradients


def _rows(plan: object, radii: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
    median, dominant = (torch.empty_like(like, dtype=torch.int32) for _ in range(2))
    for view in range(len(radii)):
        native_module().rasterize_rows(plan, view, median[view], dominant[view])
    return median, dominant


def _blend(
    plan: object, fixed: _Fixed, values: list[Tensor], like: Float[Tensor, "c h w"]
) -> list[Tensor]:
    images = [like.new_empty(*like.shape, count) for _, count in fixed.layouts]
    for (indices, _), image, own in zip(
        fixed.layouts, images, _of_each(fixed, values), strict=True
    ):
        for view, value in enumerate(own):
            native_module().rasterize_channels_forward(plan, view, value, indices, image[view])
    return images


def _blend_backward(
    plan: object,
    fixed: _Fixed,
    values: list[Tensor],
    gradients: list[Tensor],
    shape: Float[Tensor, "c n _"] | None,
) -> list[Tensor]:
    """Gradients of the values; adds what goes to places and shapes to ``shape``."""
    results = [torch.zeros_like(value) for value in values]
    if shape is None:
        return results
    sets = zip(
        fixed.layouts,
        gradients,
        _of_each(fixed, values),
        _of_each(fixed, results),
        strict=True,
    )
    for (indices, _), gradient, own, result in sets:
        for view, value in enumerate(own):
            native_module().rasterize_channels_backward(
                plan, view, value, indices, gradient[view], result[view], shape[view], None
            )
    return results


def _of_each(fixed: _Fixed, values: list[Tensor]) -> list[list[Tensor]]:
    """The values of all views, channels by channels."""
    views = len(fixed.matrices)
    return [values[i * views : (i + 1) * views] for i in range(len(fixed.layouts))]


def _as_channels(
    background: Float[Tensor, "c 3"], depths: Tensor, alphas: Tensor, images: list[Tensor]
) -> list[Tensor]:
    """Gradients of sums of weighted colours, of ones and of depths."""
    color, alpha, depth = images
    # The transmittance is one minus the sum of weights, and a mean depth is a quotient of sums.
    behind = (color * background[:, None, None]).sum(-1)
    depth = torch.where(alphas > 0, depth / alphas, 0)
    return [color, (alpha - behind - depth * depths)[..., None], depth[..., None]]


def _absolute(
    plan: object,
    fixed: _Fixed,
    values: list[Tensor],
    gradients: Float[Tensor, "c h w d"],
    n: int,
) -> Float[Tensor, "c n 2"]:
    """Absolute values do not add up, so all that is drawn goes through one pass as channels."""
    views = len(gradients)
    result, colors = gradients.new_zeros(views, n, 2), gradients.new_zeros(views, n, 5)
    places = [torch.arange(5, dtype=torch.int32).expand(n, 5)]
    first = 5
    for indices, count in fixed.layouts:
        dense = torch.arange(count, dtype=torch.int32).expand(n, count)
        places.append(first + (dense if indices is None else indices))
        first += count
    indices = torch.cat(places, -1)
    for view in range(views):
        native_module().rasterize_splat_values(plan, view, colors[view])
        here = torch.cat([colors[view], *(v[view] for v in _of_each(fixed, values))], -1)
        native_module().rasterize_channels_backward(
            plan, view, here, indices, gradients[view], None, None, result[view]
        )
    return result
