"""Batches of cameras of one image size, as renderers take them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from sparse3d.geometry.intrinsics import Intrinsics

__all__ = ["Projection", "Views", "view_planes"]

Projection = Literal["perspective", "orthographic"]
"""``perspective`` maps (x, y, z) to ``(fx x / z + cx, fy y / z + cy)``, ``orthographic`` to
``(fx x + cx, fy y + cy)``, where fx and fy are pixels a scene unit."""


@dataclass(frozen=True, slots=True)
class Views:
    """Cameras without distortion, OpenCV axes; poses may carry gradients."""

    world_from_camera: Float[Tensor, "c 4 4"]
    """Poses, in the dtype of the computation."""
    matrices: Float[Tensor, "c 3 3"]
    """Calibration matrices K, pixels; the centre of the first pixel is (0.5, 0.5)."""
    width: int
    """Image width in pixels."""
    height: int
    """Image height in pixels."""
    projection: Projection = "perspective"
    """How all of the cameras map points in front of them to pixels."""

    def __len__(self) -> int:
        return len(self.world_from_camera)

    @classmethod
    def of(
        cls,
        intrinsics: Sequence[Intrinsics],
        world_from_camera: Float[Tensor, "c 4 4"],
        dtype: torch.dtype = torch.float32,
    ) -> "Views":
        """Batch cameras of equal size.

        Raises:
            ValueError: If a lens is not a pinhole, sizes differ or the counts do not match.
        """
        sizes = {(lens.width, lens.height) for lens in intrinsics}
        if len(sizes) != 1 or len(intrinsics) != len(world_from_camera):
            raise ValueError(
                f"one image size and one pose a camera expected, got sizes {sorted(sizes)}"
                f" and {len(world_from_camera)} poses for {len(intrinsics)} cameras"
            )
        if not all(lens.is_pinhole for lens in intrinsics):
            raise ValueError("pinhole cameras expected; undistort the images first")
        matrices = torch.stack([lens.matrix() for lens in intrinsics])
        device = world_from_camera.device
        width, height = sizes.pop()
        return cls(world_from_camera.to(dtype), matrices.to(device, dtype), width, height)


def view_planes(views: Views) -> Float[Tensor, "c 5 4"]:
    """Planes ``a, b, c, d`` in the world around what each camera sees, without gradients.

    A point x, y, z with ``a x + b y + c z + d >= 0`` for all five is in front of the camera and
    within the left, right, upper and lower border of its image. Not normalised.
    """
    matrices, poses = views.matrices.detach().double(), views.world_from_camera.detach().double()
    middle = 2 if views.projection == "perspective" else 3  # what the principal point goes with
    rows = matrices.new_zeros(len(views), 3, 4)  # homogeneous pixel from homogeneous point
    rows[:, :2, :2], rows[:, :2, middle] = matrices[:, :2, :2], matrices[:, :2, 2]
    rows[:, 2, middle] = 1
    u, v, scale = rows.unbind(1)
    front = torch.tensor([0.0, 0.0, 1.0, 0.0]).to(rows).expand_as(u)
    borders = (u, views.width * scale - u, v, views.height * scale - v)
    inside = torch.stack([front, *borders], 1)  # [c, 5, 4], by points in the camera
    normals = inside[..., :3] @ poses[:, :3, :3].mT
    offsets = inside[..., 3] - (normals @ poses[:, :3, 3:])[..., 0]
    return torch.cat([normals, offsets[..., None]], -1).to(views.matrices.dtype)
