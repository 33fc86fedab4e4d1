"""Occupied cells of regular grids as one sorted array of keys."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int, Int64
from torch import Tensor

from sparse3d.geometry.morton import AXIS_BITS, BATCH_BITS, morton_decode, morton_encode
from sparse3d.scene.voxel_space import VoxelSpace

__all__ = ["SparseGrid"]


@dataclass(frozen=True, slots=True)
class SparseGrid:
    """The occupied cells of a batch of grids of one shape.

    Data only: what is done with grids stands in :mod:`sparse3d.ops.grid`.
    """

    keys: Int64[Tensor, " n"]
    """Morton keys, sorted, each once; see :mod:`sparse3d.geometry.morton`. This is checked by
    :meth:`of_keys` only."""
    shape: tuple[int, int, int]
    """Cells along x, y, z."""
    batch_size: int
    """Number of grids; some may be empty."""
    space: VoxelSpace | None = None
    """Where the cells are, of the same shape; None where that does not matter."""
    features: Float[Tensor, "n c"] | None = None
    """A row a cell, in the order of the keys."""

    def __post_init__(self) -> None:
        if self.keys.dtype != torch.int64 or self.keys.ndim != 1:
            raise TypeError(f"int64 keys in a row expected, got {_brief(self.keys)}")
        if not all(1 <= cells <= 1 << AXIS_BITS for cells in self.shape):
            raise ValueError(f"1 to {1 << AXIS_BITS} cells an axis expected, got {self.shape}")
        if not 0 <= self.batch_size <= 1 << BATCH_BITS:
            raise ValueError(f"at most {1 << BATCH_BITS} grids expected, got {self.batch_size}")
        if self.space is not None and self.space.shape != self.shape:
            raise ValueError(f"a space of shape {self.shape} expected, got {self.space.shape}")
        if self.features is not None and (
            self.features.ndim != 2 or len(self.features) != len(self.keys)
        ):
            raise ValueError(
                f"a row of features for {len(self.keys)} cells expected, got"
                f" {_brief(self.features)}"
            )

    def __len__(self) -> int:
        return len(self.keys)

    @classmethod
    def of_coordinates(
        cls, coordinates: Int[Tensor, "n 4"], shape: tuple[int, int, int], batch_size: int
    ) -> "SparseGrid":
        """A grid of cells ``(batch, x, y, z)`` in any order; repeated ones count once.

        Raises:
            TypeError: If the coordinates are not integers.
            ValueError: If a cell is outside the shape or the batch.
        """
        grid = cls(torch.empty(0, dtype=torch.int64), shape, batch_size)
        if coordinates.is_floating_point() or coordinates.dtype == torch.bool:
            raise TypeError(f"cells as integers expected, got {_brief(coordinates)}")
        grid._require_inside(coordinates)
        return replace(grid, keys=morton_encode(coordinates).unique())

    @classmethod
    def of_keys(
        cls,
        keys: Int64[Tensor, " n"],
        shape: tuple[int, int, int],
        batch_size: int,
        *,
        space: VoxelSpace | None = None,
        features: Float[Tensor, "n c"] | None = None,
    ) -> "SparseGrid":
        """A grid of keys that come from elsewhere, such as a file.

        Raises:
            TypeError: If the keys are not int64.
            ValueError: If they are not sorted, repeated, or outside the shape or the batch.
        """
        grid = cls(keys, shape, batch_size, space, features)
        wrong = (keys[1:] <= keys[:-1]).nonzero()
        if len(wrong):
            raise ValueError(f"sorted, distinct keys expected, got others from row {wrong[0, 0]}")
        grid._require_inside(grid.coordinates())
        return grid

    def coordinates(self) -> Int64[Tensor, "n 4"]:
        """The cells ``(batch, x, y, z)`` in the order of the keys."""
        return morton_decode(self.keys)

    def centers(self) -> Float[Tensor, "n 3"]:
        """Centres of the cells, metres, in the order of the keys.

        Raises:
            ValueError: If the grid does not say where it is.
        """
        return self.require_space().centers(self.coordinates()[:, 1:])

    def require_space(self) -> VoxelSpace:
        """Where the cells are.

        Raises:
            ValueError: If the grid does not say it.
        """
        if self.space is None:
            raise ValueError("a grid that knows its space expected, but it has none")
        return self.space

    def _require_inside(self, coordinates: Int[Tensor, "n 4"]) -> None:
        limit = torch.tensor((self.batch_size, *self.shape), device=coordinates.device)
        outside = ((coordinates < 0) | (coordinates >= limit)).any(1)
        if bool(outside.any()):
            row = int(outside.nonzero()[0, 0])
            raise ValueError(
                f"cells must lie in {self.batch_size} grid(s) of {self.shape}, got"
                f" {coordinates[row].tolist()} in row {row}"
            )


def _brief(tensor: Tensor) -> str:
    return f"{tensor.dtype} of shape {tuple(tensor.shape)}"
