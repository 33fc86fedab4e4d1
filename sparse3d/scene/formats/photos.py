"""The image files of posed cameras: where they are, whether they fit, copies of them."""

import os
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

from PIL import Image

from sparse3d.errors import DataError
from sparse3d.geometry.intrinsics import Intrinsics
from sparse3d.scene.camera import Camera
from sparse3d.scene.images import image_size, read_grey

__all__ = [
    "check_sizes",
    "file_names",
    "inside",
    "link_or_copy",
    "name_in",
    "place_mask",
    "require_file",
]

_CHECK_ALL = 200
"""Scenes of at most so many images have every header read when opened."""


def inside(folder: Path, text: str, source: Path) -> Path:
    """The file that a relative path names below ``folder``.

    Links on disk are followed; only the path as written is judged.

    Args:
        folder: The folder that must hold the file.
        text: The path as it stands in ``source``.
        source: The file that names it, for the message.

    Raises:
        DataError: If the path leads out of the folder.
    """
    path = Path(os.path.normpath(folder / text))
    if not path.is_relative_to(os.path.normpath(folder)):
        raise DataError(source, f"path {text!r} leads out of the folder of the scene")
    return path


def require_file(path: Path, source: Path) -> Path:
    """The path itself, if there is such a file.

    Raises:
        DataError: If there is none; the message names it and who asks for it.
    """
    if not os.path.isfile(path):  # noqa: PTH113  several times faster, and there are thousands
        raise DataError(path, f"file expected by {source.name}, but there is no such file")
    return path


def name_in(folder: Path, path: Path) -> str:
    """Name of a camera: its image's path relative to the scene, with forward slashes."""
    return path.relative_to(os.path.normpath(folder)).as_posix()


def check_sizes(cameras: Sequence[Camera]) -> None:
    """Compare images with their intrinsics by their headers.

    Every image of a scene of up to 200, the first of each intrinsics of a larger one: the others
    are checked when they are read.

    Raises:
        DataError: If an image has another size than its intrinsics.
    """
    seen: set[Intrinsics] = set()
    for camera in cameras:
        lens = camera.intrinsics
        if camera.image_path is None or (len(cameras) > _CHECK_ALL and lens in seen):
            continue
        seen.add(lens)
        width, height = image_size(camera.image_path)
        if (width, height) != (lens.width, lens.height):
            raise DataError(
                camera.image_path,
                f"image is {width}x{height}, but its camera's intrinsics are for"
                f" {lens.width}x{lens.height}",
            )


def file_names(cameras: Iterable[Camera]) -> list[str]:
    """A distinct relative file name for the image of each camera, after the camera's own name.

    A leading ``images/`` is left out, the suffix is that of the image file (``.png`` where there
    is none), and names that would meet on a file system that ignores case get a number.
    """
    taken: set[str] = set()
    return [_distinct(_file_name(camera), taken) for camera in cameras]


def link_or_copy(source: Path, target: Path) -> None:
    """Make ``target`` the same file as ``source``: a hard link where possible, else a copy."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:  # another disk, another owner, or a file system without links
        shutil.copyfile(source, target)


def place_mask(source: Path, target: Path) -> None:
    """Link or copy a mask to a ``.png`` path; other image formats are encoded again."""
    if source.suffix.lower() == ".png":
        link_or_copy(source, target)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(read_grey(source).numpy()).save(target)


def _file_name(camera: Camera) -> str:
    suffix = ".png" if camera.image_path is None else camera.image_path.suffix
    parts = [part for part in PurePosixPath(camera.name).parts if part not in ("/", "..")]
    if len(parts) > 1 and parts[0] == "images":
        parts = parts[1:]
    name = "/".join(parts) or "image"
    return name if name.lower().endswith(suffix.lower()) else name + suffix


def _distinct(name: str, taken: set[str]) -> str:
    path, number, candidate = PurePosixPath(name), 1, name
    while candidate.lower() in taken:
        number += 1
        candidate = str(path.with_name(f"{path.stem}_{number}{path.suffix}"))
    taken.add(candidate.lower())
    return candidate
