"""Rulebooks by binary search in sorted keys."""

from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

import torch
from jaxtyping import Bool, Int32, Int64
from torch import Tensor

from sparse3d.geometry.morton import AXIS_BITS, morton_decode, spread_bits
from sparse3d.ops.neighbours._kernel import AxisRule

__all__ = ["Pairs", "output_keys", "pairs", "reverse"]


Part = tuple[Int32[Tensor, " _"], Int32[Tensor, " _"]]
"""Sources and targets of an offset."""


class Pairs(NamedTuple):
    """Rows of inputs and outputs, offset by offset."""

    sources: Int32[Tensor, " p"]
    targets: Int32[Tensor, " p"]
    counts: tuple[int, ...]


def output_keys(keys: Int64[Tensor, " n"], axes: Sequence[AxisRule]) -> Int64[Tensor, " m"]:
    """Keys of all outputs that read an input."""
    writes = [axis.reversed() for axis in axes]
    return torch.cat([wanted for _, wanted in _cells_paired(keys, writes)]).unique()


def pairs(
    keys: Int64[Tensor, " n"],
    outputs: Int64[Tensor, " m"],
    axes: Sequence[AxisRule],
    *,
    mirrored: bool,
) -> Pairs:
    """All pairs of inputs and outputs, in the order of the outputs.

    Args:
        keys: Inputs.
        outputs: Keys as well.
        axes: Along x, y, z.
        mirrored: Whether outputs are the inputs, and every offset has its opposite: half of them
            are searched.
    """
    parts, searched = [], _cells_paired(outputs, axes)
    for rows, wanted in searched[: len(searched) // 2] if mirrored else searched:
        found = _rows_of(keys, wanted)
        there = (found < len(keys)).nonzero()[:, 0]
        parts.append((found[there].int(), rows[there].int()))
    if mirrored:
        same = torch.arange(len(keys), dtype=torch.int32, device=keys.device)
        parts += [(same, same), *map(_reversed, reversed(parts))]
    return _joined(parts)


def reverse(rules: Pairs, inputs: int) -> Pairs:  # noqa: ARG001  (the other backend needs it)
    """The pairs from targets to sources, each offset in the order of the sources."""
    each = zip(rules.sources.split(rules.counts), rules.targets.split(rules.counts), strict=True)
    return _joined([_reversed(part) for part in each])


def _reversed(part: Part) -> Part:
    """The pairs of an offset, whose sources are distinct."""
    sources, targets = part
    order = sources.argsort()
    return targets[order], sources[order]


def _joined(parts: Sequence[Part]) -> Pairs:
    sources, targets = (torch.cat(each) for each in zip(*parts, strict=True))
    return Pairs(sources, targets, tuple(len(part) for part, _ in parts))


def _cells_paired(
    keys: Int64[Tensor, " n"], axes: Sequence[AxisRule]
) -> list[tuple[Int64[Tensor, " _"], Int64[Tensor, " _"]]]:
    """For every offset the rows of the keys that read a cell, and the keys of these cells."""
    batch, *cells = morton_decode(keys).unbind(1)
    tables = [
        _along(axis, rule, at) for axis, (rule, at) in enumerate(zip(axes, cells, strict=True))
    ]
    high, parts = batch << (3 * AXIS_BITS), []
    for x, y, z in product(*tables):
        rows = (x[0] & y[0] & z[0]).nonzero()[:, 0]
        parts.append((rows, high[rows] | x[1][rows] | y[1][rows] | z[1][rows]))
    return parts


def _along(
    axis: int, rule: AxisRule, outputs: Int64[Tensor, " n"]
) -> list[tuple[Bool[Tensor, " n"], Int64[Tensor, " n"]]]:
    """For every number of the kernel whether there is an input, and its bits of the key."""
    found = []
    for number in range(rule.size):
        place = outputs * rule.output_step + (rule.kernel_step * number + rule.shift)
        inputs = place.div(rule.input_step, rounding_mode="floor")
        reads = (inputs * rule.input_step == place) & (inputs >= 0) & (inputs < rule.inputs)
        found.append((reads, spread_bits(torch.where(reads, inputs, 0)) << (2 - axis)))
    return found


def _rows_of(keys: Int64[Tensor, " n"], wanted: Int64[Tensor, " m"]) -> Int64[Tensor, " m"]:
    """Rows of wanted keys among sorted ones, n where they are not there."""
    if not len(keys):
        return torch.zeros_like(wanted)
    rows = torch.searchsorted(keys, wanted).clamp_max_(len(keys) - 1)
    return torch.where(keys[rows] == wanted, rows, len(keys))
