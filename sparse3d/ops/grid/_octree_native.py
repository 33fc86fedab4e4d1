"""The octree by the C++ kernels: neighbours from those of the parents, all threads."""

from typing import Any

import torch
from jaxtyping import Int32, Int64
from torch import Tensor

from sparse3d.ops.backend import native_module
from sparse3d.ops.grid._octree_torch import Levels

__all__ = ["neighbours", "octree"]


def octree(keys: Int64[Tensor, " n"], depth: int, neighbours: bool) -> Levels:
    """See the torch backend."""
    plan = native_module().OctreeLevels(keys.contiguous(), depth)
    sizes = [plan.size(level) for level in range(depth + 1)]
    above = [torch.empty(n, dtype=torch.int64) for n in sizes[1:]]
    children = [torch.empty(n + 1, dtype=torch.int64) for n in sizes[1:]]
    for level in range(1, depth + 1):
        plan.write_keys(level, above[level - 1])
        plan.write_children(level, children[level - 1])
    tables = _tables(plan, depth, 0) if neighbours else []
    return Levels(tuple(above), tuple(children), tuple(tables))


def neighbours(keys: Int64[Tensor, " n"], depth: int, level: int) -> Int32[Tensor, "m 27"]:
    """The table of one level, by way of those above."""
    plan = native_module().OctreeLevels(keys.contiguous(), depth)
    return _tables(plan, depth, level)[0]


def _tables(plan: Any, depth: int, lowest: int) -> list[Int32[Tensor, "_ 27"]]:
    """Of the levels from the lowest to the top, made from the top down."""
    tables: list[Int32[Tensor, "_ 27"]] = []
    for level in range(depth, lowest - 1, -1):
        table = torch.empty(plan.size(level), 27, dtype=torch.int32)
        plan.write_neighbours(level, tables[0] if tables else None, table)
        tables.insert(0, table)
    return tables
