"""Flat Gaussians that rays hit exactly (2D Gaussian Splatting, Huang et al. 2024), in torch."""

import torch
from jaxtyping import Float
from torch import Tensor

from sparse3d.ops.rasterize._job import Rules

__all__ = ["SURFEL_BLUR", "surfel_boxes", "surfel_powers", "surfel_shapes"]

SURFEL_BLUR = 0.5
"""Variance of the low-pass filter, square pixels (standard deviation sqrt(2) / 2)."""


def surfel_shapes(
    points: Float[Tensor, "n 3"],
    means: Float[Tensor, "n 2"],
    axes: Float[Tensor, "n 3 2"],
    rotation: Float[Tensor, "3 3"],
    matrix: Float[Tensor, "3 3"],
    rules: Rules,
) -> Float[Tensor, "n 12"]:
    """Four rows of three: (u, v, 1) of the disc to (x w, y w, w), and to depth.

    Equation 6 of the paper; ``w`` is the depth of a perspective camera, 1 of an orthographic one.
    Pixels x, y count from the projected centre ``means``, which spares a cancellation. ``points``
    are centres in camera axes, ``axes`` a sigma along u and v in world axes.
    """
    plane = torch.cat([rotation.T @ axes, points[:, :, None]], -1)  # n camera (u v 1)
    depth = plane[:, 2]
    one = torch.tensor([0.0, 0.0, 1.0]).to(points).expand_as(depth)
    w = one if rules.orthographic else depth
    centred = [
        matrix[a, a] * plane[:, a, :2] + (matrix[a, 2] - means[:, a, None]) * w[:, :2]
        for a in (0, 1)
    ]
    x, y = (torch.nn.functional.pad(row, (0, 1)) for row in centred)  # the centre is at 0, 0
    return torch.cat([x, y, w, depth], -1)


def surfel_powers(
    differences: Float[Tensor, "b s l 2"], shapes: Float[Tensor, "b 1 l 12"], near: float
) -> Float[Tensor, "b s l"]:
    """Exponents: half the squared sigmas at the hit, or those of the low-pass filter if less.

    Equations 8 to 11 of the paper; ``differences`` lead from the centre to the pixel. A hit no
    farther than ``near`` does not count.
    """
    x, y, w, depth = shapes.unflatten(-1, (4, 3)).unbind(-2)
    hit = torch.linalg.cross(differences[..., :1] * w - x, differences[..., 1:] * w - y)
    edge_on = hit[..., 2:] == 0
    place = hit / torch.where(edge_on, 1, hit[..., 2:])
    ahead = ~edge_on[..., 0] & ((place * depth).sum(-1) > near)
    squared = torch.where(ahead, (place[..., :2] ** 2).sum(-1), torch.inf)
    return torch.minimum(squared, (differences * differences).sum(-1) / SURFEL_BLUR) / 2


def surfel_boxes(
    means: Float[Tensor, "n 2"],
    shapes: Float[Tensor, "n 12"],
    sigmas: Float[Tensor, "n 1"],
    near: float,
) -> tuple[Float[Tensor, "n 2"], Float[Tensor, "n 2"]]:
    """Middle and half extent of what ``sigmas`` of a disc and of the low-pass filter cover.

    The lines ``x = const`` that touch the disc solve a quadratic equation (supplement of the
    paper). A disc that reaches the plane at depth ``near / 2`` is given the whole image.
    """
    x, y, w, depth = shapes.unflatten(-1, (4, 3)).unbind(-2)
    dual = torch.cat([sigmas * sigmas] * 2 + [-torch.ones_like(sigmas)], -1)  # of the disc
    ww = (dual * w * w).sum(-1, keepdim=True)
    xy = torch.stack([x, y], 1)
    middle = (dual[:, None] * xy * w[:, None]).sum(-1) / ww
    squares = (dual[:, None] * xy * xy).sum(-1) / ww
    half = (middle * middle - squares).clamp_min(0).sqrt()
    filtered = sigmas * SURFEL_BLUR**0.5
    low, high = torch.minimum(middle - half, -filtered), torch.maximum(middle + half, filtered)
    nearest = depth[:, 2:] - sigmas * depth[:, :2].norm(dim=-1, keepdim=True)
    reach = (high - low) / 2 * 1.001 + 0.01  # rounding must not lose a pixel
    everywhere = nearest <= near / 2
    return (
        torch.where(everywhere, 0, means + (low + high) / 2),
        torch.where(everywhere, 1e9, reach),
    )
