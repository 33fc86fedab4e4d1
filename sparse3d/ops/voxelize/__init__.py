"""Points into the cells of a regular grid, as many a cell as there are."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int, Int64
from torch import Tensor

from sparse3d.ops.voxelize import _torch
from sparse3d.scene.sparse_grid import SparseGrid
from sparse3d.scene.voxel_space import VoxelSpace

__all__ = ["VoxelSpace", "Voxels", "voxelize"]


@dataclass(frozen=True, slots=True)
class Voxels:
    """Occupied cells, and which points lie in them."""

    grid: SparseGrid
    points: Int64[Tensor, " p"]
    """Row numbers of the points inside the space, cell by cell, in each by row number."""
    offsets: Int64[Tensor, " m"]
    """Where the points of a cell begin; one more entry than cells."""

    def owners(self) -> Int64[Tensor, " p"]:
        """Number of the cell of each of ``points``."""
        counts = self.offsets.diff()
        return torch.repeat_interleave(counts, output_size=len(self.points))


def voxelize(
    positions: Float[Tensor, "n 3"],
    batch: Int[Tensor, " n"],
    space: VoxelSpace,
    batch_size: int,
) -> Voxels:
    """Find the occupied cells of a batch of point clouds; points outside the space are left out.

    A point belongs to the cell ``floor((p - low) / size)``; no number of points a cell or of cells
    is too large (dynamic voxelisation, Zhou et al. 2020, "End-to-End Multi-View Fusion").

    Args:
        positions: Points of all clouds, metres.
        batch: Number of each point's cloud.
        space: The grid.
        batch_size: Number of clouds.

    Raises:
        ValueError: If a position is not finite, or a cloud's number is out of range.
    """
    if not bool(torch.isfinite(positions).all()):
        row = int((~torch.isfinite(positions).all(1)).nonzero()[0, 0])
        raise ValueError(f"positions must be finite, got {positions[row].tolist()} in row {row}")
    if len(batch) and not 0 <= int(batch.min()) <= int(batch.max()) < batch_size:
        raise ValueError(
            f"numbers of clouds must lie in [0, {batch_size}), got {int(batch.min())} to"
            f" {int(batch.max())}"
        )
    keys, points, offsets = _torch.voxelize(positions, batch, space.low, space.size, space.shape)
    return Voxels(SparseGrid(keys, space.shape, batch_size, space), points, offsets)
