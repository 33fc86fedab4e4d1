"""Convolutions between the levels of an octree, after O-CNN.

Wang et al. 2017, "O-CNN: Octree-based Convolutional Neural Networks for 3D Shape Analysis". A level
is a sparse grid whose shape is a power of two; the level above holds the parents of its nodes. Only
nodes that hold something are kept, as in ocnn with ``nempty=True``: ocnn can also keep the empty
ones among eight siblings, these layers cannot.
"""

from torch import nn

from sparse3d.nn.sparse import SparseTensor
from sparse3d.nn.sparse_conv import SparseConv3d, SparseInverseConv3d, SubMConv3d
from sparse3d.ops.neighbours import Kernel
from sparse3d.scene.sparse_grid import SparseGrid

__all__ = ["CHILDREN", "OctreeConv", "OctreeDeconv", "as_octree"]

CHILDREN = Kernel((2, 2, 2), (2, 2, 2), padding=(0, 0, 0))
"""Of a node's eight children; they come in the order of their keys."""

Triple = tuple[int, int, int]


def as_octree(tensor: SparseTensor) -> SparseTensor:
    """The same features in the smallest cube with a power of two cells along an edge."""
    edge = 1 << (max(tensor.grid.shape) - 1).bit_length()
    cube = SparseGrid(tensor.grid.keys, (edge, edge, edge), tensor.grid.batch_size)
    return SparseTensor(cube, tensor.features)


class OctreeConv(nn.Module):
    """Convolution of the nodes of a level, or of all children of each node of the level above.

    Args:
        inputs: Channels in.
        outputs: Channels out.
        size: Of the kernel along x, y, z, odd; children are always all eight.
        stride: 1 stays on the level, 2 goes to the one above.
        bias: Whether to add one.

    Raises:
        ValueError: If the stride is neither 1 nor 2.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        size: Triple = (3, 3, 3),
        stride: int = 1,
        *,
        bias: bool = False,
    ) -> None:
        super().__init__()
        if stride not in (1, 2):
            raise ValueError(f"a stride of 1 or 2 expected, got {stride}")
        self.conv = (
            SubMConv3d(inputs, outputs, Kernel(size), bias=bias)
            if stride == 1
            else SparseConv3d(inputs, outputs, CHILDREN, bias=bias)
        )

    def forward(self, level: SparseTensor) -> SparseTensor:
        """Convolve.

        Raises:
            ValueError: If there is no level above, see :func:`as_octree`.
        """
        if isinstance(self.conv, SparseConv3d) and any(n % 2 for n in level.grid.shape):
            raise ValueError(f"a level of an octree expected, got a grid of {level.grid.shape}")
        return self.conv(level)


class OctreeDeconv(nn.Module):
    """Transposed convolution of the nodes of a level, or from each node to its children.

    The children are those of the level from which :class:`OctreeConv` came.

    Args:
        inputs: Channels in.
        outputs: Channels out.
        size: Of the kernel along x, y, z, odd; children are always all eight.
        stride: 1 stays on the level, 2 goes to the one below.
        bias: Whether to add one.

    Raises:
        ValueError: If the stride is neither 1 nor 2.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        size: Triple = (3, 3, 3),
        stride: int = 1,
        *,
        bias: bool = False,
    ) -> None:
        super().__init__()
        if stride not in (1, 2):
            raise ValueError(f"a stride of 1 or 2 expected, got {stride}")
        self.conv = (
            SubMConv3d(inputs, outputs, Kernel(size), bias=bias)
            if stride == 1
            else SparseInverseConv3d(inputs, outputs, CHILDREN, bias=bias)
        )

    def forward(self, level: SparseTensor) -> SparseTensor:
        """Convolve.

        Raises:
            ValueError: If the level below is not known.
        """
        return self.conv(level)
