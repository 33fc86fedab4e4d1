"""Upright 3D boxes, and what is known of them in an image."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int, Integer
from torch import Tensor

from sparse3d.geometry.rotations import wrap_angle

__all__ = ["Boxes3D", "ImageBoxes"]


@dataclass(frozen=True, slots=True)
class ImageBoxes:
    """How annotated boxes appear in the image of one camera (KITTI's columns)."""

    rectangles: Float[Tensor, "n 4"]
    """Left, top, right, bottom in pixels."""
    alphas: Float[Tensor, " n"]
    """Observation angle in radians, KITTI's alpha."""
    truncations: Float[Tensor, " n"]
    """Share of the object outside the image, 0 to 1; -1 where unknown."""
    occlusions: Int[Tensor, " n"]
    """0 visible, 1 partly, 2 largely occluded, 3 unknown, -1 not annotated."""


@dataclass(frozen=True, slots=True)
class Boxes3D:
    """Boxes in the frame of their owner (LiDAR/ego of a ``Frame``), rows correspond."""

    centers: Float[Tensor, "n 3"]
    """Geometric centres x, y, z, metres."""
    sizes: Float[Tensor, "n 3"]
    """Length, width, height along the box's own x, y, z, metres; positive."""
    yaws: Float[Tensor, " n"]
    """Rotation about +z from +x in radians, kept in (-pi, pi]."""
    names: tuple[str, ...]
    """Class name of each box."""
    scores: Float[Tensor, " n"] | None = None
    """Confidence of a detection; None for annotations."""
    velocities: Float[Tensor, "n 2"] | None = None
    """Velocity x, y in metres a second."""
    image: ImageBoxes | None = None
    """Appearance in the main camera, where annotated."""

    def __post_init__(self) -> None:
        if len(self.names) != len(self):
            raise ValueError(f"{len(self.names)} names for {len(self)} boxes")
        if not bool((self.sizes > 0).all()):
            row = int((~(self.sizes > 0).all(1)).nonzero()[0, 0])
            raise ValueError(f"box sizes must be positive, got {self.sizes[row].tolist()}")
        object.__setattr__(self, "yaws", wrap_angle(self.yaws))

    def __len__(self) -> int:
        return len(self.centers)

    def rows(self) -> Float[Tensor, "n 7"]:
        """Rows ``(x, y, z, length, width, height, yaw)`` as ``geometry.boxes`` takes them."""
        return torch.cat([self.centers, self.sizes, self.yaws[:, None]], dim=1)

    def select(self, rows: Integer[Tensor, " m"] | Bool[Tensor, " n"]) -> "Boxes3D":
        """The boxes at the given row numbers, or where a mask is true."""
        numbers = rows.nonzero()[:, 0] if rows.dtype == torch.bool else rows
        image = self.image and ImageBoxes(
            self.image.rectangles[rows],
            self.image.alphas[rows],
            self.image.truncations[rows],
            self.image.occlusions[rows],
        )
        return replace(
            self,
            centers=self.centers[rows],
            sizes=self.sizes[rows],
            yaws=self.yaws[rows],
            names=tuple(self.names[i] for i in numbers.tolist()),
            scores=None if self.scores is None else self.scores[rows],
            velocities=None if self.velocities is None else self.velocities[rows],
            image=image,
        )
