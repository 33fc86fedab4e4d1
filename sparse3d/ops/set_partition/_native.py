"""Set partition by the C++ kernels: one sort on all threads."""

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from sparse3d.ops.backend import native_module
from sparse3d.scene.sparse_grid import SparseGrid

__all__ = ["set_partition"]

Triple = tuple[int, int, int]


def set_partition(
    grid: SparseGrid, window: Triple, size: int, shift: Triple, by_y: bool
) -> tuple[Int64[Tensor, "s size"], Bool[Tensor, "s size"], Int64[Tensor, "n 3"]]:
    """See the torch backend."""
    places = torch.empty(len(grid), 3, dtype=torch.int64)
    keys = grid.keys.contiguous()
    found = native_module().SetList(
        keys, grid.shape, grid.batch_size, window, shift, size, by_y, places
    )
    sets = torch.empty(len(found), size, dtype=torch.int64)
    padding = torch.empty(sets.shape, dtype=torch.bool)
    found.write(sets, padding.view(torch.uint8))
    return sets, padding, places
