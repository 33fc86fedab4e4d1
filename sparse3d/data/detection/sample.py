"""One frame as a detector sees it."""

from dataclasses import dataclass

from sparse3d.scene import Boxes3D, PointCloud

__all__ = ["Sample"]


@dataclass(frozen=True, slots=True)
class Sample:
    """Points and objects of a frame, in its LiDAR frame."""

    name: str
    """Name of the frame."""
    points: PointCloud
    """Finite positions within the range, float32, with intensities in [0, 1]; nothing else."""
    boxes: Boxes3D
    """Objects to detect, under the names of the configuration."""
    ignored: Boxes3D
    """Objects that count neither as objects nor as background."""
