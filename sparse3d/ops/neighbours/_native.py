"""Rulebooks by the C++ kernels: blocks of 4 x 4 x 4 cells, found by hashing."""

from collections.abc import Sequence

import torch
from jaxtyping import Int32, Int64
from torch import Tensor

from sparse3d.ops.backend import native_module
from sparse3d.ops.neighbours._kernel import AxisRule
from sparse3d.ops.neighbours._torch import Pairs

__all__ = ["output_keys", "pairs", "reverse"]


def output_keys(keys: Int64[Tensor, " n"], axes: Sequence[AxisRule]) -> Int64[Tensor, " m"]:
    """Keys of all outputs that read an input."""
    outputs = native_module().ConvOutputs(keys, axes)
    result = torch.empty(len(outputs), dtype=torch.int64)
    outputs.write(result)
    return result


def pairs(
    keys: Int64[Tensor, " n"],
    outputs: Int64[Tensor, " m"],
    axes: Sequence[AxisRule],
    *,
    mirrored: bool,
) -> Pairs:
    """All pairs of inputs and outputs.

    Args:
        keys: Inputs.
        outputs: Keys as well.
        axes: Along x, y, z.
        mirrored: Whether outputs are the inputs, and every offset has its opposite.
    """
    rules = native_module().RuleList(keys, outputs, axes, mirrored)
    counts = tuple(rules.counts())
    sources, targets = _rows(sum(counts)), _rows(sum(counts))
    rules.write(sources, targets)
    return Pairs(sources, targets, counts)


def reverse(rules: Pairs, inputs: int) -> Pairs:
    """The pairs from targets to sources, each offset in the order of the sources."""
    sources, targets = _rows(len(rules.sources)), _rows(len(rules.sources))
    native_module().reverse_rules(*rules, inputs, sources, targets)
    return Pairs(sources, targets, rules.counts)


def _rows(count: int) -> Int32[Tensor, " p"]:
    return torch.empty(count, dtype=torch.int32)
