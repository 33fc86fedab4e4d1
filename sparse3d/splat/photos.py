"""Photos as training and evaluation see them: pinhole, at the working size, in memory."""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor

from sparse3d.errors import ConfigError, DataError
from sparse3d.geometry.intrinsics import Intrinsics
from sparse3d.scene import Camera
from sparse3d.scene.undistort import Undistortion

__all__ = ["BACKGROUNDS", "Photo", "load_photo", "parse_size", "resize_image"]

BACKGROUNDS: dict[Literal["black", "white"], tuple[float, float, float]] = {
    "black": (0.0, 0.0, 0.0),
    "white": (1.0, 1.0, 1.0),
}


@dataclass(frozen=True, slots=True)
class Photo:
    """An undistorted photo with its pinhole camera."""

    name: str
    """Name of the camera."""
    intrinsics: Intrinsics
    """Pinhole, of the size of ``image``."""
    world_from_camera: Float64[Tensor, "4 4"]
    """Pose, OpenCV axes."""
    image: Float[Tensor, "h w 3"]
    """RGB in [0, 1], over the background where the file is transparent."""
    mask: Bool[Tensor, "h w"] | None
    """True where a pixel counts; None: everywhere."""


def parse_size(text: str | None) -> tuple[int, int] | None:
    """Width and height from ``WIDTHxHEIGHT``.

    Raises:
        ConfigError: If the text has another form.

    Example:
        >>> parse_size("504x378")
        (504, 378)
    """
    if text is None:
        return None
    parts = text.lower().split("x")
    if len(parts) != 2 or not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise ConfigError(f"a size must look like 504x378, got {text!r}")
    return int(parts[0]), int(parts[1])


def load_photo(
    camera: Camera,
    size: tuple[int, int] | None = None,
    background: tuple[float, float, float] = (0.0, 0.0, 0.0),
) -> Photo:
    """Read, undistort and resample the photo of a camera.

    The mask file is honoured; transparency is not a mask here, but composited over ``background``.

    Args:
        camera: A camera with an image.
        size: Width and height to resample to with an antialiasing filter; None keeps them.
        background: RGB behind transparent pixels.

    Raises:
        DataError: If the image or mask cannot be read, or the lens cannot be undistorted.
        ConfigError: If ``size`` is larger than the photo.
    """
    _require_smaller(camera, size)
    image = camera.read_image(background)
    undistortion = _undistortion(camera)
    image = undistortion.apply(image)
    mask = None if camera.mask_path is None else camera.read_mask()
    mask = None if mask is None else undistortion.apply_mask(mask)
    lens = undistortion.intrinsics
    if size is not None and size != (lens.width, lens.height):
        lens = lens.resized(*size)
        image = resize_image(image, size)
        mask = None if mask is None else resize_image(mask[..., None].float(), size)[..., 0] > 0.5
    return Photo(camera.name, lens, camera.world_from_camera, image.contiguous(), mask)


def resize_image(image: Float[Tensor, "h w c"], size: tuple[int, int]) -> Float[Tensor, "h2 w2 c"]:
    """Resample to ``(width, height)`` by antialiased bicubic interpolation, clipped to [0, 1]."""
    batch = image.permute(2, 0, 1)[None]
    resized = torch.nn.functional.interpolate(
        batch, (size[1], size[0]), mode="bicubic", align_corners=False, antialias=True
    )
    return resized[0].permute(1, 2, 0).clamp(0, 1)


def _require_smaller(camera: Camera, size: tuple[int, int] | None) -> None:
    lens = camera.intrinsics
    if size is not None and (size[0] > lens.width or size[1] > lens.height):
        raise ConfigError(
            f"{camera.image_path}: a photo of {lens.width}x{lens.height}"
            f" cannot be downscaled to {size[0]}x{size[1]}"
        )


def _undistortion(camera: Camera) -> Undistortion:
    try:
        return Undistortion.of(camera.intrinsics)
    except ValueError as error:
        raise DataError(camera.image_path or camera.name, str(error)) from error
