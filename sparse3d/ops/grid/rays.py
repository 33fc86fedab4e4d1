"""The leaves that rays cross, front to back."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float, Float64, Int, Int64
from torch import Tensor

from sparse3d.ops.grid.checks import check_batch, check_finite
from sparse3d.ops.grid.descend import (
    Leaves,
    Nodes,
    depth_of_leaves,
    expand,
    leaf_boxes,
    node_boxes,
    roots,
)

__all__ = ["Crossings", "cast_rays"]

_AT_ONCE = 1 << 13
"""Rays, so that memory stays bounded."""


@dataclass(frozen=True, slots=True)
class Crossings:
    """What each ray crosses, ray by ray, front to back."""

    rows: Int64[Tensor, " c"]
    """Rows of the leaves."""
    offsets: Int64[Tensor, " o"]
    """Where the crossings of each ray begin; one more entry than rays."""
    entries: Float64[Tensor, " c"]
    """Where each leaf is entered, in lengths of the ray's direction."""
    exits: Float64[Tensor, " c"]
    """Where it is left; above the entry."""

    def rays(self) -> Int64[Tensor, " c"]:
        """Number of the ray of each crossing."""
        return torch.repeat_interleave(self.offsets.diff(), output_size=len(self.rows))


def cast_rays(
    leaves: Leaves,
    origins: Float[Tensor, "r 3"],
    directions: Float[Tensor, "r 3"],
    *,
    batch: Int[Tensor, " r"] | None = None,
    near: float = 0.0,
    far: float = math.inf,
) -> Crossings:
    """The leaves that each ray crosses between ``near`` and ``far``.

    All rays walk down the octree at once, into the children whose slabs they cross (Kay and Kajiya
    1986, "Ray Tracing Complex Scenes"), so that empty space costs nothing. Leaves that a ray only
    touches, at an edge or a corner, are not crossed; a ray within a face belongs to the leaf of the
    higher coordinates, as points do. Nothing carries a gradient.

    Args:
        leaves: With a space.
        origins: Metres.
        directions: Of any length but zero; distances are in lengths of them.
        batch: Number of the grid that each ray is in; 0 without it.
        near: Where rays begin.
        far: Where they end.

    Raises:
        ValueError: If there is no space, an origin or direction is not finite, a direction is zero,
            a grid's number is out of range, or ``far`` is not above ``near``.
    """
    numbers = check_batch(batch, len(origins), leaves.batch_size, origins.device)
    check_finite(origins, "origins")
    check_finite(directions, "directions")
    if bool((directions == 0).all(1).any()) or not near < far:
        raise ValueError("directions other than zero, and far above near, expected")
    space = leaves.require_space()
    low, size = (origins.new_tensor(v, dtype=torch.float64) for v in (space.low, space.size))
    starts, steps = (origins.detach() - low) / size, directions.detach() / size
    columns = (each.split(_AT_ONCE) for each in (starts, steps, numbers))
    parts = [
        _cast(leaves, _Rays(start, step, number, near, far), first * _AT_ONCE)
        for first, (start, step, number) in enumerate(zip(*columns, strict=True))
    ]
    rays, rows, entries, exits = (torch.cat(each) for each in zip(*parts, strict=True))
    counts = torch.bincount(rays, minlength=len(origins))
    return Crossings(rows, torch.cat([counts.new_zeros(1), counts.cumsum(0)]), entries, exits)


class _Rays(NamedTuple):
    """In smallest cells."""

    starts: Float64[Tensor, "r 3"]
    steps: Float64[Tensor, "r 3"]
    numbers: Int64[Tensor, " r"]
    near: float
    far: float

    def crossed(
        self, owners: Int64[Tensor, " k"], box: tuple[Int64[Tensor, "k 3"], Int64[Tensor, "k 3"]]
    ) -> tuple[Float64[Tensor, " k"], Float64[Tensor, " k"]]:
        """Where owners' rays enter and leave boxes; the entry is below the exit if they cross."""
        start, step = self.starts[owners], self.steps[owners]
        ahead = torch.stack([(face - start) / step for face in box])  # [2, k, 3]
        within = torch.where((start >= box[0]) & (start < box[1]), torch.inf, -torch.inf)
        along = step == 0
        enter = torch.where(along, -within, ahead.amin(0)).amax(1)
        leave = torch.where(along, within, ahead.amax(0)).amin(1)
        return enter.clamp_min(self.near), leave.clamp_max(self.far)


_Found = tuple[
    Int64[Tensor, " c"], Int64[Tensor, " c"], Float64[Tensor, " c"], Float64[Tensor, " c"]
]


def _cast(leaves: Leaves, rays: _Rays, first: int) -> _Found:
    """Numbers of rays from the first on, rows, entries and exits of the crossings, in order."""
    found: list[Nodes] = []
    open_nodes = roots(leaves, rays.numbers)
    for level in range(depth_of_leaves(leaves), -1, -1):
        enter, leave = rays.crossed(open_nodes.owners, node_boxes(open_nodes, level))
        open_nodes = open_nodes.pick(enter < leave)
        single = open_nodes.ends - open_nodes.begins == 1
        found.append(open_nodes.pick(single))
        if level:
            open_nodes = expand(leaves, open_nodes.pick(~single), level - 1)
    owners = torch.cat([nodes.owners for nodes in found])
    rows = torch.cat([nodes.begins for nodes in found])
    enter, leave = rays.crossed(owners, leaf_boxes(leaves, rows))
    order = rows.argsort()
    order = order[enter[order].argsort(stable=True)]
    order = order[owners[order].argsort(stable=True)]
    order = order[(enter < leave)[order]]
    return owners[order] + first, rows[order], enter[order], leave[order]
