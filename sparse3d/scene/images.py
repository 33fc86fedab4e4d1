"""Images, masks and depth maps on disk."""

import io
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from sparse3d.errors import DataError

__all__ = [
    "check_whole",
    "has_alpha",
    "image_size",
    "read_depth",
    "read_grey",
    "read_rgba",
    "write_depth",
    "write_rgb",
]


def image_size(path: Path) -> tuple[int, int]:
    """Width and height from the header, without decoding.

    Raises:
        DataError: If the file is missing or no image.
    """
    with _open(path) as image:
        return image.size


def has_alpha(path: Path) -> bool:
    """Whether the image has an alpha channel, from its header."""
    with _open(path) as image:
        return "A" in image.getbands() or "transparency" in image.info


def check_whole(path: Path) -> None:
    """Read an image to its end without keeping pixels, as cheaply as its format allows.

    Raises:
        DataError: If the file is missing, truncated or no image.
    """
    with _open(path) as image:
        try:
            if image.format == "PNG":
                image.verify()  # its checksums
                return
            image.draft(None, (1, 1))  # JPEG: an eighth of the size
            image.load()
        except (OSError, SyntaxError, ValueError) as error:
            raise DataError(path, f"image is damaged or cut short ({error})") from None


def read_rgba(path: Path, size: tuple[int, int] | None = None) -> Float[Tensor, "h w 4"]:
    """RGB and straight alpha in [0, 1]; alpha is 1 where the file has none.

    Args:
        path: Any image that Pillow reads.
        size: Expected width and height.

    Raises:
        DataError: If the file is missing, truncated, no image or of another size.
    """
    with _open(path) as image:
        _check_size(path, image.size, size)
        pixels = _decoded(path, image, "RGBA")
    return torch.from_numpy(pixels).float() / 255


def read_grey(path: Path, size: tuple[int, int] | None = None) -> UInt8[Tensor, "h w"]:
    """First channel of an image as stored, 0 to 255; errors as :func:`read_rgba`."""
    with _open(path) as image:
        _check_size(path, image.size, size)
        return torch.from_numpy(_decoded(path, image, "L"))


def read_depth(
    path: Path, size: tuple[int, int] | None, scale: float | None = None
) -> Float[Tensor, "h w"]:
    """z-depth in scene units from ``.npy`` or a 16-bit image.

    Args:
        path: The file.
        size: Expected width and height.
        scale: Scene units of one count; None is 1 for ``.npy`` and 1e-3 for images.

    Raises:
        DataError: If the file is missing, truncated, not two-dimensional or of another size.
    """
    if path.suffix == ".npy":
        depth = _load_npy(path)
        _check_size(path, (depth.shape[-1], depth.shape[0]), size)
        return torch.from_numpy(depth.astype(np.float32)) * (1.0 if scale is None else scale)
    with _open(path) as image:
        _check_size(path, image.size, size)
        counts = _decoded(path, image, None)
    return torch.from_numpy(counts.astype(np.float32)) * (1e-3 if scale is None else scale)


def write_rgb(path: Path, image: Float[Tensor, "h w 3"]) -> None:
    """Write an image in [0, 1] as 8-bit PNG or JPEG, by the suffix of ``path``."""
    pixels = (image.detach().clamp(0, 1) * 255).round().to(torch.uint8).numpy()
    Image.fromarray(pixels).save(path)


def write_depth(path: Path, depth: Float[Tensor, "h w"]) -> None:
    """Write z-depth in scene units as a float32 ``.npy``."""
    content = io.BytesIO()
    np.save(content, depth.detach().float().numpy())
    path.write_bytes(content.getvalue())  # np.save would not say that the disk is full


def _open(path: Path) -> Image.Image:
    try:
        return Image.open(path)
    except FileNotFoundError:
        raise DataError(path, "image expected, but there is no such file") from None
    except (UnidentifiedImageError, OSError) as error:
        raise DataError(path, f"not a readable image ({error})") from None


def _decoded(path: Path, image: Image.Image, mode: str | None) -> np.ndarray:
    try:
        return np.array(image if mode is None else image.convert(mode))
    except (OSError, SyntaxError, ValueError) as error:
        raise DataError(path, f"image is damaged or cut short ({error})") from None


def _load_npy(path: Path) -> np.ndarray:
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(path, f"not a readable depth array ({error})") from None
    if array.ndim != 2:
        raise DataError(path, f"depth must have two dimensions, got shape {array.shape}")
    return array


def _check_size(path: Path, actual: tuple[int, int], wanted: tuple[int, int] | None) -> None:
    if wanted is not None and actual != wanted:
        raise DataError(
            path,
            f"image is {actual[0]}x{actual[1]}, but its camera's intrinsics are for"
            f" {wanted[0]}x{wanted[1]}",
        )
