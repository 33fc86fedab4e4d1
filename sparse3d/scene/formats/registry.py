"""All disk formats in the order in which they are tried, and the way in and out for scenes."""

import os
from pathlib import Path

from sparse3d.errors import ConfigError, DataError
from sparse3d.scene.formats import (
    blender,
    clouds,
    colmap,
    compressed_ply,
    gaussian_ply,
    kitti,
    las,
    lidar_bin,
    nerfstudio,
    obj,
    pcd,
    ply,
    pts,
    scene_folder,
    semantic_kitti,
)
from sparse3d.scene.formats.format import Format
from sparse3d.scene.scene import Scene

__all__ = [
    "FORMATS",
    "format_named",
    "is_recognised",
    "open_scene",
    "recognise",
    "recognised_files",
    "save_scene",
]

FORMATS: tuple[Format, ...] = (
    scene_folder.FORMAT,
    blender.FORMAT,
    nerfstudio.FORMAT,
    colmap.FORMAT,
    colmap.TEXT_FORMAT,
    kitti.FORMAT,
    semantic_kitti.FORMAT,
    clouds.FORMAT,
    compressed_ply.FORMAT,
    gaussian_ply.FORMAT,
    ply.FORMAT,
    pcd.FORMAT,
    las.FORMAT,
    obj.FORMAT,
    pts.FORMAT,
    lidar_bin.FORMAT,
)
"""Of the formats that recognise a path, the first counts: the more particular ones come first."""


def recognise(path: Path) -> Format:
    """The format of a file or folder, judged by its contents.

    Raises:
        DataError: If there is nothing at the path, it may not be read, or no format fits; the
            message lists them.
    """
    if not path.exists():
        raise DataError(path, "no such file or folder")
    found = _first_that_fits(path)
    if found is None and not os.access(path, os.R_OK):
        raise DataError(path, "cannot be read (Permission denied)")
    if found is None:
        known = ", ".join(form.name for form in FORMATS if form.read)
        raise DataError(path, f"not recognised as any of {known}")
    return found


def is_recognised(path: Path) -> bool:
    """Whether a format fits what is at a path, which exists."""
    return _first_that_fits(path) is not None


def recognised_files(folder: Path) -> tuple[Path, ...]:
    """The files right in a folder that a format fits, sorted by name."""
    return tuple(
        path for path in sorted(folder.iterdir()) if path.is_file() and is_recognised(path)
    )


def open_scene(path: Path) -> Scene:
    """Open whatever is at a path; photos and bulk data stay on disk until they are asked for.

    Raises:
        DataError: If the path is not recognised or its files are not what they should be.
    """
    form = recognise(path)
    if form.read is None:
        raise DataError(path, f"{form.name} files can be written, but not read")
    return form.read(path)


def save_scene(scene: Scene, path: Path, format_name: str) -> None:
    """Write a scene in a format of :data:`FORMATS`, whole or not at all.

    Raises:
        ConfigError: If there is no such format, or it cannot be written.
        DataError: If the format cannot hold the scene, or the output cannot be written.
    """
    form = format_named(format_name)
    if form.write is None:
        raise ConfigError(f"format {format_name} can only be read; writable are {_writable()}")
    form.write(scene, path)


def format_named(name: str) -> Format:
    """The format of a name, as in ``convert --to NAME``.

    Raises:
        ConfigError: If there is none.
    """
    found = next((form for form in FORMATS if form.name == name), None)
    if found is None:
        raise ConfigError(f"no format is named {name!r}; writable are {_writable()}")
    return found


def _first_that_fits(path: Path) -> Format | None:
    return next((form for form in FORMATS if form.recognises(path)), None)


def _writable() -> str:
    return ", ".join(form.name for form in FORMATS if form.write)
