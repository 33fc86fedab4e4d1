"""The pictures of a report: photos made small, depth and errors in colours."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from sparse3d.scene import Camera
from sparse3d.scene.images import image_size, read_depth, read_rgba, write_rgb
from sparse3d.scene.undistort import Undistortion
from sparse3d.splat.photos import resize_image
from sparse3d.splat.results import picture_name
from sparse3d.view.colormap import DEPTH, ERROR

__all__ = [
    "ERROR_LIMIT",
    "DepthRange",
    "HeldOut",
    "depth_picture",
    "error_picture",
    "held_out",
    "small_photo",
    "write_picture",
]

ERROR_LIMIT = 0.25
"""Mean absolute difference of colours, of values in [0, 1], that gets the lightest colour."""

_PHOTO_WIDTH = 480
_SAMPLES = 20_000  # of a depth map, for its range


@dataclass(frozen=True, slots=True)
class HeldOut:
    """One held-out view, as a run left it and as it truly is."""

    name: str
    """File name of its pictures, without suffix."""
    render: Path
    truth: Path
    depth: Float[Tensor, "h w"]
    """z-depth of the splat, scene units; 0 where nothing is."""
    true_depth: Float[Tensor, "h w"] | None
    """z-depth of the scene, where it is known at all; 0 where it is not."""

    def depth_error(self) -> float | None:
        """Median absolute error of z-depth where both are known, scene units."""
        if self.true_depth is None:
            return None
        both = (self.depth > 0) & (self.true_depth > 0)
        errors = (self.depth - self.true_depth).abs()[both]
        return float(errors.median()) if len(errors) else None


@dataclass(frozen=True, slots=True)
class DepthRange:
    """The z-depths, scene units, that get the lightest and the darkest colour."""

    near: float
    far: float

    @classmethod
    def of(cls, depths: Iterable[Float[Tensor, "_ _"]]) -> "DepthRange":
        """All but the extreme 2 % of the known depths, at least a thousandth deep."""
        known = [_samples(depth) for depth in depths]
        values = torch.cat(known) if known else torch.zeros(0)
        if not len(values):
            return cls(0.0, 1.0)
        near, far = np.percentile(values.numpy(), [2, 98]).tolist()
        return cls(near, max(far, near * 1.001))


def held_out(folder: Path, camera: Camera) -> HeldOut:
    """Find what a run left of a test view, and the scene's own depth for it.

    Args:
        folder: Of the run.
        camera: The test view, as it is in the scene.

    Raises:
        DataError: If a file is missing or damaged, or sizes differ.
    """
    name = picture_name(camera.name)
    render, truth = (folder / part / f"{name}.png" for part in ("renders", "truth"))
    size = image_size(render)
    depth = read_depth(folder / "depth" / f"{name}.npy", size)
    return HeldOut(name, render, truth, _known(depth), _true_depth(camera, size))


def small_photo(camera: Camera, path: Path) -> None:
    """Write the photo of a camera as a small JPEG.

    Raises:
        DataError: If it cannot be read.
    """
    photo = camera.read_image((1.0, 1.0, 1.0))
    height, width, _ = photo.shape
    if width > _PHOTO_WIDTH:
        photo = resize_image(photo, (_PHOTO_WIDTH, max(1, round(height * _PHOTO_WIDTH / width))))
    write_rgb(path, photo)


def depth_picture(depth: Float[Tensor, "h w"], scale: DepthRange) -> UInt8[Tensor, "h w 4"]:
    """Near light, far dark; transparent where nothing is known."""
    share = (scale.far - depth) / (scale.far - scale.near)
    return _bytes(torch.cat([DEPTH(share), (depth > 0).float()[..., None]], dim=2))


def error_picture(view: HeldOut) -> UInt8[Tensor, "h w 3"]:
    """Mean absolute difference of a render from the truth, over the three colours.

    Raises:
        DataError: If a picture is missing, damaged, or of another size than the other.
    """
    render = read_rgba(view.render)[..., :3]
    truth = read_rgba(view.truth, (render.shape[1], render.shape[0]))[..., :3]
    return _bytes(ERROR((render - truth).abs().mean(dim=2) / ERROR_LIMIT))


def write_picture(path: Path, pixels: UInt8[Tensor, "h w c"]) -> None:
    """Write 8-bit RGB or RGBA as PNG."""
    Image.fromarray(pixels.numpy()).save(path)


def _true_depth(camera: Camera, size: tuple[int, int]) -> Float[Tensor, "h w"] | None:
    """Undistorted and resampled as the truth was, but with the nearest pixel: no mixed depths."""
    depth = camera.read_depth()
    if depth is None:
        return None
    pinhole = Undistortion.of(camera.intrinsics).apply_depth(depth)[None, None]
    return _known(torch.nn.functional.interpolate(pinhole, size[::-1], mode="nearest-exact")[0, 0])


def _known(depth: Float[Tensor, "h w"]) -> Float[Tensor, "h w"]:
    """0 for all that is no depth."""
    return torch.where(depth.isfinite() & (depth > 0), depth, 0.0)


def _samples(depth: Float[Tensor, "h w"]) -> Float[Tensor, " n"]:
    known = depth[depth > 0]
    return known[:: max(1, len(known) // _SAMPLES)]


def _bytes(picture: Float[Tensor, "h w c"]) -> UInt8[Tensor, "h w c"]:
    return (picture * 255).round().to(torch.uint8)
