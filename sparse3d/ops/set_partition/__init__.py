"""Windows of cells, and sets of equal size in them, for attention."""

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from sparse3d.geometry.morton import AXIS_BITS
from sparse3d.ops.backend import FastBackend, choose_backend
from sparse3d.ops.set_partition import _native, _torch
from sparse3d.scene.sparse_grid import SparseGrid

__all__ = ["Order", "SetPartition", "set_partition"]

Order = Literal["x", "y"]
Triple = tuple[int, int, int]

_BACKENDS = {"torch": _torch.set_partition, "native": _native.set_partition}


@dataclass(frozen=True, slots=True)
class SetPartition:
    """Sets of cells, none of which reaches beyond its window."""

    sets: Int64[Tensor, "s size"]
    """Rows of the cells of each set, in the order in which they were cut; some are repeated."""
    padding: Bool[Tensor, "s size"]
    """Where a row repeats the one before it; without these, each cell is in exactly one set."""
    places: Int64[Tensor, "n 3"]
    """x, y, z of each cell in its window."""

    def slots(self) -> Int64[Tensor, " n"]:
        """Of each cell, its place among all places of all sets that are not padding."""
        places = (~self.padding).flatten().nonzero()[:, 0]
        rows = self.sets.flatten()[places]
        return torch.empty_like(rows).index_copy(0, rows, places)


def set_partition(
    grid: SparseGrid,
    window: Triple,
    size: int,
    *,
    shift: Triple = (0, 0, 0),
    order: Order = "x",
    backend: FastBackend = "auto",
) -> SetPartition:
    """Cut the cells of each window into the fewest sets of at most ``size``.

    Cells of a window are sorted along an axis and dealt out evenly: of ``n`` cells in ``m`` sets,
    place ``k`` of set ``j`` holds that of rank ``floor((j size + k) n / (m size))``. So the sizes
    of a window's sets differ by at most one, and what is missing to ``size`` repeats its
    neighbours (Wang et al. 2023, "DSVT: Dynamic Sparse Voxel Transformer with Rotated Sets",
    section 3.2).

    Args:
        grid: The cells.
        window: Cells of a window along x, y, z.
        size: Places of a set.
        shift: How many cells the windows are moved towards lower x, y, z; less than a window. With
            one window along an axis DSVT shifts by nothing.
        order: ``x`` sorts by x, y, z, ``y`` by y, x, z.
        backend: ``auto`` takes the C++ kernels on the CPU where they were built, else torch.

    Returns:
        The sets, window by window in the order of batch, x, y, z.

    Raises:
        ValueError: If a window, the size or the shift is out of range, the order unknown, or
            ``native`` is asked for on another device than the CPU.
        MissingDependencyError: If ``native`` is asked for and was not built.

    Example:
        >>> cells = torch.tensor([[0, 0, 0, 0], [0, 0, 1, 0], [0, 1, 0, 0], [0, 2, 0, 0]])
        >>> grid = SparseGrid.of_coordinates(cells, (4, 4, 1), 1)
        >>> set_partition(grid, (2, 2, 1), 2).sets.tolist()
        [[0, 0], [1, 2], [3, 3]]
    """
    if not all(1 <= edge <= 1 << AXIS_BITS for edge in window):
        raise ValueError(f"a window of 1 to {1 << AXIS_BITS} cells an axis expected, got {window}")
    if size < 1:
        raise ValueError(f"sets of at least 1 place expected, got {size}")
    if not all(0 <= step < edge for step, edge in zip(shift, window, strict=True)):
        raise ValueError(f"a shift of less than a window {window} expected, got {shift}")
    if order not in get_args(Order):
        raise ValueError(f"order 'x' or 'y' expected, got {order!r}")
    chosen = choose_backend(backend, grid.keys.device)
    return SetPartition(*_BACKENDS[chosen](grid, window, size, shift, order == "y"))
