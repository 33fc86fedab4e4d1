"""Gaussians as a camera sees them, in torch."""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int32
from torch import Tensor

from sparse3d.geometry.rotations import matrix_from_quaternion

__all__ = ["Splats", "project"]

_BLUR = 0.3


class Splats(NamedTuple):
    """Gaussians in the pixels of one view, rows as in the world; invisible rows hold anything."""

    means: Float[Tensor, "n 2"]
    """Centres in pixels."""
    shapes: Float[Tensor, "n 3"]
    """(a, k, c) of the exponent ``-(u^2 + v^2) / 2``, ``u = a (dx + k dy)``, ``v = c dy``."""
    opacities: Float[Tensor, "n 1"]
    """After the sigmoid."""
    colors: Float[Tensor, "n 3"]
    """RGB towards the camera."""
    depths: Float[Tensor, " n"]
    """z in the camera."""
    reach: Float[Tensor, "n 2"]
    """Half width and height of the box outside which alpha is below 1/255, pixels."""
    radii: Int32[Tensor, " n"]
    """Three standard deviations, 0 where not visible."""


def project(
    parameters: tuple[Tensor, ...],
    world_from_camera: Float[Tensor, "4 4"],
    matrix: Float[Tensor, "3 3"],
    size: tuple[int, int],
    near: float,
) -> Splats:
    """Project all Gaussians into one view of ``size`` (width, height) pixels."""
    means, quaternions, log_scales, logits, sh = parameters
    rotation, centre = world_from_camera[:3, :3], world_from_camera[:3, 3]
    offsets = means - centre
    points = offsets @ rotation
    front = points.detach()[:, 2] > near
    points = torch.where(front[:, None], points, points.new_tensor([0.0, 0.0, 1.0]))
    t1, t2 = _pixel_axes(points, rotation, matrix, size, quaternions, log_scales)
    shapes, variances = _shapes(t1, t2)
    opacities = torch.sigmoid(logits)
    pixels = (points @ matrix.T)[:, :2] / points[:, 2:]
    with torch.no_grad():
        reach = (2 * torch.log((255 * opacities).clamp_min(1))[:, None] * variances).sqrt()
        touches = (pixels + reach > 0) & (pixels - reach < pixels.new_tensor(size))
        visible = front & touches.all(-1) & (opacities * 255 > 1) & torch.isfinite(shapes).all(-1)
        radii = torch.where(visible, _radii(t1, t2), 0).int()
    directions = torch.nn.functional.normalize(offsets, dim=-1)
    colors = (torch.einsum("nk,nkc->nc", _harmonics(directions, sh.shape[1]), sh) + 0.5).clamp_min(
        0
    )
    return Splats(pixels, shapes, opacities[:, None], colors, points[:, 2], reach, radii)


def _pixel_axes(
    points: Float[Tensor, "n 3"],
    rotation: Float[Tensor, "3 3"],
    matrix: Float[Tensor, "3 3"],
    size: tuple[int, int],
    quaternions: Float[Tensor, "n 4"],
    log_scales: Float[Tensor, "n 3"],
) -> tuple[Float[Tensor, "n 3"], Float[Tensor, "n 3"]]:
    """What moving by one sigma along each own axis does to x and to y, pixels."""
    axes = matrix_from_quaternion(quaternions) * torch.exp(log_scales)[:, None, :]
    inverse = 1 / points[:, 2]
    result = []
    for axis in (0, 1):
        focal, principal = matrix[axis, axis], matrix[axis, 2]
        margin = 0.15 * size[axis]
        low, high = -(principal + margin) / focal, (size[axis] - principal + margin) / focal
        slope = (points[:, axis] * inverse).clamp(low, high)
        along = focal * inverse[:, None] * (rotation[:, axis] - slope[:, None] * rotation[:, 2])
        result.append(torch.einsum("nij,ni->nj", axes, along))
    return result[0], result[1]


def _shapes(
    t1: Float[Tensor, "n 3"], t2: Float[Tensor, "n 3"]
) -> tuple[Float[Tensor, "n 3"], Float[Tensor, "n 2"]]:
    """Triangular factor of the inverse covariance, and the variances along x and y.

    The determinant is taken by Lagrange's identity, which stays exact for needles, where
    ``xx yy - xy^2`` cancels.
    """
    n1, n2 = (t1 * t1).sum(-1), (t2 * t2).sum(-1)
    cross = torch.linalg.cross(t1, t2)
    det = (cross * cross).sum(-1) + _BLUR * (n1 + n2 + _BLUR)
    xx, xy, yy = n1 + _BLUR, (t1 * t2).sum(-1), n2 + _BLUR
    return torch.stack([(yy / det).sqrt(), -xy / yy, yy.rsqrt()], -1), torch.stack([xx, yy], -1)


def _radii(t1: Float[Tensor, "n 3"], t2: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
    xx, xy, yy = (t1 * t1).sum(-1), (t1 * t2).sum(-1), (t2 * t2).sum(-1)
    spread = (((xx - yy) / 2) ** 2 + xy * xy).clamp_min(0.01).sqrt()
    return (3 * ((xx + yy) / 2 + _BLUR + spread).sqrt()).ceil()


def _harmonics(directions: Float[Tensor, "n 3"], count: int) -> Float[Tensor, "n k"]:
    """Real spherical harmonics of unit directions, order and signs of 3D Gaussian splatting."""
    x, y, z = directions.unbind(-1)
    values = [torch.full_like(x, 0.28209479177387814)]
    if count > 1:
        values += [-0.4886025119029199 * y, 0.4886025119029199 * z, -0.4886025119029199 * x]
    if count > 4:
        values += _second_degree(x, y, z)
    if count > 9:
        values += _third_degree(x, y, z)
    return torch.stack(values, -1)


def _second_degree(x: Tensor, y: Tensor, z: Tensor) -> list[Tensor]:
    return [
        1.0925484305920792 * x * y,
        -1.0925484305920792 * y * z,
        0.31539156525252005 * (3 * z * z - 1),
        -1.0925484305920792 * x * z,
        0.5462742152960396 * (x * x - y * y),
    ]


def _third_degree(x: Tensor, y: Tensor, z: Tensor) -> list[Tensor]:
    xx, yy, zz = x * x, y * y, z * z
    return [
        -0.5900435899266435 * y * (3 * xx - yy),
        2.890611442640554 * x * y * z,
        -0.4570457994644658 * y * (5 * zz - 1),
        0.3731763325901154 * z * (5 * zz - 3),
        -0.4570457994644658 * x * (5 * zz - 1),
        1.445305721320277 * z * (xx - yy),
        -0.5900435899266435 * x * (xx - 3 * yy),
    ]
