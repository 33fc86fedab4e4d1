"""Rulebooks by binary search in sorted keys."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Int, Int32, Int64
from torch import Tensor

from sparse3d.geometry.morton import AXIS_BITS, morton_decode, spread_bits

__all__ = ["Pairs", "in_order_of_targets", "same_cells", "strided_cells"]

_CELL = (1 << 3 * AXIS_BITS) - 1
_EVERY_THIRD = 0x249249249249


class Pairs(NamedTuple):
    """Rows of inputs and outputs, offset by offset."""

    sources: Int32[Tensor, " p"]
    targets: Int32[Tensor, " p"]
    counts: tuple[int, ...]


def in_order_of_targets(pairs: Pairs) -> Pairs:
    """The pairs of each offset sorted by their targets, which are distinct."""
    parts = []
    for sources, targets in zip(
        pairs.sources.split(pairs.counts), pairs.targets.split(pairs.counts), strict=True
    ):
        order = targets.argsort()
        parts.append((sources[order], targets[order]))
    return _joined(parts)


def same_cells(keys: Int64[Tensor, " n"], offsets: Int64[Tensor, "k 3"]) -> Pairs:
    """All pairs of cells that lie apart by an offset.

    Offsets come in an order in which that of -offset is the mirrored one: half are searched.
    """
    half, rows = len(offsets) // 2, torch.arange(len(keys), device=keys.device)
    moved = _Moved(keys)
    before = []
    for offset in offsets[:half].tolist():
        found = _rows_of(keys, moved.by(offset))
        there = (found < len(keys)).nonzero()[:, 0]
        before.append((found[there], there))
    after = [(target, source) for source, target in reversed(before)]
    return in_order_of_targets(_joined([*before, (rows, rows), *after]))


def strided_cells(
    keys: Int64[Tensor, " n"],
    shape: tuple[int, int, int],
    offsets: Int64[Tensor, "k 3"],
    stride: tuple[int, int, int],
) -> tuple[Int64[Tensor, " m"], Pairs]:
    """All outputs that read an input: an output o reads ``o * stride + offset``.

    Args:
        keys: Inputs.
        shape: Of the output.
        offsets: Of the kernel.
        stride: Along x, y, z.

    Returns:
        Keys of the outputs, and the pairs.
    """
    batch, *cells = morton_decode(keys).unbind(1)
    axes = [_Outputs(*each) for each in zip(cells, shape, stride, (2, 1, 0), strict=True)]
    high = batch << (3 * AXIS_BITS)
    parts = []
    for x, y, z in offsets.tolist():
        reads, place = (list(each) for each in zip(*map(_Outputs.at, axes, (x, y, z)), strict=True))
        rows = (reads[0] & reads[1] & reads[2]).nonzero()[:, 0]
        parts.append((rows, high[rows] | place[0][rows] | place[1][rows] | place[2][rows]))
    rows, wanted = (torch.cat(each) for each in zip(*parts, strict=True))
    unique, owners = wanted.unique(return_inverse=True)
    counts = tuple(len(part) for part, _ in parts)
    return unique, in_order_of_targets(Pairs(rows.int(), owners.int(), counts))


class _Moved:
    """Keys of cells beside given ones, by sums within the bits of an axis.

    Carries run through the bits of the other axes, which are filled with ones for that. What leaves
    the space of the keys at one side comes back at the other.
    """

    def __init__(self, keys: Int64[Tensor, " n"]) -> None:
        self._keys = keys
        self._axes: dict[tuple[int, int], Int64[Tensor, " n"]] = {}

    def by(self, offset: list[int]) -> Int64[Tensor, " n"]:
        """Keys of the cells that lie apart by an offset x, y, z."""
        parts = [self._axis(axis, step) for axis, step in enumerate(offset)]
        return self._keys & ~_CELL | parts[0] | parts[1] | parts[2]

    def _axis(self, axis: int, step: int) -> Int64[Tensor, " n"]:
        if (axis, step) not in self._axes:
            mask = _EVERY_THIRD << (2 - axis)
            raised = (self._keys & _CELL | _CELL & ~mask) + (_spread_number(step) << (2 - axis))
            self._axes[axis, step] = raised & mask
        return self._axes[axis, step]


class _Outputs:
    """Along one axis: which inputs are read at an offset, and the bits of the outputs' keys."""

    def __init__(self, cells: Int64[Tensor, " n"], count: int, stride: int, shift: int) -> None:
        self._cells, self._count, self._stride, self._shift = cells, count, stride, shift
        self._known: dict[int, tuple[Bool[Tensor, " n"], Int64[Tensor, " n"]]] = {}

    def at(self, offset: int) -> tuple[Bool[Tensor, " n"], Int64[Tensor, " n"]]:
        """Whether there is an output, and its bits."""
        if offset not in self._known:
            touched = self._cells - offset  # o * stride
            outputs = touched.div(self._stride, rounding_mode="floor")
            reads = (outputs * self._stride == touched) & (outputs >= 0) & (outputs < self._count)
            self._known[offset] = reads, spread_bits(torch.where(reads, outputs, 0)) << self._shift
        return self._known[offset]


def _joined(parts: Sequence[tuple[Int[Tensor, " _"], Int[Tensor, " _"]]]) -> Pairs:
    sources, targets = zip(*parts, strict=True)
    return Pairs(torch.cat(sources).int(), torch.cat(targets).int(), tuple(map(len, sources)))


def _spread_number(step: int) -> int:
    """A number, negative ones as two's complement of 16 bits, with two zeros after each bit."""
    return sum((step >> bit & 1) << 3 * bit for bit in range(AXIS_BITS))


def _rows_of(keys: Int64[Tensor, " n"], wanted: Int64[Tensor, " m"]) -> Int64[Tensor, " m"]:
    """Rows of wanted keys among sorted ones, n where they are not there."""
    if not len(keys):
        return torch.zeros_like(wanted)
    rows = torch.searchsorted(keys, wanted).clamp_max_(len(keys) - 1)
    return torch.where(keys[rows] == wanted, rows, len(keys))
