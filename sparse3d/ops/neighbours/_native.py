"""Rulebooks by the C++ kernels: blocks of 4 x 4 x 4 cells, found by hashing."""

from typing import Any

import torch
from jaxtyping import Int32, Int64
from torch import Tensor

from sparse3d.ops.backend import native_module
from sparse3d.ops.neighbours._torch import Pairs

__all__ = ["REACH", "same_cells", "strided_cells"]

REACH = 4
"""Largest offset along an axis of kernels without stride."""


def same_cells(keys: Int64[Tensor, " n"], offsets: Int64[Tensor, "k 3"]) -> Pairs:
    """All pairs of cells that lie apart by an offset."""
    plan = native_module().SameCells(keys, offsets.tolist())
    return _written(plan)


def strided_cells(
    keys: Int64[Tensor, " n"],
    shape: tuple[int, int, int],
    offsets: Int64[Tensor, "k 3"],
    stride: tuple[int, int, int],
) -> tuple[Int64[Tensor, " m"], Pairs]:
    """All outputs that read an input, see the torch backend."""
    plan = native_module().StridedCells(keys, offsets.tolist(), stride, shape)
    outputs = torch.empty(plan.outputs(), dtype=torch.int64)
    plan.write_keys(outputs)
    return outputs, _written(plan)


def _written(plan: Any) -> Pairs:
    counts = tuple(plan.counts())
    sources, targets = (_rows(sum(counts)) for _ in range(2))
    plan.write(sources, targets)
    return Pairs(sources, targets, counts)


def _rows(count: int) -> Int32[Tensor, " p"]:
    return torch.empty(count, dtype=torch.int32)
