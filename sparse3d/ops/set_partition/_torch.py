"""Set partition by sorting, on any device."""

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from sparse3d.scene.sparse_grid import SparseGrid

__all__ = ["set_partition"]

Triple = tuple[int, int, int]


def set_partition(
    grid: SparseGrid, window: Triple, size: int, shift: Triple, by_y: bool
) -> tuple[Int64[Tensor, "s size"], Bool[Tensor, "s size"], Int64[Tensor, "n 3"]]:
    """Rows of the sets, which of them are padding, and places of the cells in their windows."""
    cells = grid.coordinates()
    edges, moved = (torch.tensor(v, device=cells.device) for v in (window, shift))
    shifted = cells[:, 1:] + moved
    places = shifted % edges
    numbers = _lexicographic(torch.cat([cells[:, :1], shifted // edges], dim=1))
    order = _lexicographic(places[:, [1, 0, 2]] if by_y else places).argsort(stable=True)
    order = order[numbers[order].argsort(stable=True)]
    counts = numbers[order].unique_consecutive(return_counts=True)[1]
    ranks, starts = _deal(counts, size)
    sets = order[starts[:, None] + ranks] if len(order) else ranks
    padding = torch.zeros_like(ranks, dtype=torch.bool)
    padding[:, 1:] = ranks[:, 1:] == ranks[:, :-1]
    return sets, padding, places


def _lexicographic(columns: Int64[Tensor, "n k"]) -> Int64[Tensor, " n"]:
    """Numbers that are ordered as the rows are, column by column."""
    numbers = columns[:, 0]
    for column in columns.unbind(1)[1:]:
        extent = int(column.max()) + 1 if len(column) else 1
        numbers = numbers * extent + column
    return numbers


def _deal(
    counts: Int64[Tensor, " w"], size: int
) -> tuple[Int64[Tensor, "s size"], Int64[Tensor, " s"]]:
    """Ranks in its window of each place of each set, and where the cells of its window begin."""
    sets = (counts + size - 1) // size
    owners = torch.repeat_interleave(sets)
    number = torch.arange(len(owners), device=counts.device) - (sets.cumsum(0) - sets)[owners]
    places = number[:, None] * size + torch.arange(size, device=counts.device)
    ranks = places * counts[owners, None] // (sets[owners, None] * size)
    return ranks, (counts.cumsum(0) - counts)[owners]
