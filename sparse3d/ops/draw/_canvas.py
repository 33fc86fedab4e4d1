"""What the backends share: the picture they draw into, and the camera."""

from typing import NamedTuple

import torch
from jaxtyping import Float, Float64, Int32
from torch import Tensor

__all__ = ["Camera", "Canvas", "blank", "reduced"]


class Canvas(NamedTuple):
    """One picture, drawn into in place; contiguous."""

    colors: Float[Tensor, "h w 3"]
    """RGB."""
    depths: Float[Tensor, "h w"]
    """z-depth, infinite where nothing is."""
    ids: Int32[Tensor, "h w"]
    """Number of what is seen, -1 where nothing of this call."""


class Camera(NamedTuple):
    """A pinhole camera, in the precision that all backends compute with."""

    world_from_camera: Float64[Tensor, "4 4"]
    """Pose, OpenCV axes."""
    matrix: Float64[Tensor, "3 3"]
    """Calibration, in samples."""
    near: float
    """What has this z-depth or less is not drawn."""


def blank(
    background: tuple[float, float, float] | Float[Tensor, "c h w 3"],
    depth: Float[Tensor, "c h w"] | None,
    shape: tuple[int, int, int],
    samples: int,
    device: torch.device,
) -> Canvas:
    """All pictures before anything is drawn, ``samples`` by ``samples`` a pixel."""
    cameras, height, width = shape
    if isinstance(background, Tensor):
        colors = _repeated(background, samples)
    else:
        colors = torch.tensor(background, dtype=torch.float32, device=device)
    size = (cameras, height * samples, width * samples)
    colors = colors.expand(*size, 3).clone(memory_format=torch.contiguous_format)
    if depth is None:
        depths = torch.full(size, torch.inf, device=device)
    else:
        depths = _repeated(depth, samples).clone(memory_format=torch.contiguous_format)
    return Canvas(colors, depths, torch.full(size, -1, dtype=torch.int32, device=device))


def reduced(canvas: Canvas, samples: int) -> Canvas:
    """One sample a pixel: the mean colour; depth and number of the nearest sample."""
    if samples == 1:
        return canvas
    colors, depths, ids = (_of_pixel(value, samples) for value in canvas)
    nearest = depths.argmin(-1, keepdim=True)  # the first of equally near ones
    return Canvas(
        colors.mean(-2), depths.gather(-1, nearest)[..., 0], ids.gather(-1, nearest)[..., 0]
    )


def _of_pixel(samples: Tensor, count: int) -> Tensor:
    """Samples ``[c, h s, w s, ...]`` as ``[c, h, w, s s, ...]``."""
    cameras, height, width, *rest = samples.shape
    blocks = samples.reshape(cameras, height // count, count, width // count, count, *rest)
    return blocks.transpose(2, 3).flatten(3, 4)


def _repeated(image: Tensor, samples: int) -> Tensor:
    return image.repeat_interleave(samples, 1).repeat_interleave(samples, 2)
