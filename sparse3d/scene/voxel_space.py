"""Boxes of space cut into cells."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sparse3d.geometry.morton import AXIS_BITS

__all__ = ["VoxelSpace"]

Numbers = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class VoxelSpace:
    """A box of space cut into cells."""

    low: tuple[float, float, float]
    """Corner with the smallest x, y, z, metres."""
    size: tuple[float, float, float]
    """Edges of a cell along x, y, z, metres."""
    shape: tuple[int, int, int]
    """Cells along x, y, z."""

    def __post_init__(self) -> None:
        if not all(map(math.isfinite, self.low)):
            raise ValueError(f"a finite corner expected, got {self.low}")
        _check_edges(self.size)
        if not all(1 <= cells <= 1 << AXIS_BITS for cells in self.shape):
            raise ValueError(f"1 to {1 << AXIS_BITS} cells an axis expected, got {self.shape}")

    @classmethod
    def of_range(cls, low: Numbers, high: Numbers, size: Numbers) -> "VoxelSpace":
        """The fewest cells from ``low`` that reach ``high``.

        Raises:
            ValueError: If an edge is not positive, the range is empty or not finite, or it takes
                more cells than keys hold.
        """
        _check_edges(size)
        if not all(math.isfinite(b - a) and a < b for a, b in zip(low, high, strict=True)):
            raise ValueError(f"low must be below high, both finite, got {low} and {high}")
        # What is a whole number of cells but for rounding gets no further cell.
        needed = [(b - a) / e - 1e-6 for a, b, e in zip(low, high, size, strict=True)]
        if max(needed) > 1 << AXIS_BITS:
            raise ValueError(
                f"cells of {size} from {low} to {high} are more than the {1 << AXIS_BITS} an axis"
                " that keys hold; larger cells or a smaller range expected"
            )
        x, y, z = (max(1, math.ceil(n)) for n in needed)
        return cls(low, size, (x, y, z))

    @property
    def high(self) -> tuple[float, float, float]:
        """Corner with the largest x, y, z, metres."""
        x, y, z = (a + n * e for a, n, e in zip(self.low, self.shape, self.size, strict=True))
        return x, y, z

    def coarser(self, levels: int) -> "VoxelSpace":
        """The same corner with cells 2^levels as long; the last ones may reach beyond."""
        x, y, z = (-(-n >> levels) for n in self.shape)
        a, b, c = (math.ldexp(e, levels) for e in self.size)
        return VoxelSpace(self.low, (a, b, c), (x, y, z))

    def finer(self, levels: int) -> "VoxelSpace":
        """The same box with cells 2^levels as short.

        Raises:
            ValueError: If keys cannot hold them.
        """
        x, y, z = (n << levels for n in self.shape)
        a, b, c = (math.ldexp(e, -levels) for e in self.size)
        return VoxelSpace(self.low, (a, b, c), (x, y, z))

    def centers(self, cells: Int[Tensor, "n 3"]) -> Float[Tensor, "n 3"]:
        """Centres of cells x, y, z, metres."""
        size, low = (torch.tensor(v, device=cells.device) for v in (self.size, self.low))
        return (cells + 0.5) * size + low


def _check_edges(size: Numbers) -> None:
    if not all(math.isfinite(e) and e > 0 for e in size):
        raise ValueError(f"edges of cells must be positive, got {size}")
