"""Morton keys: cells of a grid as one sortable number.

The bits of x, y and z take turns, x the highest, so that a level of the octree is a shift of the
key by three bits (Morton 1966). The batch number stands in the bits above.
"""

import torch
from jaxtyping import Int, Int64
from torch import Tensor

__all__ = [
    "AXIS_BITS",
    "BATCH_BITS",
    "coarser_keys",
    "finer_keys",
    "morton_decode",
    "morton_encode",
    "spread_bits",
]

AXIS_BITS = 16
"""Coordinates lie in [0, 2^16)."""
BATCH_BITS = 14
"""Batch numbers lie in [0, 2^14), so that keys are never negative."""

_CELL = (1 << 3 * AXIS_BITS) - 1
"""The bits of x, y and z."""

_SPREAD = (
    (16, 0x0000FF0000FF),
    (8, 0x00F00F00F00F),
    (4, 0x0C30C30C30C3),
    (2, 0x249249249249),
)


def morton_encode(coordinates: Int[Tensor, "*n 4"]) -> Int64[Tensor, "*n"]:
    """Keys of cells ``(batch, x, y, z)``; sorting them sorts by batch first.

    Coordinates must lie in the ranges of :data:`AXIS_BITS` and :data:`BATCH_BITS`; this is not
    checked here.

    >>> morton_encode(torch.tensor([[0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])).tolist()
    [4, 2, 1]
    """
    batch, x, y, z = coordinates.long().unbind(-1)
    cell = spread_bits(x) << 2 | spread_bits(y) << 1 | spread_bits(z)
    return batch << (3 * AXIS_BITS) | cell


def morton_decode(keys: Int64[Tensor, "*n"]) -> Int64[Tensor, "*n 4"]:
    """Cells ``(batch, x, y, z)`` of keys."""
    axes = [_gather(keys >> shift) for shift in (2, 1, 0)]
    return torch.stack([keys >> (3 * AXIS_BITS), *axes], dim=-1)


def coarser_keys(keys: Int64[Tensor, "*n"], levels: int) -> Int64[Tensor, "*n"]:
    """Keys of the cells, 2^levels as long, that hold the given ones; sorted keys stay sorted."""
    return keys & ~_CELL | (keys & _CELL) >> 3 * levels


def finer_keys(keys: Int64[Tensor, "*n"], levels: int) -> Int64[Tensor, "*n"]:
    """Keys of the first of the 8^levels cells, 2^levels as short, in each of the given ones.

    The others follow it without a gap. Coordinates must leave room for the shift; this is not
    checked here.
    """
    return keys & ~_CELL | (keys & _CELL) << 3 * levels


def spread_bits(values: Int64[Tensor, "*n"]) -> Int64[Tensor, "*n"]:
    """Two zero bits after each of 16 bits."""
    for shift, mask in _SPREAD:
        values = (values | values << shift) & mask
    return values


def _gather(values: Int64[Tensor, "*n"]) -> Int64[Tensor, "*n"]:
    """Every third of 48 bits, closed up."""
    values = values & _SPREAD[-1][1]
    for (shift, _), (_, mask) in zip(reversed(_SPREAD), reversed(_MASKS), strict=True):
        values = (values | values >> shift) & mask
    return values


_MASKS = ((0, 0xFFFF), *_SPREAD[:-1])
