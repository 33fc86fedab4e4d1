"""Gaussians as a camera sees them, in torch."""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int32
from torch import Tensor

from sparse3d.geometry.rotations import matrix_from_quaternion
from sparse3d.ops.rasterize._job import Rules
from sparse3d.ops.rasterize._surfels import SURFEL_BLUR, surfel_boxes, surfel_shapes

__all__ = ["Splats", "colors", "pixels", "project"]


class Splats(NamedTuple):
    """Gaussians in the pixels of one view, rows as in the world; invisible rows hold anything."""

    means: Float[Tensor, "n 2"]
    """Centres in pixels."""
    shapes: Float[Tensor, "n s"]
    """(a, k, c) of the exponent ``-(u^2 + v^2) / 2``, ``u = a (dx + k dy)``, ``v = c dy``; surfels
    have what ``surfel_shapes`` returns."""
    opacities: Float[Tensor, "n 1"]
    """After the sigmoid and antialiasing."""
    colors: Float[Tensor, "n 3"]
    """RGB towards the camera."""
    depths: Float[Tensor, " n"]
    """z in the camera."""
    middle: Float[Tensor, "n 2"]
    """Middle of the box outside which alpha is below 1/255, pixels."""
    reach: Float[Tensor, "n 2"]
    """Half width and height of the box."""
    radii: Int32[Tensor, " n"]
    """Three standard deviations, 0 where not visible."""


def project(
    parameters: tuple[Tensor, ...],
    world_from_camera: Float[Tensor, "4 4"],
    matrix: Float[Tensor, "3 3"],
    rules: Rules,
) -> Splats:
    """Project all Gaussians into one view."""
    means, quaternions, log_scales, logits, sh = parameters
    rotation, centre = world_from_camera[:3, :3], world_from_camera[:3, 3]
    offsets = means - centre
    points = offsets @ rotation
    front = points.detach()[:, 2] > rules.near
    points = torch.where(front[:, None], points, points.new_tensor([0.0, 0.0, 1.0]))
    axes = matrix_from_quaternion(quaternions) * torch.exp(log_scales)[:, None, :]
    if rules.surfels:
        axes = axes * torch.tensor([1.0, 1.0, 0.0]).to(axes)
    t1, t2 = _pixel_axes(points, rotation, matrix, rules, axes)
    means, opacities = pixels(points, matrix, rules), torch.sigmoid(logits)
    if rules.surfels:
        shapes = surfel_shapes(points, means, axes[..., :2], rotation, matrix, rules)
    else:
        shapes = _shapes(t1, t2, rules.blur)
        if rules.antialiased:
            opacities = opacities * _kept_share(t1, t2, rules.blur)
    with torch.no_grad():
        sigmas = (2 * torch.log((255 * opacities).clamp_min(1))).sqrt()[:, None]
        if rules.surfels:
            middle, reach = surfel_boxes(means, shapes, sigmas, rules.near)
        else:
            variances = torch.stack([(t1 * t1).sum(-1), (t2 * t2).sum(-1)], -1) + rules.blur
            middle, reach = means, sigmas * variances.sqrt()
        touches = (middle + reach > 0) & (middle - reach < means.new_tensor(rules.size))
        visible = front & touches.all(-1) & (opacities * 255 > 1) & torch.isfinite(shapes).all(-1)
        radii = torch.where(visible, _radii(t1, t2, rules), 0).int()
    return Splats(
        means, shapes, opacities[:, None], colors(offsets, sh), points[:, 2], middle, reach, radii
    )


def pixels(
    points: Float[Tensor, "n 3"], matrix: Float[Tensor, "3 3"], rules: Rules
) -> Float[Tensor, "n 2"]:
    """Where points in camera axes are seen, pixels."""
    if rules.orthographic:
        return points[:, :2] @ matrix[:2, :2].T + matrix[:2, 2]
    return (points @ matrix.T)[:, :2] / points[:, 2:]


def colors(offsets: Float[Tensor, "n 3"], sh: Float[Tensor, "n k 3"]) -> Float[Tensor, "n 3"]:
    """RGB of Gaussians that lie ``offsets`` from the camera, world axes."""
    directions = torch.nn.functional.normalize(offsets, dim=-1)
    sums = torch.einsum("nk,nkc->nc", _harmonics(directions, sh.shape[1]), sh)
    return (sums + 0.5).clamp_min(0)


def _pixel_axes(
    points: Float[Tensor, "n 3"],
    rotation: Float[Tensor, "3 3"],
    matrix: Float[Tensor, "3 3"],
    rules: Rules,
    axes: Float[Tensor, "n 3 3"],
) -> tuple[Float[Tensor, "n 3"], Float[Tensor, "n 3"]]:
    """What moving by one sigma along each own axis does to x and to y, pixels."""
    if rules.orthographic:
        flat = torch.einsum("nij,ia->naj", axes, rotation[:, :2] * matrix.diagonal()[:2])
        return flat[:, 0], flat[:, 1]
    inverse = 1 / points[:, 2]
    result = []
    for axis in (0, 1):
        focal, principal = matrix[axis, axis], matrix[axis, 2]
        margin = 0.15 * rules.size[axis]
        low, high = -(principal + margin) / focal, (rules.size[axis] - principal + margin) / focal
        slope = (points[:, axis] * inverse).clamp(low, high)
        along = focal * inverse[:, None] * (rotation[:, axis] - slope[:, None] * rotation[:, 2])
        result.append(torch.einsum("nij,ni->nj", axes, along))
    return result[0], result[1]


def _shapes(
    t1: Float[Tensor, "n 3"], t2: Float[Tensor, "n 3"], blur: float
) -> Float[Tensor, "n 3"]:
    """Triangular factor of the inverse covariance.

    The determinant is taken by Lagrange's identity, which stays exact for needles, where
    ``xx yy - xy^2`` cancels.
    """
    _, det = _determinants(t1, t2, blur)
    xy, yy = (t1 * t2).sum(-1), (t2 * t2).sum(-1) + blur
    return torch.stack([(yy / det).sqrt(), -xy / yy, yy.rsqrt()], -1)


def _determinants(
    t1: Float[Tensor, "n 3"], t2: Float[Tensor, "n 3"], blur: float
) -> tuple[Float[Tensor, " n"], Float[Tensor, " n"]]:
    """Of the covariance in pixels before and after the blur."""
    cross = torch.linalg.cross(t1, t2)
    det = (cross * cross).sum(-1)
    return det, det + blur * ((t1 * t1).sum(-1) + (t2 * t2).sum(-1) + blur)


def _kept_share(
    t1: Float[Tensor, "n 3"], t2: Float[Tensor, "n 3"], blur: float
) -> Float[Tensor, " n"]:
    sharp, blurred = _determinants(t1, t2, blur)
    return (sharp.clamp_min(torch.finfo(sharp.dtype).tiny) / blurred).sqrt()


def _radii(t1: Float[Tensor, "n 3"], t2: Float[Tensor, "n 3"], rules: Rules) -> Float[Tensor, " n"]:
    blur = SURFEL_BLUR if rules.surfels else rules.blur
    xx, xy, yy = (t1 * t1).sum(-1), (t1 * t2).sum(-1), (t2 * t2).sum(-1)
    spread = (((xx - yy) / 2) ** 2 + xy * xy).clamp_min(0.01).sqrt()
    return (3 * ((xx + yy) / 2 + blur + spread).sqrt()).ceil()


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
