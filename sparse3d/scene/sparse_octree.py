"""Octrees whose leaves are of several sizes, as one sorted array of keys."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from sparse3d.geometry.morton import AXIS_BITS, finer_keys
from sparse3d.scene.sparse_grid import SparseGrid
from sparse3d.scene.voxel_space import VoxelSpace

__all__ = ["SparseOctree"]


@dataclass(frozen=True, slots=True)
class SparseOctree:
    """Leaves of a batch of octrees; none holds another.

    A leaf is an interval of keys: 8^level of them from that of its first cell. The intervals do not
    overlap, so leaves sorted by key lie along the curve that their cells do.
    """

    keys: Int64[Tensor, " n"]
    """Morton key of the first of the smallest cells in each leaf, sorted."""
    levels: Int64[Tensor, " n"]
    """How large each leaf is: 2^level cells along each axis."""
    shape: tuple[int, int, int]
    """Smallest cells along x, y, z; large leaves may reach beyond."""
    batch_size: int
    """Number of octrees; some may be empty."""
    space: VoxelSpace | None = None
    """Where the smallest cells are, of the same shape."""
    features: Float[Tensor, "n c"] | None = None
    """A row a leaf."""

    def __post_init__(self) -> None:
        SparseGrid(self.keys, self.shape, self.batch_size, self.space, self.features)
        if self.levels.shape != self.keys.shape:
            raise ValueError(
                f"a level for each of {len(self.keys)} leaves expected, got {self.levels.shape}"
            )

    def __len__(self) -> int:
        return len(self.keys)

    @classmethod
    def of_grid(cls, grid: SparseGrid, levels: int = 0) -> "SparseOctree":
        """The cells of a grid as leaves that can be split so many times.

        Raises:
            ValueError: If keys cannot hold the smallest cells.
        """
        if not 0 <= levels <= AXIS_BITS:
            raise ValueError(f"0 to {AXIS_BITS} levels expected, got {levels}")
        x, y, z = (n << levels for n in grid.shape)
        space = None if grid.space is None else grid.space.finer(levels)
        keys, sizes = finer_keys(grid.keys, levels), torch.full_like(grid.keys, levels)
        return cls(keys, sizes, (x, y, z), grid.batch_size, space, grid.features)

    def require_space(self) -> VoxelSpace:
        """Where the smallest cells are.

        Raises:
            ValueError: If the octree does not say it.
        """
        if self.space is None:
            raise ValueError("an octree that knows its space expected, but it has none")
        return self.space

    def ends(self) -> Int64[Tensor, " n"]:
        """The key after the last of each leaf."""
        return self.keys + (torch.ones_like(self.keys) << 3 * self.levels)

    def check(self) -> None:
        """Look through leaves that come from elsewhere.

        Raises:
            ValueError: If a leaf overlaps the next, stands where none of its size can, or lies
                outside the shape or the batch.
        """
        if not bool(((self.levels >= 0) & (self.levels <= AXIS_BITS)).all()):
            raise ValueError(f"levels from 0 to {AXIS_BITS} expected")
        ends = self.ends()
        if bool((ends[:-1] > self.keys[1:]).any()):
            raise ValueError("sorted leaves expected, none of which holds another")
        if bool(((ends - self.keys - 1) & self.keys).any()):
            raise ValueError("leaves that begin at a multiple of their size expected")
        SparseGrid.of_keys(self.keys, self.shape, self.batch_size)
