"""The network of the sparse-unet method: points in, class logits out."""

from typing import NamedTuple

from jaxtyping import Float, Int, Int64
from torch import Tensor, nn

from sparse3d.data.segmentation.config import DataConfig
from sparse3d.nn.sparse_unet import SparseUNet
from sparse3d.nn.voxel_features import VoxelFeatures
from sparse3d.ops.voxelize import VoxelSpace, voxelize
from sparse3d.segment.config import NetworkConfig

__all__ = ["PointLogits", "SegmentNetwork"]


class PointLogits(NamedTuple):
    """What the network says about the points in its range."""

    logits: Float[Tensor, "v c"]
    """Of each class, for every occupied voxel."""
    voxels: Int64[Tensor, " p"]
    """Voxel of each point."""
    points: Int64[Tensor, " p"]
    """Row numbers of the points."""


class SegmentNetwork(nn.Module):
    """A linear head on a sparse UNet: a point is what its voxel is.

    Args:
        data: Range and classes.
        sizes: Channels, layers, voxels.
    """

    def __init__(self, data: DataConfig, sizes: NetworkConfig) -> None:
        super().__init__()
        self.space = VoxelSpace.of_range(data.low, data.high, sizes.voxel_size)
        self.voxel_features = VoxelFeatures(self.space, sizes.voxel_channels, sizes.momentum)
        self.unet = SparseUNet(sizes.voxel_channels, sizes.channels, sizes.layers, sizes.momentum)
        self.head = nn.Linear(self.unet.outputs, len(data.classes))

    def forward(
        self,
        positions: Float[Tensor, "n 3"],
        intensities: Float[Tensor, " n"],
        batch: Int[Tensor, " n"],
        batch_size: int,
    ) -> PointLogits:
        """Logits of a batch of clouds.

        Args:
            positions: Points of all clouds, LiDAR frame, metres; those out of range have none.
            intensities: 0 to 1.
            batch: Number of each point's cloud.
            batch_size: Number of clouds; a cloud may have no point.
        """
        voxels = voxelize(positions, batch, self.space, batch_size)
        features = self.unet(self.voxel_features(positions, intensities, voxels)).features
        return PointLogits(self.head(features), voxels.owners(), voxels.points)
