"""Points into the cells of a regular grid, as many a cell as there are."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sparse3d.ops.backend import FastBackend, choose_backend
from sparse3d.ops.voxelize import _native, _torch
from sparse3d.ops.voxelize.voxels import Voxels
from sparse3d.scene.sparse_grid import SparseGrid
from sparse3d.scene.voxel_space import VoxelSpace

__all__ = ["VoxelSpace", "Voxels", "voxelize"]

_BACKENDS = {"torch": _torch.voxelize, "native": _native.voxelize}


def voxelize(
    positions: Float[Tensor, "n 3"],
    batch: Int[Tensor, " n"],
    space: VoxelSpace,
    batch_size: int,
    *,
    backend: FastBackend = "auto",
) -> Voxels:
    """Find the occupied cells of a batch of point clouds; points outside the space are left out.

    A point belongs to the cell ``floor((p - low) / size)``, computed in the dtype of the positions;
    no number of points a cell or of cells is too large (dynamic voxelisation, Zhou et al. 2020,
    "End-to-End Multi-View Fusion"). Positions get no gradient: the result holds indices.

    Args:
        positions: Points of all clouds, metres.
        batch: Number of each point's cloud.
        space: The grid.
        batch_size: Number of clouds.
        backend: ``auto`` takes the C++ kernels for float32 on the CPU where they were built, else
            torch; both find the same.

    Raises:
        TypeError: If the clouds' numbers are not integers.
        ValueError: If there is not a cloud's number for each point, a position is not finite, a
            cloud's number is out of range, the space or the batch does not fit into keys, or
            ``native`` is asked for and cannot do the dtype or the device.
        MissingDependencyError: If ``native`` is asked for and was not built.

    Example:
        >>> space = VoxelSpace((0.0, 0.0, 0.0), (0.5, 0.5, 0.5), (4, 4, 4))
        >>> points = torch.tensor([[1.9, 0.0, 0.0], [9.0, 0.0, 0.0], [0.1, 0.2, 0.3]])
        >>> voxels = voxelize(points, torch.zeros(3, dtype=torch.int64), space, 1)
        >>> voxels.grid.coordinates().tolist()
        [[0, 0, 0, 0], [0, 3, 0, 0]]
        >>> voxels.inverse().tolist()
        [1, -1, 0]
    """
    if batch.is_floating_point() or batch.dtype == torch.bool:
        raise TypeError(f"numbers of clouds as integers expected, got {batch.dtype}")
    if positions.ndim != 2 or positions.shape[1] != 3 or batch.shape != positions.shape[:1]:
        raise ValueError(
            "positions (n, 3) and a cloud's number for each expected, got"
            f" {tuple(positions.shape)} and {tuple(batch.shape)}"
        )
    none = torch.empty(0, dtype=torch.int64, device=positions.device)
    SparseGrid(none, space.shape, batch_size)  # refuses what does not fit into keys
    chosen = choose_backend(backend, positions.device)
    if backend == "auto" and positions.dtype != torch.float32:
        chosen = "torch"
    keys, points, offsets = _BACKENDS[chosen](positions, batch, space, batch_size)
    grid = SparseGrid(keys, space.shape, batch_size, space)
    return Voxels(grid, points, offsets, len(positions))
