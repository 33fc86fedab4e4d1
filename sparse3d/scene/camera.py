"""A posed camera and the files that belong to it."""

from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor

from sparse3d.geometry.intrinsics import Intrinsics
from sparse3d.geometry.transforms import is_rigid
from sparse3d.scene import images

__all__ = ["Camera"]


@dataclass(frozen=True, slots=True)
class Camera:
    """One view: lens, pose, and image, mask and depth that are read when asked for."""

    name: str
    """Unique within its scene: the image's path relative to the scene, or ``frame/camera``."""
    intrinsics: Intrinsics
    """Lens and image size; image, mask and depth files have this size."""
    world_from_camera: Float64[Tensor, "4 4"]
    """Pose, OpenCV camera axes (x right, y down, z forward)."""
    image_path: Path | None = None
    """RGB or RGBA image."""
    mask_path: Path | None = None
    """Grey image, non-zero where a pixel counts."""
    depth_path: Path | None = None
    """z-depth: float ``.npy``, or 16-bit ``.png``; 0 means unknown."""
    depth_scale: float | None = None
    """Scene units of one count of the depth file; None is 1 for ``.npy`` and 1e-3 for images."""

    def __post_init__(self) -> None:
        if not is_rigid(self.world_from_camera):
            raise ValueError(
                f"camera {self.name}: world_from_camera must be a finite rotation and translation,"
                f" got {self.world_from_camera.tolist()}"
            )

    def read_image(
        self, background: tuple[float, float, float] = (0.0, 0.0, 0.0)
    ) -> Float[Tensor, "h w 3"]:
        """The image in [0, 1]; where the file has alpha, composited over ``background``.

        Raises:
            DataError: If there is no image, it cannot be read or its size is not the camera's.
        """
        rgba = images.read_rgba(self._file(self.image_path, "image"), self._size())
        alpha = rgba[..., 3:]
        return rgba[..., :3] * alpha + torch.tensor(background) * (1 - alpha)

    def read_mask(self) -> Bool[Tensor, "h w"] | None:
        """True where a pixel counts: the mask file, else the image's alpha, else None."""
        if self.mask_path is not None:
            return images.read_grey(self.mask_path, self._size()) > 0
        if self.image_path is None or not images.has_alpha(self.image_path):
            return None
        return images.read_rgba(self.image_path, self._size())[..., 3] > 0.5

    def read_depth(self) -> Float[Tensor, "h w"] | None:
        """z-depth in scene units, 0 where unknown; None if the camera has no depth file."""
        if self.depth_path is None:
            return None
        return images.read_depth(self.depth_path, self._size(), self.depth_scale)

    def _size(self) -> tuple[int, int]:
        return self.intrinsics.width, self.intrinsics.height

    def _file(self, path: Path | None, what: str) -> Path:
        if path is None:
            raise ValueError(f"camera {self.name} has no {what}")
        return path
