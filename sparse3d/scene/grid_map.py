"""A map that sweeps are merged into: cells, how much was seen of them, and when."""

from dataclasses import dataclass

from jaxtyping import Float64, Int64
from torch import Tensor

from sparse3d.scene.sparse_grid import SparseGrid

__all__ = ["GridMap"]


@dataclass(frozen=True, slots=True)
class GridMap:
    """Cells with a history."""

    grid: SparseGrid
    """The cells; features are means over all that was seen, or the latest."""
    counts: Int64[Tensor, " n"]
    """Points that were seen in each cell, at least 1."""
    times: Float64[Tensor, " n"]
    """When each cell was seen last, seconds."""

    def __post_init__(self) -> None:
        if not len(self.grid) == len(self.counts) == len(self.times):
            raise ValueError(
                f"a count and a time for each of {len(self.grid)} cells expected, got"
                f" {len(self.counts)} and {len(self.times)}"
            )

    def __len__(self) -> int:
        return len(self.grid)
