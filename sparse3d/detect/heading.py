"""Headings as an axis and one of its two directions.

From above, many objects look the same in front and behind: the axis of such an object is plain, its
direction is not. A head that says both at once, as cosine and sine of the yaw, is slow to learn
either; so the direction is a question of its own, as in SECOND (Yan et al. 2018, section 3.2.3).
"""

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor

__all__ = ["encode_axis", "heading", "is_forward"]

_FORWARD = math.pi / 4
"""Middle of the forward half turn, radians: its ends lie off headings along and across the road."""


def encode_axis(yaws: Float[Tensor, " n"]) -> Float[Tensor, "n 2"]:
    """Cosine and sine of twice the yaw, the same for opposite headings."""
    return torch.stack([(2 * yaws).cos(), (2 * yaws).sin()], dim=1)


def is_forward(yaws: Float[Tensor, " n"]) -> Bool[Tensor, " n"]:
    """Whether headings lie within a quarter turn of 45 degrees."""
    return (yaws - _FORWARD).cos() >= 0


def heading(axis: Float[Tensor, "n 2"], forward: Bool[Tensor, " n"]) -> Float[Tensor, " n"]:
    """Yaws of an encoded axis and a direction, radians."""
    yaws = torch.atan2(axis[:, 1], axis[:, 0]) / 2
    return torch.where(is_forward(yaws) == forward, yaws, yaws + math.pi)
