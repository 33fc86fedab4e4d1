"""Photos, masks and depth without the distortion of their lens."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Float32
from torch import Tensor

from sparse3d.geometry.intrinsics import Intrinsics
from sparse3d.geometry.undistort import source_positions, undistorted_pinhole

__all__ = ["Undistortion"]


@dataclass(frozen=True, slots=True)
class Undistortion:
    """Resampling of the images of one lens to a pinhole; one serves all cameras with that lens."""

    source: Intrinsics
    """The lens of the photos."""
    intrinsics: Intrinsics
    """The pinhole after :meth:`apply`: same pose and focal lengths, another size and centre."""
    positions: Float32[Tensor, "h w 2"] | None
    """Where each pixel comes from, as ``grid_sample`` counts ([-1, 1]); None: nothing to do."""

    @classmethod
    def of(cls, intrinsics: Intrinsics) -> "Undistortion":
        """The undistortion of a lens; see :func:`undistorted_pinhole` for the crop.

        Raises:
            ValueError: If the lens model has no valid direction around the middle of the photo.
        """
        pinhole = undistorted_pinhole(intrinsics)
        if intrinsics.is_pinhole:
            return cls(intrinsics, pinhole, None)
        positions = source_positions(intrinsics, pinhole, torch.float32)
        size = positions.new_tensor([intrinsics.width, intrinsics.height])
        return cls(intrinsics, pinhole, positions.mul_(2 / size).sub_(1))

    def apply(self, image: Float[Tensor, "h w c"]) -> Float[Tensor, "h2 w2 c"]:
        """The undistorted image, bilinear; itself where there is nothing to do.

        Raises:
            ValueError: If the image has another size than the lens.
        """
        return self._resampled(image, "bilinear")

    def apply_mask(self, mask: Bool[Tensor, "h w"]) -> Bool[Tensor, "h2 w2"]:
        """The undistorted mask, nearest pixel; raises as :meth:`apply`."""
        return self._resampled(mask[..., None].float(), "nearest")[..., 0] > 0.5

    def apply_depth(self, depth: Float[Tensor, "h w"]) -> Float[Tensor, "h2 w2"]:
        """The undistorted z-depth, nearest pixel; the values stay, as the axis stays."""
        return self._resampled(depth[..., None], "nearest")[..., 0]

    def _resampled(self, image: Float[Tensor, "h w c"], mode: str) -> Float[Tensor, "h2 w2 c"]:
        if image.shape[:2] != (self.source.height, self.source.width):
            raise ValueError(
                f"image of {self.source.width}x{self.source.height} pixels expected,"
                f" got {image.shape[1]}x{image.shape[0]}"
            )
        if self.positions is None:
            return image
        channels_first = image.permute(2, 0, 1)[None]
        grid = self.positions.to(image)[None]
        sampled = torch.nn.functional.grid_sample(
            channels_first, grid, mode, padding_mode="border", align_corners=False
        )
        return sampled[0].permute(1, 2, 0)
