"""Walking down the octree: all nodes of a level that a question is still open for, at once."""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from sparse3d.geometry.morton import AXIS_BITS, morton_decode
from sparse3d.ops.grid.levels import depth_of
from sparse3d.scene.sparse_grid import SparseGrid
from sparse3d.scene.sparse_octree import SparseOctree

__all__ = ["Leaves", "Nodes", "depth_of_leaves", "expand", "leaf_boxes", "node_boxes", "roots"]

Leaves = SparseGrid | SparseOctree
"""What can be walked down; the leaves of a grid are its cells."""


class Nodes(NamedTuple):
    """Nodes of one level, each asked for by somebody, with the leaves below them."""

    owners: Int64[Tensor, " k"]
    """Who asks, such as the number of a ray."""
    keys: Int64[Tensor, " k"]
    """Of the first of the smallest cells in each node."""
    begins: Int64[Tensor, " k"]
    """First row of the leaves in each node."""
    ends: Int64[Tensor, " k"]
    """Row after the last; above the first."""

    def pick(self, which: Bool[Tensor, " k"]) -> "Nodes":
        """The nodes where a mask is true."""
        return Nodes(*(column[which] for column in self))


def roots(leaves: Leaves, batch: Int64[Tensor, " k"]) -> Nodes:
    """The root of the octree that each owner asks for; empty ones are left out."""
    keys = batch << 3 * AXIS_BITS
    begins = torch.searchsorted(leaves.keys, keys)
    ends = torch.searchsorted(leaves.keys, keys + (1 << 3 * AXIS_BITS))
    owners = torch.arange(len(batch), device=batch.device)
    return Nodes(owners, keys, begins, ends).pick(begins < ends)


def expand(leaves: Leaves, nodes: Nodes, level: int) -> Nodes:
    """The children, on ``level``, of nodes one level above that hold a leaf."""
    steps = torch.arange(9, device=nodes.keys.device) << 3 * level
    keys = nodes.keys[:, None] + steps
    bounds = torch.searchsorted(leaves.keys, keys)
    there, octant = (bounds[:, 1:] > bounds[:, :-1]).nonzero(as_tuple=True)
    begins, ends = bounds[there, octant], bounds[there, octant + 1]
    return Nodes(nodes.owners[there], keys[there, octant], begins, ends)


def depth_of_leaves(leaves: Leaves) -> int:
    """Level of the roots: one holds all leaves of a batch element, those that reach beyond too."""
    depth = depth_of(leaves)
    if isinstance(leaves, SparseOctree) and len(leaves):
        depth = max(depth, int(leaves.levels.max()))
    return depth


def node_boxes(nodes: Nodes, level: int) -> tuple[Int64[Tensor, "k 3"], Int64[Tensor, "k 3"]]:
    """Corners of nodes of a level, in smallest cells."""
    low = morton_decode(nodes.keys)[:, 1:]
    return low, low + (1 << level)


def leaf_boxes(
    leaves: Leaves, rows: Int64[Tensor, " k"]
) -> tuple[Int64[Tensor, "k 3"], Int64[Tensor, "k 3"]]:
    """Corners of leaves, in smallest cells."""
    low = morton_decode(leaves.keys[rows])[:, 1:]
    if isinstance(leaves, SparseGrid):
        return low, low + 1
    return low, low + (torch.ones_like(rows) << leaves.levels[rows])[:, None]
