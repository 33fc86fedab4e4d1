"""Voxelisation by sorting keys."""

import torch
from jaxtyping import Float, Int, Int64
from torch import Tensor

from sparse3d.geometry.morton import morton_encode
from sparse3d.ops.voxelize.checks import check_points
from sparse3d.scene.voxel_space import VoxelSpace

__all__ = ["inverse", "voxelize"]


def voxelize(
    positions: Float[Tensor, "n 3"],
    batch: Int[Tensor, " n"],
    space: VoxelSpace,
    batch_size: int,
) -> tuple[Int64[Tensor, " m"], Int64[Tensor, " p"], Int64[Tensor, " o"]]:
    """Sorted keys of the cells, point rows by cell, and where each cell's points begin.

    Raises:
        ValueError: As :func:`check_points`.
    """
    check_points(positions, batch, batch_size)
    origin, edges, limit = (
        torch.tensor(v, device=positions.device) for v in (space.low, space.size, space.shape)
    )
    scaled = ((positions.detach() - origin) / edges).floor()
    inside = ((scaled >= 0) & (scaled < limit)).all(1).nonzero()[:, 0]
    cells = torch.cat([batch[inside, None].long(), scaled[inside].long()], dim=1)
    keys, order = morton_encode(cells).sort(stable=True)
    unique, counts = keys.unique_consecutive(return_counts=True)
    offsets = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
    return unique, inside[order], offsets


def inverse(
    points: Int64[Tensor, " p"], offsets: Int64[Tensor, " o"], inputs: int
) -> Int64[Tensor, " n"]:
    """Segment of each of the rows ``points`` out of so many, -1 of the others."""
    owners = torch.repeat_interleave(offsets.diff(), output_size=len(points))
    return points.new_full((inputs,), -1).index_copy(0, points, owners)
