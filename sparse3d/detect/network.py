"""The network of the second method: points in, centre heatmaps and boxes out."""

from typing import NamedTuple

from jaxtyping import Float, Int
from torch import Tensor, nn

from sparse3d.data.detection.config import DataConfig
from sparse3d.detect.config import NetworkConfig
from sparse3d.nn.bev_neck import BevNeck, conv_block
from sparse3d.nn.sparse_encoder import SparseEncoder
from sparse3d.nn.voxel_features import VoxelFeatures
from sparse3d.ops.voxelize import voxelize
from sparse3d.scene.voxel_space import VoxelSpace

__all__ = ["BOX_CHANNELS", "CenterMaps", "Second"]

BOX_CHANNELS = 8
"""Offset x, y; height z; logarithms of length, width, height; cosine, sine of twice the yaw."""

_RARE = -4.6
"""Logit of 0.01: where a heatmap starts, so that the many empty cells do not dominate."""


class CenterMaps(NamedTuple):
    """What the head says about every cell of the bird's eye view."""

    heat: Float[Tensor, "b c u v"]
    """Logit that the centre of an object of a class is in the cell."""
    boxes: Float[Tensor, "b 8 u v"]
    """Box of an object, if its centre is here; see :data:`BOX_CHANNELS`."""
    directions: Float[Tensor, "b u v"]
    """Logit that the object heads forward along its axis, see
    :func:`~sparse3d.detect.heading.is_forward`."""


class Second(nn.Module):
    """SECOND (Yan et al. 2018) with the head of CenterPoint (Yin et al. 2021).

    Args:
        data: Range and classes.
        sizes: Channels, layers, voxels.
    """

    def __init__(self, data: DataConfig, sizes: NetworkConfig) -> None:
        super().__init__()
        self.space = VoxelSpace.of_range(data.low, data.high, sizes.voxel_size)
        momentum = sizes.momentum
        self.voxel_features = VoxelFeatures(self.space, sizes.voxel_channels, momentum)
        self.encoder = SparseEncoder(
            self.space.shape,
            sizes.voxel_channels,
            sizes.encoder_channels,
            sizes.encoder_layers,
            momentum,
        )
        self.neck = BevNeck(
            self.encoder.outputs,
            sizes.neck_channels,
            sizes.neck_layers,
            sizes.neck_outputs,
            sizes.upsample,
            momentum,
        )
        self.shared = conv_block(self.neck.outputs, sizes.head_channels, 1, momentum)
        self.heat = nn.Conv2d(sizes.head_channels, len(data.classes), 1)
        self.boxes = nn.Conv2d(sizes.head_channels, BOX_CHANNELS, 1)
        self.directions = nn.Conv2d(sizes.head_channels, 1, 1)
        nn.init.normal_(self.heat.weight, std=0.01)
        nn.init.constant_(_bias(self.heat), _RARE)

    @property
    def cell_size(self) -> tuple[float, float]:
        """Edges of a heatmap cell along x and y, metres."""
        scale = self.encoder.stride / self.neck.upsample
        return self.space.size[0] * scale, self.space.size[1] * scale

    def forward(
        self,
        positions: Float[Tensor, "n 3"],
        intensities: Float[Tensor, " n"],
        batch: Int[Tensor, " n"],
        batch_size: int,
    ) -> CenterMaps:
        """Heatmaps and boxes of a batch of clouds.

        Args:
            positions: Points of all clouds, ego frame, metres; only those in range count.
            intensities: 0 to 1.
            batch: Number of each point's cloud.
            batch_size: Number of clouds; a cloud may have no point.
        """
        voxels = voxelize(positions, batch, self.space, batch_size)
        bev = self.encoder(self.voxel_features(positions, intensities, voxels))
        shared = self.shared(self.neck(bev))
        return CenterMaps(self.heat(shared), self.boxes(shared), self.directions(shared)[:, 0])


def _bias(layer: nn.Conv2d) -> Tensor:
    assert layer.bias is not None
    return layer.bias
