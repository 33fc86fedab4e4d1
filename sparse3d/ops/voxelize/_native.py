"""Voxelisation by the C++ kernels: codes of cells, sorted in the cache."""

import torch
from jaxtyping import Float, Int, Int64
from torch import Tensor

from sparse3d.ops.backend import native_module
from sparse3d.ops.voxelize.checks import check_points
from sparse3d.scene.voxel_space import VoxelSpace

__all__ = ["inverse", "voxelize"]


def voxelize(
    positions: Float[Tensor, "n 3"],
    batch: Int[Tensor, " n"],
    space: VoxelSpace,
    batch_size: int,
) -> tuple[Int64[Tensor, " m"], Int64[Tensor, " p"], Int64[Tensor, " o"]]:
    """See the torch backend.

    Raises:
        ValueError: If positions are not float32, or as :func:`check_points`.
    """
    if positions.dtype != torch.float32:
        raise ValueError(f"backend 'native' takes float32 positions, got {positions.dtype}")
    plan = native_module().VoxelPlan(
        positions.detach().contiguous(),
        batch.long().contiguous(),
        space.low,
        space.size,
        space.shape,
        batch_size,
    )
    if not plan.valid():
        check_points(positions, batch, batch_size)
    keys, points, offsets = map(_rows, (plan.cells(), plan.points(), plan.cells() + 1))
    plan.write(keys, points, offsets)
    return keys, points, offsets


def inverse(
    points: Int64[Tensor, " p"], offsets: Int64[Tensor, " o"], inputs: int
) -> Int64[Tensor, " n"]:
    """See the torch backend."""
    owners = _rows(inputs)
    native_module().write_owners(points.contiguous(), offsets.contiguous(), owners)
    return owners


def _rows(count: int) -> Int64[Tensor, " n"]:
    return torch.empty(count, dtype=torch.int64)
