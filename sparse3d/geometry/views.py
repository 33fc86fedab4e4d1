"""Batches of pinhole cameras of one image size, as renderers take them."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from sparse3d.geometry.intrinsics import Intrinsics

__all__ = ["Views"]


@dataclass(frozen=True, slots=True)
class Views:
    """Pinhole cameras with OpenCV axes; poses may carry gradients."""

    world_from_camera: Float[Tensor, "c 4 4"]
    """Poses, in the dtype of the computation."""
    matrices: Float[Tensor, "c 3 3"]
    """Calibration matrices K, pixels; the centre of the first pixel is (0.5, 0.5)."""
    width: int
    """Image width in pixels."""
    height: int
    """Image height in pixels."""

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
