"""Airborne and terrestrial scans in LAS files, and LAZ where a decompressor is installed.

Layout: ASPRS, "LAS specification 1.4 - R15".
"""

import struct
from pathlib import Path

import numpy as np
import torch

from sparse3d.errors import DataError, MissingDependencyError
from sparse3d.scene.formats.arrays import check_fits, file_size, head, tensor_of
from sparse3d.scene.formats.format import Format
from sparse3d.scene.points import PointCloud
from sparse3d.scene.scene import Scene
from sparse3d.scene.stored import Stored

__all__ = ["FORMAT", "read_points"]

_LEGACY_HEADER = 227
_POSITION = frozenset({"X", "Y", "Z"})
_COLORS = ("red", "green", "blue")


def read_points(path: Path) -> PointCloud:
    """All points, positions float64 in the file's coordinate system.

    Classification becomes ``labels``, 16-bit colours are scaled to [0, 1] (8-bit ones stored in
    their place, too), ``gps_time`` and all other dimensions become ``extra``.

    Raises:
        DataError: If the file is damaged, cut short or without points.
        MissingDependencyError: If it is compressed and no decompressor is installed.
    """
    _count(path)
    import laspy  # slow to import, needed here only

    try:
        las = laspy.read(path)
        positions = np.ascontiguousarray(las.xyz)
        columns = {name: np.array(las[name]) for name in las.point_format.dimension_names}
    except (laspy.errors.LaspyException, ValueError, OSError, struct.error) as error:
        raise DataError(path, f"not a readable LAS file ({error})") from None
    colors = None
    if all(name in columns for name in _COLORS):
        values = np.stack([columns.pop(name) for name in _COLORS], 1).astype(np.float32)
        colors = torch.from_numpy(values / (255.0 if values.max() < 256 else 65535.0))
    intensities, labels = columns.pop("intensity"), columns.pop("classification")
    return PointCloud(
        torch.from_numpy(positions),
        colors=colors,
        intensities=torch.from_numpy(intensities.astype(np.float32)),
        labels=torch.from_numpy(labels.astype(np.int32)),
        extra={name: tensor_of(v) for name, v in columns.items() if name not in _POSITION},
    )


def _count(path: Path) -> int:
    """Number of points by the header, after checking that the file can hold them."""
    data = head(path, 375)
    if len(data) < _LEGACY_HEADER or not data.startswith(b"LASF"):
        file_size(path)
        raise DataError(path, "not a LAS file, or cut short within its header")
    header, start, records, kind, row, count = struct.unpack_from("<HIIBHI", data, 94)
    check_fits(path, header + 54 * records, min(start, file_size(path)), f"{records} records")
    if data[25] >= 4:
        if len(data) < 255:
            raise DataError(path, "LAS file is cut short within its header")
        end, records, count = struct.unpack_from("<QIQ", data, 235)
        if records:
            check_fits(path, end + 60 * records, file_size(path), f"{records} records at its end")
    if count == 0:
        raise DataError(path, "point cloud is empty, at least one point expected")
    if kind & 0xC0:
        _require_decompressor(path)
    else:
        check_fits(path, count * row, file_size(path) - start, f"{count} points")
    return count


def _require_decompressor(path: Path) -> None:
    import laspy

    if not laspy.LazBackend.detect_available():
        raise MissingDependencyError(
            f"{path}: compressed LAS needs a LAZ backend", "pip install lazrs"
        )


def _read(path: Path) -> Scene:
    points = Stored(path, read_points, _count(path))
    return Scene(path.stem, points=points, metric=True, format="las", source=path)


FORMAT = Format(
    name="las",
    summary="LAS or LAZ scan",
    recognises=lambda path: head(path, 4) == b"LASF",
    read=_read,
)
