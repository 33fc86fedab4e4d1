"""Occupied cells of regular grids as one sorted array of keys."""

from dataclasses import dataclass

import torch
from jaxtyping import Int, Int64
from torch import Tensor

from sparse3d.geometry.morton import AXIS_BITS, BATCH_BITS, morton_decode, morton_encode

__all__ = ["SparseGrid"]


@dataclass(frozen=True, slots=True)
class SparseGrid:
    """The occupied cells of a batch of grids of one shape."""

    keys: Int64[Tensor, " n"]
    """Morton keys, sorted, each once; see :mod:`sparse3d.geometry.morton`."""
    shape: tuple[int, int, int]
    """Cells along x, y, z."""
    batch_size: int
    """Number of grids; some may be empty."""

    def __post_init__(self) -> None:
        if not all(1 <= cells <= 1 << AXIS_BITS for cells in self.shape):
            raise ValueError(f"1 to {1 << AXIS_BITS} cells an axis expected, got {self.shape}")
        if not 0 <= self.batch_size <= 1 << BATCH_BITS:
            raise ValueError(f"at most {1 << BATCH_BITS} grids expected, got {self.batch_size}")

    def __len__(self) -> int:
        return len(self.keys)

    @classmethod
    def of_coordinates(
        cls, coordinates: Int[Tensor, "n 4"], shape: tuple[int, int, int], batch_size: int
    ) -> "SparseGrid":
        """A grid of cells ``(batch, x, y, z)`` in any order; repeated ones count once.

        Raises:
            ValueError: If a cell is outside the shape or the batch.
        """
        grid = cls(torch.empty(0, dtype=torch.int64), shape, batch_size)
        limit = torch.tensor((batch_size, *shape), device=coordinates.device)
        outside = ((coordinates < 0) | (coordinates >= limit)).any(1)
        if bool(outside.any()):
            row = int(outside.nonzero()[0, 0])
            raise ValueError(
                f"cells must lie in {batch_size} grid(s) of {shape}, got"
                f" {coordinates[row].tolist()} in row {row}"
            )
        return cls(morton_encode(coordinates).unique(), grid.shape, grid.batch_size)

    def coordinates(self) -> Int64[Tensor, "n 4"]:
        """The cells ``(batch, x, y, z)`` in the order of the keys."""
        return morton_decode(self.keys)
