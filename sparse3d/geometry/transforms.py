"""Rigid transforms as 4x4 matrices, named ``target_from_source``."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["invert_rigid", "is_rigid", "look_at", "rigid", "transform_points"]


def rigid(
    rotation: Float[Tensor, "*batch 3 3"], translation: Float[Tensor, "*batch 3"]
) -> Float[Tensor, "*batch 4 4"]:
    """The transform ``p -> rotation @ p + translation``."""
    upper = torch.cat([rotation, translation[..., None]], dim=-1)  # [..., 3, 4]
    last = upper.new_tensor([0.0, 0.0, 0.0, 1.0]).expand(*upper.shape[:-2], 1, 4)
    return torch.cat([upper, last], dim=-2)


def invert_rigid(target_from_source: Float[Tensor, "*batch 4 4"]) -> Float[Tensor, "*batch 4 4"]:
    """The inverse of a rigid transform, without a matrix inversion."""
    rotation_t = target_from_source[..., :3, :3].transpose(-1, -2)
    translation = target_from_source[..., :3, 3]
    return rigid(rotation_t, -(rotation_t @ translation[..., None])[..., 0])


def transform_points(
    target_from_source: Float[Tensor, "4 4"], points: Float[Tensor, "*batch 3"]
) -> Float[Tensor, "*batch 3"]:
    """Map points from the source to the target frame, in the dtype of ``points``."""
    matrix = target_from_source.to(points)
    return points @ matrix[:3, :3].T + matrix[:3, 3]


def is_rigid(transform: Float[Tensor, "4 4"], tolerance: float = 1e-3) -> bool:
    """Whether a matrix is a proper rigid transform: orthonormal, determinant +1, finite.

    Args:
        transform: The matrix to judge.
        tolerance: Largest accepted deviation of any entry of ``R^T R`` from the identity.
            Poses read from text files carry few digits; 1e-3 accepts them and no real scale.
    """
    rows = transform.tolist()  # plain numbers: thousands of cameras are judged one by one
    if not all(math.isfinite(value) for row in rows for value in row):
        return False
    x, y, z = ([row[i] for row in rows[:3]] for i in range(3))
    products = (_dot(x, y), _dot(y, z), _dot(z, x), *(_dot(axis, axis) - 1 for axis in (x, y, z)))
    last_row = (*rows[3][:3], rows[3][3] - 1)
    return (
        max(map(abs, products)) <= tolerance
        and _triple_product(x, y, z) > 0
        and max(map(abs, last_row)) <= 1e-6
    )


def _dot(a: Sequence[float], b: Sequence[float]) -> float:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def _triple_product(a: Sequence[float], b: Sequence[float], c: Sequence[float]) -> float:
    cross = (b[1] * c[2] - b[2] * c[1], b[2] * c[0] - b[0] * c[2], b[0] * c[1] - b[1] * c[0])
    return _dot(a, cross)


def look_at(
    position: Float[Tensor, " 3"], target: Float[Tensor, " 3"], up: Float[Tensor, " 3"]
) -> Float[Tensor, "4 4"]:
    """``world_from_camera`` of an OpenCV camera (x right, y down, z forward) facing ``target``.

    Args:
        position: Camera centre in the world.
        target: A point on the optical axis, different from ``position``.
        up: World direction that points up in the image; not parallel to the viewing direction.
    """
    forward = torch.nn.functional.normalize(target - position, dim=0)
    right = torch.nn.functional.normalize(torch.linalg.cross(forward, up), dim=0)
    down = torch.linalg.cross(forward, right)
    return rigid(torch.stack([right, down, forward], dim=1), position)
