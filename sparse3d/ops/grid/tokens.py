"""Octrees as sequences of tokens, coarse to fine, and back."""

from dataclasses import dataclass

import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from sparse3d.geometry.morton import AXIS_BITS, finer_keys
from sparse3d.ops.grid.checks import check_batch
from sparse3d.ops.grid.levels import depth_of, parents
from sparse3d.scene.sparse_grid import SparseGrid

__all__ = [
    "Subtrees",
    "child_masks",
    "grid_of_masks",
    "grid_of_splits",
    "grid_of_subtrees",
    "split_tokens",
    "subtree_tokens",
]

_BITS = tuple(range(8))


@dataclass(frozen=True, slots=True)
class Subtrees:
    """One token for each node that is not a cell, breadth first.

    A token stands for a subtree of two levels, a node and which of its eight children there are:
    256 states in place of eight tokens of two (Lu et al. 2025, "Uni-3DAR", two-level subtree
    compression). That a node is there tells that it has a child, so that there are 255.
    """

    tokens: Int64[Tensor, " t"]
    """The mask of children less 1: 0 to 254. Child (x, y, z) of 0 or 1 is bit ``4 x + 2 y + z``."""
    levels: Int64[Tensor, " t"]
    """Level of the node, from the depth of the grid down to 1."""
    cells: Int64[Tensor, "t 4"]
    """The node, ``(batch, x, y, z)`` in nodes of its level: what a position encoding takes. Known
    before the token is, from those of the level above."""


def child_masks(grid: SparseGrid) -> list[UInt8[Tensor, " _"]]:
    """Which of their eight children nodes have, from the roots down to the parents of the cells.

    Child (x, y, z) of 0 or 1 is bit ``4 x + 2 y + z``, so that bits come in the order of keys.
    Nodes of a level come in the order of their keys; each list has as many as the masks of the one
    before have bits. A root is there for each element of the batch that has a cell.
    """
    masks, keys = [], grid.keys
    for _ in range(depth_of(grid)):
        above = parents(SparseGrid(keys, grid.shape, grid.batch_size))
        bits = torch.ones_like(keys) << (keys & 7)
        sums = torch.zeros_like(above.grid.keys).index_add(0, above.rows, bits)
        masks.insert(0, sums.to(torch.uint8))
        keys = above.grid.keys
    return masks


def grid_of_masks(
    masks: list[UInt8[Tensor, " _"]],
    shape: tuple[int, int, int],
    roots: Int64[Tensor, " r"],
    batch_size: int,
) -> SparseGrid:
    """The grid that :func:`child_masks` describes.

    Args:
        masks: From the roots down.
        shape: Cells along x, y, z.
        roots: Numbers of the elements of the batch that have a root, increasing.
        batch_size: Number of grids.

    Raises:
        ValueError: If a root is out of range, there are not as many levels as the shape has or not
            as many masks as nodes, a mask is zero, or a cell lies outside the shape.
    """
    empty = SparseGrid(roots.new_zeros(0), shape, batch_size)
    if len(masks) != depth_of(empty):
        raise ValueError(f"masks of {depth_of(empty)} levels expected, got {len(masks)}")
    check_batch(roots, len(roots), batch_size, roots.device)
    keys = roots << 3 * AXIS_BITS
    for level, each in enumerate(masks):
        if len(each) != len(keys) or not bool((each > 0).all()):
            raise ValueError(
                f"{len(keys)} masks other than zero expected at step {level}, got {len(each)}"
            )
        keys = _children(keys, each)
    return SparseGrid.of_keys(keys, shape, batch_size)


def subtree_tokens(grid: SparseGrid) -> Subtrees:
    """The grid as tokens of subtrees of two levels, see :class:`Subtrees`."""
    masks = child_masks(grid)
    depth = len(masks)
    cells = [parents(grid, depth - step).grid.coordinates() for step in range(depth)]
    levels = [torch.full((len(each),), depth - i) for i, each in enumerate(masks)]
    device = grid.keys.device
    none = torch.zeros(0, dtype=torch.int64, device=device)
    return Subtrees(
        torch.cat([none, *(each.long() - 1 for each in masks)]),
        torch.cat([none, *(each.to(device) for each in levels)]),
        torch.cat([grid.coordinates()[:0], *cells]),
    )


def grid_of_subtrees(
    tokens: Int64[Tensor, " t"],
    shape: tuple[int, int, int],
    roots: Int64[Tensor, " r"],
    batch_size: int,
) -> SparseGrid:
    """The grid of the tokens of :class:`Subtrees`; levels and cells follow from them.

    Raises:
        ValueError: If a token is not 0 to 254, there are too few or too many, or a cell lies
            outside the shape.
    """
    if not bool(((tokens >= 0) & (tokens < 255)).all()):
        raise ValueError("tokens from 0 to 254 expected")
    depth = depth_of(SparseGrid(roots.new_zeros(0), shape, batch_size))
    masks, count, at = [], len(roots), 0
    for _ in range(depth):
        masks.append((tokens[at : at + count] + 1).to(torch.uint8))
        at += count
        count = int(_bits(masks[-1]).sum())
    if at != len(tokens):
        raise ValueError(f"{at} tokens expected, got {len(tokens)}")
    return grid_of_masks(masks, shape, roots, batch_size)


def split_tokens(grid: SparseGrid) -> list[Int64[Tensor, " _"]]:
    """One token of 0 or 1 for each child of a node that is split: whether the child is there.

    The sequence of OctGPT (Wei et al. 2025): levels from coarse to fine, in each the nodes in the
    order of their keys. A level has eight tokens for each 1 of the level before; the first has
    eight for each root.
    """
    return [_bits(each).flatten() for each in child_masks(grid)]


def grid_of_splits(
    tokens: list[Int64[Tensor, " _"]],
    shape: tuple[int, int, int],
    roots: Int64[Tensor, " r"],
    batch_size: int,
) -> SparseGrid:
    """The grid of :func:`split_tokens`.

    Raises:
        ValueError: If a token is not 0 or 1, their number does not fit, a node has no child, or a
            cell lies outside the shape.
    """
    masks = []
    for each in tokens:
        if len(each) % 8 or not bool(((each == 0) | (each == 1)).all()):
            raise ValueError("eight tokens of 0 or 1 for each node expected")
        weights = torch.tensor([1 << bit for bit in _BITS], device=each.device)
        masks.append((each.reshape(-1, 8) * weights).sum(1).to(torch.uint8))
    return grid_of_masks(masks, shape, roots, batch_size)


def _bits(masks: UInt8[Tensor, " m"]) -> Int64[Tensor, "m 8"]:
    return masks.long()[:, None] >> torch.tensor(_BITS, device=masks.device) & 1


def _children(keys: Int64[Tensor, " m"], masks: UInt8[Tensor, " m"]) -> Int64[Tensor, " c"]:
    """Keys of the children that masks tell of, in order."""
    node, octant = _bits(masks).nonzero(as_tuple=True)
    return finer_keys(keys, 1)[node] + octant
