"""A scene: moments in time, and what is fixed in the world."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from jaxtyping import Float64
from torch import Tensor

from sparse3d.errors import DataError
from sparse3d.scene.boxes import Boxes3D
from sparse3d.scene.camera import Camera
from sparse3d.scene.gaussians import Gaussians
from sparse3d.scene.mesh import Mesh
from sparse3d.scene.points import PointCloud
from sparse3d.scene.sparse_grid import SparseGrid
from sparse3d.scene.stored import Stored, read

__all__ = ["Frame", "Scene", "Split"]

Split = Literal["train", "val", "test"]


def _identity() -> Float64[Tensor, "4 4"]:
    return torch.eye(4, dtype=torch.float64)


@dataclass(frozen=True, slots=True)
class Frame:
    """What was seen at one moment: a LiDAR sweep with its cameras, or one photo."""

    name: str
    """Unique within its scene (KITTI: ``000008``; a photo: the name of its camera)."""
    cameras: tuple[Camera, ...] = ()
    """Cameras in the world frame, the main one first."""
    points: Stored[PointCloud] | PointCloud | None = None
    """The sweep, in the frame's own LiDAR/ego frame (x forward, y left, z up)."""
    boxes: Stored[Boxes3D] | Boxes3D | None = None
    """Annotations or detections, in the frame's own LiDAR/ego frame."""
    world_from_ego: Float64[Tensor, "4 4"] | None = None
    """Pose of the frame; None is the identity."""
    timestamp: float | None = None
    """Seconds."""
    split: Split | None = None
    """The part of the data set the frame belongs to, where its files say so."""

    def read_points(self) -> PointCloud | None:
        """The sweep, read from disk if it is stored there."""
        return read(self.points)

    def read_boxes(self) -> Boxes3D | None:
        """The boxes, read from disk if they are stored there."""
        return read(self.boxes)

    def pose(self) -> Float64[Tensor, "4 4"]:
        """``world_from_ego``, the identity where none is given."""
        return _identity() if self.world_from_ego is None else self.world_from_ego


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything known about a place: frames, and what is fixed in the world."""

    name: str
    """Short name, usually of the folder or file it came from."""
    frames: tuple[Frame, ...] = ()
    """Moments in the order of the data set."""
    points: Stored[PointCloud] | PointCloud | None = None
    """Static points in the world frame, such as structure from motion's."""
    gaussians: Stored[Gaussians] | Gaussians | None = None
    """A splat in the world frame."""
    mesh: Stored[Mesh] | Mesh | None = None
    """A surface in the world frame."""
    grid: Stored[SparseGrid] | SparseGrid | None = None
    """Occupied cells in the world frame, with or without features."""
    metric: bool = False
    """Whether lengths are metres."""
    format: str = "scene"
    """Name of the format it was read from."""
    source: Path | None = None
    """File or folder it was read from."""

    @property
    def cameras(self) -> tuple[Camera, ...]:
        """All cameras of all frames, in order."""
        return tuple(self.iter_cameras())

    def iter_cameras(self) -> Iterator[Camera]:
        """All cameras of all frames, in order, without building a tuple."""
        for frame in self.frames:
            yield from frame.cameras

    def read_points(self) -> PointCloud | None:
        """The static points, read from disk if they are stored there."""
        return read(self.points)

    def read_gaussians(self) -> Gaussians | None:
        """The splat, read from disk if it is stored there."""
        return read(self.gaussians)

    def read_mesh(self) -> Mesh | None:
        """The surface, read from disk if it is stored there."""
        return read(self.mesh)

    def read_grid(self) -> SparseGrid | None:
        """The grid, read from disk if it is stored there."""
        return read(self.grid)

    def require_cameras(self) -> tuple[Camera, ...]:
        """The cameras; an error that names the source where there are none.

        Raises:
            DataError: If the scene has no camera.
        """
        cameras = self.cameras
        if not cameras:
            raise DataError(self.source or self.name, "posed cameras expected, but there are none")
        return cameras
