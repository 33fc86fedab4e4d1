"""The eight cells whose centres are around a point."""

import torch
from jaxtyping import Float, Int, Int64
from torch import Tensor

from sparse3d.geometry.morton import AXIS_BITS
from sparse3d.scene.voxel_space import VoxelSpace

__all__ = ["STEPS", "corner_weights", "first_corners"]

STEPS = tuple((x, y, z) for x in (0, 1) for y in (0, 1) for z in (0, 1))
"""From the first of the cells to each of them."""


def first_corners(
    positions: Float[Tensor, "p 3"], batch: Int[Tensor, " p"], space: VoxelSpace
) -> tuple[Int64[Tensor, "p 4"], Float[Tensor, "p 3"]]:
    """The cell ``(batch, x, y, z)`` with the centre below each point, and how far above it is.

    Cells may lie outside the space, those far away anywhere there. Distances are in cells; they
    carry the gradient to the positions.
    """
    low, size = (positions.new_tensor(v) for v in (space.low, space.size))
    scaled = (positions - low) / size - 0.5
    below = scaled.detach().floor()
    cells = below.clamp(-2, 2 << AXIS_BITS).long()
    return torch.cat([batch[:, None].long(), cells], 1), scaled - below


def corner_weights(above: Float[Tensor, "p 3"]) -> Float[Tensor, "p 8"]:
    """Trilinear weights of the cells in the order of :data:`STEPS`."""
    x, y, z = (torch.stack([1 - part, part], 1) for part in above.unbind(1))  # p 2 each
    return (x[:, :, None, None] * y[:, None, :, None] * z[:, None, None, :]).flatten(1)
