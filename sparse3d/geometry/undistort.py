"""The pinhole camera that sees the same through no lens: which one, and which pixel goes where.

The pinhole keeps the focal lengths, axes and pixel raster of the camera and is a rectangle of the
undistorted image in which every pixel lies inside the photo, so that no pixel must be invented.
"""

import math
from dataclasses import replace

import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor

from sparse3d.geometry.intrinsics import Intrinsics

__all__ = ["source_positions", "undistorted_pinhole"]

_CELLS = 96
"""Raster of the coarse search, cells along each side."""
_GROWTH = 2.0
"""The search covers so many times the width and height of the photo; a fisheye of 180 degrees
would otherwise need an endless plane."""

Rectangle = tuple[int, int, int, int]  # left, top, right, bottom; right and bottom excluded


def undistorted_pinhole(intrinsics: Intrinsics) -> Intrinsics:
    """The largest pinhole image without invented pixels, with unchanged focal lengths.

    The rectangle contains the direction of the middle of the photo. It is the largest of a coarse
    raster, then grown until no side can move by a pixel. All four neighbours that bilinear
    sampling mixes into any of its pixels are pixels of the photo. Parts of the plane where the
    lens model folds over are left out.

    Raises:
        ValueError: If the lens model has no valid direction around the middle of the photo.
    """
    if intrinsics.is_pinhole:
        return replace(intrinsics, lens="pinhole", distortion=())
    left, top, right, bottom = _grown(intrinsics, _shrunk(intrinsics, _coarse(intrinsics)))
    pinhole = replace(intrinsics, lens="pinhole", distortion=())
    return pinhole.cropped(left, top, right - left, bottom - top)


def source_positions(
    source: Intrinsics, pinhole: Intrinsics, dtype: torch.dtype = torch.float64
) -> Float[Tensor, "h w 2"]:
    """Where the centre of each pixel of ``pinhole`` lies in the photo of ``source``, pixels."""
    parts = pinhole.pixel_grid().split(64)  # a few rows at a time stay in the cache
    return torch.cat([source.project(pinhole.unproject(part))[0].to(dtype) for part in parts])


def _project(intrinsics: Intrinsics, pixels: Float64[Tensor, "*n 2"]) -> Float64[Tensor, "*n 2"]:
    """Positions in the photo of positions in the undistorted plane."""
    plane = replace(intrinsics, lens="pinhole", distortion=())
    return intrinsics.project(plane.unproject(pixels))[0]


def _valid(intrinsics: Intrinsics, pixels: Float64[Tensor, "*n 2"]) -> Bool[Tensor, "*n"]:
    """Whether a position maps inside the centres of the outermost pixels, without a fold."""
    x, y = 0.5 * torch.eye(2, dtype=torch.float64)
    around = torch.stack([pixels, pixels + x, pixels - x, pixels + y, pixels - y])
    mapped, right, left, below, above = _project(intrinsics, around)
    du, dv = right - left, below - above
    unfolded = du[..., 0] * dv[..., 1] - du[..., 1] * dv[..., 0] > 0
    last = pixels.new_tensor([intrinsics.width, intrinsics.height]) - 0.5
    return unfolded & ((mapped >= 0.5) & (mapped <= last)).all(-1)


def _coarse(intrinsics: Intrinsics) -> Rectangle:
    """The largest rectangle of valid raster points around the middle of the photo."""
    size = torch.tensor([intrinsics.width, intrinsics.height], dtype=torch.float64)
    plane = replace(intrinsics, lens="pinhole", distortion=())
    seed = plane.project(intrinsics.unproject(size / 2))[0]
    spacing = _GROWTH * size / _CELLS
    steps = torch.arange(-(_CELLS // 2), _CELLS // 2 + 1, dtype=torch.float64)
    x, y = (seed[i] + steps * spacing[i] for i in range(2))
    valid = _valid(intrinsics, torch.stack(torch.meshgrid(x, y, indexing="xy"), -1))
    if not bool(valid[_CELLS // 2, _CELLS // 2]):
        raise ValueError(
            f"the lens cannot be undistorted around the middle of the image: {intrinsics}"
        )
    left, top, right, bottom = _largest_around_middle(valid)
    return (
        math.floor(float(x[left])),
        math.floor(float(y[top])),
        math.floor(float(x[right])) + 1,
        math.floor(float(y[bottom])) + 1,
    )


def _largest_around_middle(valid: Bool[Tensor, "n n"]) -> Rectangle:
    """Columns and rows (last ones included) of the largest all-true rectangle with the middle."""
    middle = len(valid) // 2
    up = valid[: middle + 1].flip(0).cumprod(0)  # row t: whether the t + 1 rows above are valid
    down = valid[middle:].cumprod(0)
    open_columns = up[:, None] * down[None]  # [t, b, n]
    leftward = open_columns[..., : middle + 1].flip(-1).cumprod(-1).sum(-1)
    rightward = open_columns[..., middle:].cumprod(-1).sum(-1)
    extent = torch.arange(len(up))
    height = extent[:, None] + extent[None]
    best = int(((leftward + rightward - 2) * height).argmax())
    above, below = divmod(best, len(down))
    left, right = int(leftward.flatten()[best]) - 1, int(rightward.flatten()[best]) - 1
    return middle - left, middle - above, middle + right, middle + below


def _border(rectangle: Rectangle) -> list[Float64[Tensor, "n 2"]]:
    """Pixel centres of the left, top, right and bottom side."""
    left, top, right, bottom = rectangle
    x = torch.arange(left, right, dtype=torch.float64) + 0.5
    y = torch.arange(top, bottom, dtype=torch.float64) + 0.5
    return [
        torch.stack([torch.full_like(y, left + 0.5), y], -1),
        torch.stack([x, torch.full_like(x, top + 0.5)], -1),
        torch.stack([torch.full_like(y, right - 0.5), y], -1),
        torch.stack([x, torch.full_like(x, bottom - 0.5)], -1),
    ]


def _moved(rectangle: Rectangle, side: int, pixels: int) -> Rectangle:
    """The rectangle with one side moved outwards; negative: inwards."""
    sides = list(rectangle)
    sides[side] += pixels if side >= 2 else -pixels
    return sides[0], sides[1], sides[2], sides[3]


def _shrunk(intrinsics: Intrinsics, rectangle: Rectangle) -> Rectangle:
    """Sides moved inwards, the worst first, until all border pixels are valid."""
    while rectangle[2] > rectangle[0] and rectangle[3] > rectangle[1]:
        sides = _border(rectangle)
        valid = _valid(intrinsics, torch.cat(sides)).split([len(side) for side in sides])
        invalid = [int((~side).sum()) for side in valid]
        if not any(invalid):
            return rectangle
        rectangle = _moved(rectangle, invalid.index(max(invalid)), -1)
    raise ValueError(f"the lens leaves no undistorted pixel: {intrinsics}")


def _grown(intrinsics: Intrinsics, rectangle: Rectangle) -> Rectangle:
    """Sides moved outwards while all border pixels stay valid, in ever smaller steps."""
    limit = (_GROWTH * intrinsics.width, _GROWTH * intrinsics.height)
    step = 64
    while step:
        grown = rectangle
        for side in range(4):
            wider = _moved(grown, side, step)
            fits = wider[2] - wider[0] <= limit[0] and wider[3] - wider[1] <= limit[1]
            if fits and bool(_valid(intrinsics, torch.cat(_border(wider))).all()):
                grown = wider
        step = step if grown != rectangle else step // 2
        rectangle = grown
    return rectangle
