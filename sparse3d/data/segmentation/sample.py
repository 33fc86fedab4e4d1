"""One sweep as a segmentation network sees it."""

from dataclasses import dataclass

from jaxtyping import Int64
from torch import Tensor

from sparse3d.scene import PointCloud

__all__ = ["Sample"]


@dataclass(frozen=True, slots=True)
class Sample:
    """Points of a frame in its LiDAR frame, and what they are."""

    name: str
    """Name of the frame."""
    points: PointCloud
    """Finite positions within the range, float32, with intensities in [0, 1]; nothing else."""
    numbers: Int64[Tensor, " n"]
    """Class of each point, see :class:`~sparse3d.data.segmentation.classes.ClassMap`."""
