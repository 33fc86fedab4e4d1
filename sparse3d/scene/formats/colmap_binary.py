"""COLMAP's ``cameras.bin``, ``images.bin`` and ``points3D.bin``.

Little-endian records after a 64-bit count (``src/colmap/scene/reconstruction_io_binary.cc``)::

    camera  uint32 id, int32 model, uint64 width, uint64 height, float64 parameters...
    image   uint32 id, float64 qw qx qy qz tx ty tz, uint32 camera, name, 0,
            uint64 count, count x (float64 x, float64 y, uint64 point)
    point   uint64 id, float64 x y z, uint8 r g b, float64 error,
            uint64 count, count x (uint32 image, uint32 keypoint)
"""

import mmap
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from sparse3d.errors import DataError
from sparse3d.geometry.intrinsics import Intrinsics
from sparse3d.scene.formats.colmap_lens import lens_from_colmap, model_numbered
from sparse3d.scene.formats.colmap_model import ColmapImage, cloud_from_colmap
from sparse3d.scene.points import PointCloud

__all__ = ["CAMERA", "IMAGE", "POINT", "count_points", "read_cameras", "read_images", "read_points"]

CAMERA = struct.Struct("<IiQQ")
"""Camera: id, model, width, height; parameters follow."""
IMAGE = struct.Struct("<I7dI")
"""Image: id, quaternion, translation, camera; name and keypoints follow."""
POINT = np.dtype(
    [("id", "<u8"), ("xyz", "<f8", 3), ("rgb", "u1", 3), ("error", "<f8"), ("track", "<u8")]
)
"""Point: its last field is the number of track entries, which follow."""

_COUNT = struct.Struct("<Q")
_KEYPOINT_SIZE = 24
_TRACK_ENTRY_SIZE = 8


def read_cameras(path: Path) -> dict[int, Intrinsics]:
    """Intrinsics by camera id.

    Raises:
        DataError: If the file is cut short, or a model is not supported.
    """
    cameras: dict[int, Intrinsics] = {}
    with _mapped(path) as data:
        at = _COUNT.size
        for _ in range(_checked_count(path, data, CAMERA.size)):
            number, model_number, width, height = _unpack(path, data, CAMERA, at)
            model = model_numbered(model_number, path)
            parameters = struct.Struct(f"<{model.count}d")
            values = _unpack(path, data, parameters, at + CAMERA.size)
            cameras[number] = lens_from_colmap(model, width, height, values, path)
            at += CAMERA.size + parameters.size
    return cameras


def read_images(path: Path) -> list[ColmapImage]:
    """All posed images; the keypoints between them are skipped, not read.

    Raises:
        DataError: If the file is cut short, or a name is not UTF-8.
    """
    images = []
    with _mapped(path) as data:
        at = _COUNT.size
        for _ in range(_checked_count(path, data, IMAGE.size)):
            number, *pose, camera = _unpack(path, data, IMAGE, at)
            name, at = _name(path, data, at + IMAGE.size)
            images.append(ColmapImage(number, tuple(pose[:4]), tuple(pose[4:]), camera, name))
            (keypoints,) = _unpack(path, data, _COUNT, at)
            at += _COUNT.size + keypoints * _KEYPOINT_SIZE
            if at > len(data):
                raise _cut_short(path)
    return images


def count_points(path: Path) -> int:
    """Number of points, from the header.

    Raises:
        DataError: If the file is too short for so many points.
    """
    with _mapped(path) as data:
        return _checked_count(path, data, POINT.itemsize)


def read_points(path: Path) -> PointCloud:
    """All points, without the images that see them.

    Raises:
        DataError: If the file is cut short.
    """
    data = path.read_bytes()
    at, rows, size = _COUNT.size, [], POINT.itemsize
    for _ in range(_checked_count(path, data, size)):  # millions of times: nothing but this
        row = data[at : at + size]
        rows.append(row)
        at += size + _TRACK_ENTRY_SIZE * int.from_bytes(row[-8:], "little")
    if at > len(data):
        raise _cut_short(path)
    table = np.frombuffer(b"".join(rows), POINT)
    return cloud_from_colmap(table["xyz"], table["rgb"], table["error"], table["track"])


@contextmanager
def _mapped(path: Path) -> Iterator[mmap.mmap]:
    """The file as bytes that are read from disk only where looked at."""
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            yield data
    except FileNotFoundError:
        raise DataError(path, "COLMAP file expected, but there is no such file") from None
    except ValueError:  # an empty file cannot be mapped
        raise _cut_short(path) from None


def _checked_count(path: Path, data: mmap.mmap | bytes, least_size: int) -> int:
    (count,) = _unpack(path, data, _COUNT, 0)
    if count * least_size > len(data) - _COUNT.size:
        raise DataError(
            path, f"header promises {count} entries, but the file has only {len(data)} bytes"
        )
    return count


def _unpack(path: Path, data: mmap.mmap | bytes, layout: struct.Struct, at: int) -> tuple:
    if at + layout.size > len(data):
        raise _cut_short(path)
    return layout.unpack_from(data, at)


def _name(path: Path, data: mmap.mmap, at: int) -> tuple[str, int]:
    end = data.find(b"\0", at)
    if end < 0:
        raise _cut_short(path)
    try:
        return data[at:end].decode(), end + 1
    except UnicodeDecodeError:
        raise DataError(path, f"image name {data[at:end]!r} is not UTF-8") from None


def _cut_short(path: Path) -> DataError:
    return DataError(path, "COLMAP file is damaged or cut short")
