"""A network that names the points of frames."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from sparse3d.data.segmentation.classes import IGNORED, ClassMap
from sparse3d.data.segmentation.load import Sweep, load_sweep
from sparse3d.nn.training import load_weights
from sparse3d.scene import Frame, PointCloud
from sparse3d.segment.config import SegmentConfig
from sparse3d.segment.network import PointLogits, SegmentNetwork

__all__ = ["Segmenter"]


class Segmenter:
    """The sparse-unet method's network with what it takes to use it on a frame.

    Args:
        config: As it was, or shall be, trained.
    """

    def __init__(self, config: SegmentConfig) -> None:
        self.config = config
        self.classes = ClassMap.of(config.dataset)
        self.network = SegmentNetwork(config.dataset, config.network)

    def logits(self, clouds: Sequence[PointCloud]) -> PointLogits:
        """Logits of a batch of clouds in the LiDAR frame, with intensities."""
        counts = torch.tensor([len(cloud) for cloud in clouds])
        batch = torch.repeat_interleave(counts)
        positions = torch.cat([cloud.positions for cloud in clouds])
        return self.network(positions, _intensities(clouds), batch, len(clouds))

    def segment(self, frame: Frame) -> Int64[Tensor, " n"]:
        """Id of every point of a frame, as label files have them.

        Points that are not finite or out of range get the first of the ignored ids.

        Raises:
            DataError: If the frame has no points, or they cannot be read.
        """
        return self.classes.to_ids(self.numbers(load_sweep(frame, self.config.dataset)))

    @torch.no_grad()
    def numbers(self, sweep: Sweep) -> Int64[Tensor, " n"]:
        """Class number of every point of a whole sweep, ``IGNORED`` for those that are not seen."""
        self.network.eval()
        numbers = torch.full((len(sweep.seen),), IGNORED, dtype=torch.int64)
        if len(sweep.points):
            said = self.logits([sweep.points])
            rows = sweep.seen.nonzero()[:, 0][said.points]
            numbers[rows] = said.logits.argmax(1)[said.voxels] + 1
        return numbers

    def setting(self) -> str:
        """What the outputs mean, which the shapes of the weights do not tell."""
        data = self.config.dataset
        return (
            f"{', '.join(data.classes)} from {list(data.low)} to {list(data.high)} m in voxels of"
            f" {list(self.config.network.voxel_size)} m"
        )

    def state_dict(self) -> dict[str, Tensor]:
        """Weights and running statistics."""
        return dict(self.network.state_dict())

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over weights and running statistics.

        Raises:
            ConfigError: If they are those of another configuration.
        """
        load_weights(self.network, state)


def _intensities(clouds: Sequence[PointCloud]) -> Float[Tensor, " n"]:
    known = [cloud.intensities for cloud in clouds if cloud.intensities is not None]
    if len(known) != len(clouds):
        raise ValueError("clouds with intensities expected")
    return torch.cat(known)
