"""Rulebooks by binary search in sorted keys."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Int64
from torch import Tensor

from sparse3d.geometry.morton import morton_decode, morton_encode

__all__ = ["Pairs", "same_cells", "strided_cells"]


class Pairs(NamedTuple):
    """Rows of inputs and outputs, offset by offset."""

    sources: Int64[Tensor, " p"]
    targets: Int64[Tensor, " p"]
    counts: tuple[int, ...]


def same_cells(
    keys: Int64[Tensor, " n"], shape: tuple[int, int, int], offsets: Int64[Tensor, "k 3"]
) -> Pairs:
    """All pairs of cells that lie apart by an offset.

    Offsets come in an order in which that of -offset is the mirrored one: half are searched.
    """
    half, cells = len(offsets) // 2, morton_decode(keys)
    rows = torch.arange(len(keys), device=keys.device)
    before = []
    for offset in offsets[:half]:
        found = _rows_of(keys, shape, _moved(cells, offset))
        there = (found < len(keys)).nonzero()[:, 0]
        before.append((found[there], there))
    after = [(target, source) for source, target in reversed(before)]
    return _joined([*before, (rows, rows), *after])


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
    cells = morton_decode(keys)
    step, limit = (torch.tensor(v, device=keys.device) for v in (stride, shape))
    parts = []
    for offset in offsets:
        touched = cells[:, 1:] - offset  # o * stride
        outputs = touched.div(step, rounding_mode="floor")
        reads = ((outputs * step == touched) & (outputs >= 0) & (outputs < limit)).all(1)
        rows = reads.nonzero()[:, 0]
        found = torch.cat([cells[rows, :1], outputs[rows]], dim=1)
        parts.append((rows, morton_encode(found)))
    pairs = _joined(parts)
    unique, owners = pairs.targets.unique(return_inverse=True)
    return unique, pairs._replace(targets=owners)


def _joined(parts: Sequence[tuple[Int64[Tensor, " _"], Int64[Tensor, " _"]]]) -> Pairs:
    sources, targets = zip(*parts, strict=True)
    return Pairs(torch.cat(sources), torch.cat(targets), tuple(map(len, sources)))


def _moved(cells: Int64[Tensor, "n 4"], offset: Int64[Tensor, " 3"]) -> Int64[Tensor, "n 4"]:
    return cells + torch.nn.functional.pad(offset, (1, 0))


def _rows_of(
    keys: Int64[Tensor, " n"], shape: tuple[int, int, int], cells: Int64[Tensor, "m 4"]
) -> Int64[Tensor, " m"]:
    """Rows of cells among sorted keys, n where they are not there."""
    if not len(keys):
        return torch.zeros_like(cells[:, 0])
    limit = torch.tensor(shape, device=keys.device)
    inside = ((cells[:, 1:] >= 0) & (cells[:, 1:] < limit)).all(1)
    wanted = morton_encode(torch.where(inside[:, None], cells, 0))
    rows = torch.searchsorted(keys, wanted).clamp_max(len(keys) - 1)
    return torch.where(inside & (keys[rows] == wanted), rows, len(keys))
