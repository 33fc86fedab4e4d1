"""Leaves in boxes, in view of cameras, and in any other convex volume."""

from typing import Literal

import torch
from jaxtyping import Bool, Float, Float64, Int64
from torch import Tensor

from sparse3d.geometry.views import Views
from sparse3d.ops.grid.checks import check_finite
from sparse3d.ops.grid.descend import (
    Leaves,
    Nodes,
    depth_of_leaves,
    expand,
    leaf_boxes,
    node_boxes,
    roots,
)

__all__ = ["Extent", "frustum_planes", "in_box", "in_volume"]

Extent = Literal["cells", "centers"]
"""Whether a leaf is in a volume that it reaches into, or if its centre is inside."""

_SLACK = 1e-9
"""Of the distances compared: what rounding may make of them before children are looked at."""


def in_volume(
    leaves: Leaves,
    planes: Float[Tensor, "p 4"],
    *,
    number: int | None = None,
    extent: Extent = "cells",
) -> Int64[Tensor, " m"]:
    """Rows of the leaves in a convex volume, found from the root down; increasing.

    Args:
        leaves: With a space.
        planes: Each ``(a, b, c, d)``: points with ``a x + b y + c z + d >= 0`` are on its inner
            side; metres. The volume is on the inner side of all.
        number: Of the grid to look in; all of the batch without it.
        extent: ``cells`` takes the leaves that do not lie wholly outside of one plane: all that the
            volume reaches, and a few beside its edges (the usual test of view frusta, Assarsson and
            Moeller 2000); of boxes along the axes, those that the box touches, but for rounding.
            ``centers`` takes those whose centre is inside.

    Raises:
        ValueError: If there is no space or no such grid, or a number is not finite.
    """
    check_finite(planes, "planes")
    if number is not None and not 0 <= number < leaves.batch_size:
        raise ValueError(f"the number of a grid in [0, {leaves.batch_size}) expected, got {number}")
    space = leaves.require_space()
    device = leaves.keys.device
    low, size = (
        torch.tensor(v, dtype=torch.float64, device=device) for v in (space.low, space.size)
    )
    normals, heights = planes[:, :3].to(device).double(), planes[:, 3].to(device).double()
    in_cells = _Planes(normals * size, heights + normals @ low)
    numbers = torch.arange(leaves.batch_size, device=device) if number is None else None
    picked = torch.tensor([number], device=device) if numbers is None else numbers
    return _descend(leaves, in_cells, picked, extent)


def in_box(
    leaves: Leaves,
    low: tuple[float, float, float],
    high: tuple[float, float, float],
    *,
    number: int | None = None,
    extent: Extent = "cells",
) -> Int64[Tensor, " m"]:
    """Rows of the leaves in a box along the axes, its faces included; else as :func:`in_volume`.

    Raises:
        ValueError: As :func:`in_volume`, or if ``low`` is above ``high``.
    """
    if not all(a <= b for a, b in zip(low, high, strict=True)):
        raise ValueError(f"low must not be above high, got {low} and {high}")
    axes = torch.eye(3, dtype=torch.float64)
    corners = torch.tensor([[-a for a in low], list(high)], dtype=torch.float64)
    planes = torch.cat([torch.cat([axes, -axes]), corners.reshape(6, 1)], dim=1)
    return in_volume(leaves, planes, number=number, extent=extent)


def frustum_planes(views: Views, near: float, far: float) -> Float64[Tensor, "c 6 4"]:
    """The planes around what each camera sees: left, right, top, bottom, near, far.

    Normals have length 1 and point inwards.

    Args:
        views: The cameras; perspective or orthographic.
        near: Smallest depth, metres.
        far: Largest depth.

    Raises:
        ValueError: If ``far`` is not above ``near``.
    """
    if not near < far:
        raise ValueError(f"far above near expected, got {near} and {far}")
    matrices, poses = views.matrices.double(), views.world_from_camera.double()
    flat = views.projection == "orthographic"
    u, v, one = (torch.nn.functional.pad(matrices[:, i], (0, 1)) for i in range(3))  # [c, 4]
    if flat:  # the last column of K is added, not multiplied by the depth
        u, v, one = (row[:, [0, 1, 3, 2]] for row in (u, v, one))
    depth = torch.zeros_like(one)
    depth[:, 2] = 1
    unit = torch.zeros_like(one)
    unit[:, 3] = 1
    sides = (u, views.width * one - u, v, views.height * one - v)
    planes = torch.stack([*sides, depth - near * unit, far * unit - depth], dim=1)  # [c, 6, 4]
    normals = planes[..., :3] @ poses[:, :3, :3].mT
    heights = planes[..., 3] - (normals @ poses[:, :3, 3:])[..., 0]
    length = normals.norm(dim=-1, keepdim=True)
    return torch.cat([normals, heights[..., None]], dim=-1) / length


class _Planes:
    """Planes in smallest cells."""

    def __init__(self, normals: Float64[Tensor, "p 3"], heights: Float64[Tensor, " p"]) -> None:
        self._normals, self._heights = normals, heights

    def at(self, points: Float64[Tensor, "k 3"]) -> Float64[Tensor, "k p"]:
        """How far inside each plane points are."""
        return points @ self._normals.T + self._heights

    def reach(self, half: Float64[Tensor, "k 3"]) -> Float64[Tensor, "k p"]:
        """How much further inside the best corner of a box is than its centre."""
        return half @ self._normals.abs().T

    def slack(self, points: Float64[Tensor, "k 3"]) -> Float64[Tensor, "k p"]:
        """Beyond what rounding makes of :meth:`at`."""
        return _SLACK * (points.abs() @ self._normals.abs().T + self._heights.abs())


def _descend(
    leaves: Leaves, planes: _Planes, numbers: Int64[Tensor, " b"], extent: Extent
) -> Int64[Tensor, " m"]:
    inside, open_nodes = [], roots(leaves, numbers)
    for level in range(depth_of_leaves(leaves), -1, -1):
        center, half = _middle(node_boxes(open_nodes, level))
        away, reach, slack = planes.at(center), planes.reach(half), planes.slack(center + half)
        whole = (away - reach > slack).all(1)
        partly = (away + reach >= -slack).all(1) & ~whole
        inside.append(_ranges(open_nodes.pick(whole)))
        single = open_nodes.ends - open_nodes.begins == 1
        rows = open_nodes.begins[partly & single]
        inside.append(rows[_is_in(planes, leaf_boxes(leaves, rows), extent)])
        if level:
            open_nodes = expand(leaves, open_nodes.pick(partly & ~single), level - 1)
    return torch.cat(inside).sort().values


def _is_in(
    planes: _Planes, box: tuple[Int64[Tensor, "k 3"], Int64[Tensor, "k 3"]], extent: Extent
) -> Bool[Tensor, " k"]:
    center, half = _middle(box)
    away = planes.at(center)
    return ((away if extent == "centers" else away + planes.reach(half)) >= 0).all(1)


def _middle(
    box: tuple[Int64[Tensor, "k 3"], Int64[Tensor, "k 3"]],
) -> tuple[Float64[Tensor, "k 3"], Float64[Tensor, "k 3"]]:
    """Centre of a box, and half of its edges."""
    low, high = (corner.double() for corner in box)
    return (low + high) / 2, (high - low) / 2


def _ranges(nodes: Nodes) -> Int64[Tensor, " m"]:
    """All rows of the leaves in nodes."""
    counts = nodes.ends - nodes.begins
    starts = counts.cumsum(0) - counts
    rows = torch.arange(int(counts.sum()), device=counts.device)
    return rows + torch.repeat_interleave(nodes.begins - starts, counts)
