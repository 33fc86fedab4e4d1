"""The octree by torch: unique keys, and neighbours by binary search."""

from itertools import product
from typing import NamedTuple

import torch
from jaxtyping import Int32, Int64
from torch import Tensor

from sparse3d.geometry.morton import AXIS_BITS, coarser_keys, morton_decode, morton_encode
from sparse3d.ops.grid.keys import find_keys

__all__ = ["Levels", "neighbours", "octree"]

_AROUND = tuple(product((-1, 0, 1), repeat=3))
_CENTER = 13


class Levels(NamedTuple):
    """What backends find."""

    keys: tuple[Int64[Tensor, " _"], ...]
    """Of the levels above the cells."""
    children: tuple[Int64[Tensor, " _"], ...]
    neighbours: tuple[Int32[Tensor, "_ 27"], ...]


def octree(keys: Int64[Tensor, " n"], depth: int, neighbours: bool) -> Levels:
    """Keys, where children begin, and tables of neighbours, see :class:`Octree`.

    Raises:
        ValueError: If keys are not sorted and distinct or lie outside the depth.
    """
    _check(keys, depth)
    levels, children = [keys], []
    for _ in range(depth):
        above, counts = coarser_keys(levels[-1], 1).unique_consecutive(return_counts=True)
        levels.append(above)
        children.append(torch.cat([counts.new_zeros(1), counts.cumsum(0)]))
    tables = [_table(each, depth - level) for level, each in enumerate(levels)]
    return Levels(tuple(levels[1:]), tuple(children), tuple(tables if neighbours else ()))


def neighbours(keys: Int64[Tensor, " n"], depth: int, level: int) -> Int32[Tensor, "m 27"]:
    """The table of one level."""
    _check(keys, depth)
    return _table(coarser_keys(keys, level).unique_consecutive(), depth - level)


def _table(keys: Int64[Tensor, " m"], depth: int) -> Int32[Tensor, "m 27"]:
    """Half of the offsets are searched, the others mirror them."""
    table = torch.full((len(keys), 27), -1, dtype=torch.int32, device=keys.device)
    table[:, _CENTER] = torch.arange(len(keys), dtype=torch.int32, device=keys.device)
    cells = morton_decode(keys)
    for column, offset in enumerate(_AROUND[:_CENTER]):
        beside = cells + torch.tensor((0, *offset), device=keys.device)
        inside = ((beside >= 0) & (beside < 1 << depth))[:, 1:].all(1).nonzero()[:, 0]
        found = find_keys(keys, morton_encode(beside[inside]))
        there = (found >= 0).nonzero()[:, 0]
        rows, others = inside[there], found[there]
        table[rows, column] = others.int()
        table[others, 26 - column] = rows.int()
    return table


def _check(keys: Int64[Tensor, " n"], depth: int) -> None:
    outside = keys & ((1 << 3 * AXIS_BITS) - (1 << 3 * depth))
    if bool((outside != 0).any() | (keys < 0).any() | (keys[1:] <= keys[:-1]).any()):
        raise ValueError("keys must be sorted, distinct, not negative and of the depth")
