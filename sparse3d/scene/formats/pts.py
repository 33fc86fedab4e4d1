"""Point clouds in PTS text files: a line with the count, then a point a line.

A point is ``x y z``, ``x y z intensity``, ``x y z red green blue`` or ``x y z intensity red green
blue`` with colours from 0 to 255 (Leica's export).
"""

import re
from pathlib import Path

import numpy as np
import torch

from sparse3d.errors import DataError
from sparse3d.scene.formats.arrays import check_fits, file_size, head, is_text, read_all
from sparse3d.scene.formats.format import Format
from sparse3d.scene.points import PointCloud
from sparse3d.scene.scene import Scene
from sparse3d.scene.stored import Stored

__all__ = ["FORMAT", "read_points"]

_WIDTHS = (3, 4, 6, 7)
_FIRST_LINE = re.compile(rb"\s*([0-9]{1,18})[ \t]*\r?\n")


def read_points(path: Path) -> PointCloud:
    """All points, float64 as the text has more digits than float32; non-finite ones stay.

    Raises:
        DataError: If the number of points is not the promised one, or lines are not of equal width.
    """
    count, start = _header(path)
    lines = [words for line in read_all(path)[start:].splitlines() if (words := line.split())]
    if len(lines) != count:
        raise DataError(path, f"first line promises {count} points, found {len(lines)} lines")
    table = _table(path, lines)
    rest = table[:, 3:]
    return PointCloud(
        torch.from_numpy(np.ascontiguousarray(table[:, :3])),
        colors=torch.from_numpy((rest[:, -3:] / 255).astype(np.float32))
        if rest.shape[1] >= 3
        else None,
        intensities=torch.from_numpy(rest[:, 0].astype(np.float32))
        if rest.shape[1] in (1, 4)
        else None,
    )


def _table(path: Path, lines: list[list[bytes]]) -> np.ndarray:
    width = len(lines[0])
    if width not in _WIDTHS or any(len(words) != width for words in lines):
        raise DataError(path, "every line must have 3, 4, 6 or 7 numbers, all lines the same")
    try:
        values = [float(word) for words in lines for word in words]
    except ValueError as error:
        raise DataError(path, f"lines must be made of numbers ({error})") from None
    return np.array(values, dtype=np.float64).reshape(-1, width)


def _header(path: Path) -> tuple[int, int]:
    match = _FIRST_LINE.match(head(path))
    if match is None:
        file_size(path)
        raise DataError(path, "first line of a PTS file must be the number of points")
    count = int(match[1])
    if count == 0:
        raise DataError(path, "point cloud is empty, at least one point expected")
    available = file_size(path) - match.end()
    check_fits(path, 6 * count - 1, available, f"{count} points")  # "0 0 0" and a line end
    return count, match.end()


def _recognises(path: Path) -> bool:
    data = head(path)
    match = _FIRST_LINE.match(data)
    if match is None or not is_text(data):
        return False
    words = data[match.end() :].split(b"\n", 1)[0].split()
    return not words or (len(words) in _WIDTHS and all(map(_is_number, words)))


def _is_number(word: bytes) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _read(path: Path) -> Scene:
    points = Stored(path, read_points, _header(path)[0])
    return Scene(path.stem, points=points, format="pts", source=path)


FORMAT = Format(
    name="pts",
    summary="PTS text file: the number of points, then x y z [intensity] [red green blue] a line",
    recognises=_recognises,
    read=_read,
)
