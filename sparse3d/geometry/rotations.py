"""Rotations as quaternions (w, x, y, z), matrices, axis-angle vectors and yaw angles."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = [
    "matrix_from_axis_angle",
    "matrix_from_quaternion",
    "matrix_from_yaw",
    "nearest_rotation",
    "quaternion_from_matrix",
    "wrap_angle",
]


def matrix_from_quaternion(quaternion: Float[Tensor, "*batch 4"]) -> Float[Tensor, "*batch 3 3"]:
    """Rotation matrix of a quaternion ``(w, x, y, z)``, which is normalised first.

    Differentiable. A zero quaternion gives non-finite values.
    """
    w, x, y, z = torch.nn.functional.normalize(quaternion, dim=-1, eps=0.0).unbind(-1)
    rows = (
        (1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        (2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        (2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    )
    return torch.stack([torch.stack(row, -1) for row in rows], -2)


def quaternion_from_matrix(rotation: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 4"]:
    """Unit quaternion ``(w, x, y, z)`` with ``w >= 0`` of a rotation matrix.

    Of the four textbook formulas, the one with the largest pivot is taken, so that the result is
    accurate near every half turn (Shepperd 1978).
    """
    m = rotation
    trace = m[..., 0, 0] + m[..., 1, 1] + m[..., 2, 2]
    four_squares = torch.stack(
        [1 + trace, *(1 + 2 * m[..., i, i] - trace for i in range(3))], dim=-1
    )  # 4w^2, 4x^2, 4y^2, 4z^2
    wx, wy, wz = (m[..., k, j] - m[..., j, k] for j, k in ((1, 2), (2, 0), (0, 1)))
    xy, yz, zx = (m[..., j, k] + m[..., k, j] for j, k in ((0, 1), (1, 2), (2, 0)))
    ww, xx, yy, zz = four_squares.unbind(-1)
    products = torch.stack(
        [
            torch.stack([ww, wx, wy, wz], -1),
            torch.stack([wx, xx, xy, zx], -1),
            torch.stack([wy, xy, yy, yz], -1),
            torch.stack([wz, zx, yz, zz], -1),
        ],
        dim=-2,
    )  # [..., 4, 4]: row i is 4 q_i q
    pivot = four_squares.argmax(-1)[..., None, None].expand(*four_squares.shape[:-1], 1, 4)
    q = torch.nn.functional.normalize(products.gather(-2, pivot).squeeze(-2), dim=-1)
    return torch.where(q[..., :1] < 0, -q, q)


def matrix_from_axis_angle(axis_angle: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3 3"]:
    """Rotation by ``|axis_angle|`` radians about its direction (the exponential map of SO(3))."""
    half = axis_angle / 2
    angle = torch.linalg.vector_norm(half, dim=-1, keepdim=True)
    vector = half * torch.sinc(angle / math.pi)  # sin(a) / a, finite at 0
    return matrix_from_quaternion(torch.cat([torch.cos(angle), vector], dim=-1))


def matrix_from_yaw(yaw: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch 3 3"]:
    """Rotation by ``yaw`` radians about +z, counter-clockwise seen from above."""
    zero, one = torch.zeros_like(yaw), torch.ones_like(yaw)
    cos, sin = torch.cos(yaw), torch.sin(yaw)
    rows = ((cos, -sin, zero), (sin, cos, zero), (zero, zero, one))
    return torch.stack([torch.stack(row, -1) for row in rows], -2)


def nearest_rotation(matrix: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 3 3"]:
    """The rotation closest to a matrix in the Frobenius norm (orthogonal Procrustes, Kabsch 1976).

    Unique where the determinant is positive.
    """
    u, _, vh = torch.linalg.svd(matrix)
    sign = torch.linalg.det(u @ vh)[..., None, None]
    flip = torch.cat([torch.ones_like(u[..., :2, :1]), sign], dim=-2)  # [..., 3, 1]
    return u @ (flip * vh)


def wrap_angle(angle: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
    """The same angle in ``(-pi, pi]`` radians."""
    return math.pi - torch.remainder(math.pi - angle, 2 * math.pi)
