"""The occupancy of grids as bytes.

The layout, numbers little-endian:

================  ================================================================================
``S3DGRID1``      eight bytes
shape             three uint32: cells along x, y, z
batch             uint32: number of grids
space             one byte, 1 where it is known: then six float64, the low corner and the edges
roots             a bit an element of the batch, the first the lowest of its byte: 1 where it has a
                  cell; the bits after the last are 0
masks             breadth first from the roots to the parents of the cells, in each level in the
                  order of keys: one byte a node, bit ``4 x + 2 y + z`` says whether there is a
                  child (x, y, z)
================  ================================================================================

A byte is a subtree of two levels, a node with its children (see
:class:`~sparse3d.ops.grid.tokens.Subtrees`); there are none for the cells themselves, and a level
has as many bytes as the level above has bits that are 1, so that no length is stored. A cell takes
0.35 bytes on a dense surface and 1.1 in a KITTI sweep (5 x 5 x 10 cm), where a key takes eight.
Features are not part of it.
"""

import struct
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from sparse3d.ops.grid.levels import depth_of
from sparse3d.ops.grid.tokens import child_masks, grid_of_masks
from sparse3d.scene.sparse_grid import SparseGrid
from sparse3d.scene.voxel_space import VoxelSpace

__all__ = ["grid_from_bytes", "grid_to_bytes"]

_MAGIC = b"S3DGRID1"
_HEAD = struct.Struct("<8s4IB")
_SPACE = struct.Struct("<6d")


def grid_to_bytes(grid: SparseGrid) -> bytes:
    """The cells and where they are, without their features; the module tells the layout."""
    space = grid.space
    head = _HEAD.pack(_MAGIC, *grid.shape, grid.batch_size, space is not None)
    if space is not None:
        head += _SPACE.pack(*space.low, *space.size)
    present = np.zeros(grid.batch_size, np.uint8)
    present[grid.coordinates()[:, 0].unique().cpu().numpy()] = 1
    roots = np.packbits(present, bitorder="little").tobytes()
    return head + roots + b"".join(each.cpu().numpy().tobytes() for each in child_masks(grid))


def grid_from_bytes(data: bytes) -> SparseGrid:
    """The grid of :func:`grid_to_bytes`.

    Raises:
        ValueError: If the bytes are cut, go on after the end, or are not those of a grid.
    """
    reader = _Reader(data)
    magic, x, y, z, batch_size, has_space = _HEAD.unpack(reader.take(_HEAD.size, "the head"))
    if magic != _MAGIC or has_space > 1:
        raise ValueError(f"bytes of a grid expected, got {magic!r}")
    empty = SparseGrid(torch.zeros(0, dtype=torch.int64), (x, y, z), batch_size)
    space = None
    if has_space:
        a, b, c, d, e, f = _SPACE.unpack(reader.take(_SPACE.size, "the space"))
        space = VoxelSpace((a, b, c), (d, e, f), empty.shape)
    roots = _roots(reader.take((batch_size + 7) // 8, "the roots"), batch_size)
    masks, count = [], len(roots)
    for level in range(depth_of(empty), 0, -1):
        found = np.frombuffer(reader.take(count, f"the masks of level {level}"), np.uint8)
        masks.append(torch.from_numpy(found.copy()))
        count = int(np.unpackbits(found).sum())
    reader.end()
    return replace(grid_of_masks(masks, empty.shape, roots, batch_size), space=space)


def _roots(data: bytes, batch_size: int) -> Int64[Tensor, " r"]:
    bits = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")
    if bits[batch_size:].any():
        raise ValueError(f"roots of {batch_size} grids expected, got more")
    return torch.from_numpy(bits.nonzero()[0]).long()


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def take(self, count: int, what: str) -> bytes:
        part = self._data[self._at : self._at + count]
        if len(part) < count:
            raise ValueError(f"{count} bytes of {what} expected, got {len(part)}")
        self._at += count
        return part

    def end(self) -> None:
        if self._at < len(self._data):
            raise ValueError(f"{self._at} bytes expected, got {len(self._data)}")
