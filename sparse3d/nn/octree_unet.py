"""A residual UNet on the levels of an octree."""

from collections.abc import Sequence

from sparse3d.nn.octree import CHILDREN, as_octree
from sparse3d.nn.sparse import SparseTensor
from sparse3d.nn.sparse_unet import SparseUNet

__all__ = ["OctreeUNet"]


class OctreeUNet(SparseUNet):
    """Features of the leaves of an octree in, other features of the leaves out.

    The UNet of Wang et al. 2020 (as in ocnn): from level to level by the children of each node.

    Args:
        inputs: Features a leaf.
        channels: Of each level, that of the leaves first.
        layers: Residual blocks of each level; on the way back down as many again.
        momentum: Of the batch norms' running statistics.

    Raises:
        ValueError: If ``channels`` and ``layers`` are not positive and equally many.
    """

    def __init__(
        self, inputs: int, channels: Sequence[int], layers: Sequence[int], momentum: float
    ) -> None:
        super().__init__(inputs, channels, layers, momentum, halving=CHILDREN)

    def forward(self, voxels: SparseTensor) -> SparseTensor:
        """Features at the cells of the input.

        Raises:
            ValueError: If the octree has fewer levels than the network.
        """
        leaves = as_octree(voxels)
        if leaves.grid.shape[0] < 1 << len(self.downs):
            raise ValueError(
                f"an octree of at least {len(self.downs)} levels above the leaves expected,"
                f" got a grid of {voxels.grid.shape}"
            )
        return voxels.with_features(super().forward(leaves).features)
