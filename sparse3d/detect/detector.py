"""A network that detects objects in frames."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from sparse3d.data.detection.load import load_points
from sparse3d.detect.config import SecondConfig
from sparse3d.detect.decode import decode
from sparse3d.detect.network import CenterMaps, Second
from sparse3d.detect.targets import CellGrid
from sparse3d.nn.training import load_weights
from sparse3d.scene import Boxes3D, Frame, PointCloud

__all__ = ["Detector"]


class Detector:
    """The second method's network with what it takes to use it on a frame.

    Args:
        config: As it was, or shall be, trained.
    """

    def __init__(self, config: SecondConfig) -> None:
        self.config = config
        self.network = Second(config.dataset, config.network)
        space = self.network.space
        stride, upsample = self.network.encoder.stride, self.network.neck.upsample
        cells_x, cells_y = (((n - 1) // stride + 1) * upsample for n in space.shape[:2])
        self.grid = CellGrid(space.low[:2], self.network.cell_size, (cells_x, cells_y))

    def maps(self, clouds: Sequence[PointCloud]) -> CenterMaps:
        """Heatmaps and boxes of a batch of clouds in the ego frame, with intensities."""
        counts = torch.tensor([len(cloud) for cloud in clouds])
        batch = torch.repeat_interleave(counts)
        positions = torch.cat([cloud.positions for cloud in clouds])
        return self.network(positions, _intensities(clouds), batch, len(clouds))

    @torch.no_grad()
    def detect(self, frame: Frame, view: Literal["camera", "all"]) -> Boxes3D:
        """Objects in a frame.

        Args:
            frame: With points.
            view: ``camera`` looks only at what the main camera sees.

        Returns:
            Boxes with scores in the ego frame, best first.

        Raises:
            DataError: If the frame has no points, or they cannot be read.
        """
        return self.detect_points(load_points(frame, self.config.dataset, view))

    @torch.no_grad()
    def detect_points(self, cloud: PointCloud) -> Boxes3D:
        """Objects in a cloud in the ego frame, with intensities; boxes as :meth:`detect`'s."""
        self.network.eval()
        maps = self.maps([cloud])
        return decode(maps, self.grid, self.config.dataset.classes, self.config.decode)[0]

    def labels(self, names: Sequence[str]) -> Int64[Tensor, " n"]:
        """Numbers of classes."""
        classes = self.config.dataset.classes
        return torch.tensor([classes.index(name) for name in names], dtype=torch.int64)

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
