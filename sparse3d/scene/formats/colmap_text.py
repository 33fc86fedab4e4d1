"""COLMAP's ``cameras.txt``, ``images.txt`` and ``points3D.txt``.

Lines that start with ``#`` are comments. An image takes two lines, the second lists keypoints and
may be empty. Layout: https://colmap.github.io/format.html.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from sparse3d.errors import DataError
from sparse3d.geometry.intrinsics import Intrinsics
from sparse3d.scene.formats.colmap_lens import lens_from_colmap, model_named
from sparse3d.scene.formats.colmap_model import ColmapImage, cloud_from_colmap
from sparse3d.scene.points import PointCloud

__all__ = ["read_cameras", "read_images", "read_points"]


def read_cameras(path: Path) -> dict[int, Intrinsics]:
    """Intrinsics by camera id.

    Raises:
        DataError: If a line is not as documented, or a model is not supported.
    """
    return dict(_camera(path, line) for line in _lines(path) if line.strip())


def read_images(path: Path) -> list[ColmapImage]:
    """All posed images; keypoints are skipped.

    Raises:
        DataError: If a line is not as documented.
    """
    images = []
    lines = _lines(path)
    for line in lines:
        if line.strip():
            images.append(_image(path, line))
            next(lines, None)  # keypoints; an editor may have stripped the last, empty line
    return images


def read_points(path: Path) -> PointCloud:
    """All points, without the images that see them.

    Raises:
        DataError: If a line is not as documented.
    """
    if not any(line.strip() for line in _lines(path)):
        return cloud_from_colmap(np.empty((0, 3)), np.empty((0, 3)), np.empty(0), None)
    try:
        table = np.loadtxt(path, usecols=range(1, 8), ndmin=2)
    except (ValueError, IndexError) as error:
        raise DataError(path, f"lines of POINT3D_ID X Y Z R G B ERROR expected ({error})") from None
    return cloud_from_colmap(table[:, :3], table[:, 3:6], table[:, 6], None)


def _lines(path: Path) -> Iterator[str]:
    try:
        with path.open(encoding="utf-8") as file:
            yield from (line for line in file if not line.startswith("#"))
    except UnicodeDecodeError:
        raise DataError(path, "UTF-8 text expected") from None
    except OSError as error:
        raise DataError(path, f"COLMAP file expected, but it cannot be read ({error})") from None


def _camera(path: Path, line: str) -> tuple[int, Intrinsics]:
    words = line.split()
    if len(words) < 4:
        raise _bad_line(path, "CAMERA_ID MODEL WIDTH HEIGHT PARAMS...", line)
    model = model_named(words[1], path)
    if len(words) != 4 + model.count:
        raise _bad_line(path, f"{model.count} parameters of a {model.name} camera", line)
    try:
        number, width, height = int(words[0]), int(words[2]), int(words[3])
        values = [float(word) for word in words[4:]]
    except ValueError:
        raise _bad_line(path, "numbers", line) from None
    return number, lens_from_colmap(model, width, height, values, path)


def _image(path: Path, line: str) -> ColmapImage:
    words = line.split(maxsplit=9)  # a name may hold spaces
    try:
        number, camera, name = int(words[0]), int(words[8]), words[9].rstrip()
        qw, qx, qy, qz, tx, ty, tz = (float(word) for word in words[1:8])
    except (ValueError, IndexError):
        raise _bad_line(path, "IMAGE_ID QW QX QY QZ TX TY TZ CAMERA_ID NAME", line) from None
    return ColmapImage(number, (qw, qx, qy, qz), (tx, ty, tz), camera, name)


def _bad_line(path: Path, wanted: str, line: str) -> DataError:
    return DataError(path, f"{wanted} expected, got {line.strip()[:80]!r}")
