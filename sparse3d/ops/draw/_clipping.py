"""What of lines and faces lies beyond a depth, vectorised."""

import torch
from jaxtyping import Bool, Float64, Int64
from torch import Tensor

__all__ = ["lines_in_front", "triangles_in_front"]


def lines_in_front(ends: Float64[Tensor, "n 2 3"], near: float) -> Float64[Tensor, "n 2 3"]:
    """Lines of which an end at least is beyond ``near``, cut there."""
    a, b = ends.unbind(1)
    return torch.stack([_cut(a, b, near), _cut(b, a, near)], 1)


def triangles_in_front(
    corners: Float64[Tensor, "n 3 k"], near: float
) -> tuple[Float64[Tensor, "m 3 k"], Int64[Tensor, " m"]]:
    """The parts beyond ``near``, and the face of each, in the order of faces.

    The corner that is alone on its side comes first: where it is ahead, one triangle is left,
    where it is behind, two.

    Args:
        corners: In the camera's frame; columns after the third are interpolated along.
        near: z-depth.
    """
    ahead = corners[..., 2] > near
    count = ahead.sum(1)
    whole, tips, stumps = ((count == wanted).nonzero()[:, 0] for wanted in (3, 1, 2))
    a, b, c = _alone_first(corners[tips], ahead[tips])
    tip = torch.stack([a, _cut(b, a, near), _cut(c, a, near)], 1)
    a, b, c = _alone_first(corners[stumps], ~ahead[stumps])
    ab, ca = _cut(a, b, near), _cut(a, c, near)
    halves = [torch.stack([ab, b, c], 1), torch.stack([ab, c, ca], 1)]
    faces = torch.cat([whole, tips, stumps, stumps])
    order = faces.argsort(stable=True)
    return torch.cat([corners[whole], tip, *halves])[order], faces[order]


def _alone_first(
    corners: Float64[Tensor, "n 3 k"], alone: Bool[Tensor, "n 3"]
) -> tuple[Tensor, Tensor, Tensor]:
    first = alone.int().argmax(1)
    rows = torch.arange(len(corners), device=corners.device)
    a, b, c = (corners[rows, (first + step) % 3] for step in range(3))
    return a, b, c


def _cut(
    corner: Float64[Tensor, "n k"], other: Float64[Tensor, "n k"], near: float
) -> Float64[Tensor, "n k"]:
    """The corner, or, if it is not beyond ``near``, where the way to the other one comes there."""
    behind = corner[:, 2:3] <= near
    rise = torch.where(behind, other[:, 2:3] - corner[:, 2:3], 1.0)
    moved = corner + (near - corner[:, 2:3]) / rise * (other - corner)
    moved[:, 2] = near
    return torch.where(behind, moved, corner)
