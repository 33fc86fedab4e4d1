"""From points to one feature vector a voxel, however many points are in it."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sparse3d.nn.sparse import RowNorm, SparseTensor
from sparse3d.ops.segment import segment_reduce
from sparse3d.ops.voxelize import Voxels
from sparse3d.scene.voxel_space import VoxelSpace

__all__ = ["VoxelFeatures"]


class VoxelFeatures(nn.Module):
    """A linear layer on each point, and the maximum over a voxel's points.

    A point is described by its height, intensity and distance, its offset from the mean of its
    voxel's points and from the voxel's centre (dynamic voxel feature encoding, Zhou et al. 2020),
    lengths in units of the voxel's edges.

    Args:
        space: The grid.
        channels: Features a voxel.
        momentum: Of the batch norm's running statistics.
    """

    inputs = 9

    def __init__(self, space: VoxelSpace, channels: int, momentum: float) -> None:
        super().__init__()
        self.space = space
        self.linear = nn.Linear(self.inputs, channels, bias=False)
        self.norm = RowNorm(channels, eps=1e-3, momentum=momentum)

    def forward(
        self, positions: Float[Tensor, "n 3"], intensities: Float[Tensor, " n"], voxels: Voxels
    ) -> SparseTensor:
        """Features of the occupied voxels.

        Args:
            positions: All points, metres.
            intensities: Return strength of all points, 0 to 1.
            voxels: Which points are in which voxel.
        """
        described = self._describe(positions[voxels.points], intensities[voxels.points], voxels)
        values = torch.relu(self.norm(self.linear(described)))
        return SparseTensor(voxels.grid, segment_reduce(values, voxels.offsets, "max"))

    def _describe(
        self, positions: Float[Tensor, "p 3"], intensities: Float[Tensor, " p"], voxels: Voxels
    ) -> Float[Tensor, "p 9"]:
        owners = voxels.owners()
        means = segment_reduce(positions, voxels.offsets, "mean")
        centers = self.space.centers(voxels.grid.coordinates()[:, 1:])
        size = torch.tensor(self.space.size, device=positions.device)
        low = torch.tensor(self.space.low, device=positions.device)
        height = (positions[:, 2:] - low[2]) / (size[2] * self.space.shape[2])
        distance = positions[:, :2].norm(dim=1, keepdim=True) / 50
        return torch.cat(
            [
                torch.cat([height, distance, intensities[:, None]], dim=1),
                (positions - means[owners]) / size,
                (positions - centers[owners]) / size,
            ],
            dim=1,
        )
