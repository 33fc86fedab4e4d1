"""Upright 3D boxes as rows ``(x, y, z, length, width, height, yaw)``: corners and containment."""

from collections.abc import Sequence

from jaxtyping import Bool, Float
from torch import Tensor

from sparse3d.geometry.rotations import matrix_from_yaw

__all__ = ["BOX_EDGES", "box_corners", "in_range", "points_in_boxes"]

_SIGNS = ((1, 1), (1, -1), (-1, -1), (-1, 1))

BOX_EDGES: tuple[tuple[int, int], ...] = (
    *((i, (i + 1) % 4) for i in range(4)),
    *((4 + i, 4 + (i + 1) % 4) for i in range(4)),
    *((i, 4 + i) for i in range(4)),
)
"""Pairs of corner numbers of :func:`box_corners` that an edge joins."""


def box_corners(boxes: Float[Tensor, "n 7"]) -> Float[Tensor, "n 8 3"]:
    """Corners of each box in the frame of the boxes, metres.

    Corners 0 to 3 are the bottom face (front left, front right, rear right, rear left),
    4 to 7 the top face in the same order.
    """
    unit = boxes.new_tensor([(x, y, z) for z in (-1, 1) for x, y in _SIGNS]) / 2
    local = boxes[:, None, 3:6] * unit  # [n, 8, 3]
    rotation = matrix_from_yaw(boxes[:, 6])
    return local @ rotation.transpose(-1, -2) + boxes[:, None, :3]


def in_range(
    positions: Float[Tensor, "n 3"], low: Sequence[float], high: Sequence[float]
) -> Bool[Tensor, " n"]:
    """Which positions are at least ``low`` and less than ``high`` on all axes; never NaN ones."""
    least, greatest = positions.new_tensor(low), positions.new_tensor(high)
    return ((positions >= least) & (positions < greatest)).all(1)


def points_in_boxes(
    points: Float[Tensor, "p 3"], boxes: Float[Tensor, "n 7"]
) -> Bool[Tensor, "n p"]:
    """Which points lie in which boxes; the faces belong to the box."""
    rotation = matrix_from_yaw(boxes[:, 6])
    local = (points[None] - boxes[:, None, :3]) @ rotation  # R^T (p - c), as rows
    return (local.abs() <= boxes[:, None, 3:6] / 2).all(-1)
