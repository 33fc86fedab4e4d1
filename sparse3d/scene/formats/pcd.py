"""Point clouds in PCD files (Point Cloud Library), version 0.7 and before.

The three encodings are read: ``ascii``, ``binary`` and ``binary_compressed``. ``VIEWPOINT`` is
where the sensor stood and moves no point, as in other readers. Packed ``rgb`` and ``rgba`` fields
are taken apart. Layout: pointclouds.org, "The PCD file format".
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sparse3d.errors import DataError
from sparse3d.scene.formats.arrays import check_fits, file_size, head, read_all, read_rows
from sparse3d.scene.formats.columns import cloud_from_columns
from sparse3d.scene.formats.format import Format
from sparse3d.scene.formats.lzf import decompress
from sparse3d.scene.points import PointCloud
from sparse3d.scene.scene import Scene
from sparse3d.scene.stored import Stored

__all__ = ["FORMAT", "read_points"]

_MAX_HEADER = 1 << 16
_DATA_LINE = re.compile(rb"^DATA[ \t]+(\S+)[ \t]*\r?\n", re.MULTILINE)
_CODES = {(kind, size) for kind in "IU" for size in (1, 2, 4, 8)} | {("F", 4), ("F", 8)}


@dataclass(frozen=True, slots=True)
class _Header:
    path: Path
    fields: tuple[str, ...]
    types: tuple[np.dtype, ...]
    counts: tuple[int, ...]
    points: int
    encoding: str
    size: int

    @property
    def row_bytes(self) -> int:
        return sum(kind.itemsize * n for kind, n in zip(self.types, self.counts, strict=True))


def read_points(path: Path) -> PointCloud:
    """All points with all fields; unknown ones become ``extra``, NaN points stay.

    Raises:
        DataError: If the file is damaged, cut short or without points.
    """
    header = _read_header(path)
    readers = {"ascii": _ascii, "binary": _binary, "binary_compressed": _compressed}
    blocks = readers[header.encoding](header)
    columns: dict[str, np.ndarray] = {}
    for name, block in zip(header.fields, blocks, strict=True):
        if name in ("rgb", "rgba") and block.shape[1] == 1 and block.dtype.itemsize == 4:
            columns |= _unpacked(block[:, 0], alpha=name == "rgba")
        elif name != "_":  # padding
            columns[name] = block[:, 0] if block.shape[1] == 1 else block
    return cloud_from_columns(path, columns)


def _read_header(path: Path) -> _Header:
    data = head(path, _MAX_HEADER)
    match = _DATA_LINE.search(data)
    if match is None:
        file_size(path)
        raise DataError(path, "PCD header has no DATA line: file is cut short or damaged")
    entries: dict[str, list[str]] = {}
    for line in data[: match.end()].decode("ascii", "replace").splitlines():
        words = line.split()
        if words and not words[0].startswith("#"):
            entries[words[0]] = words[1:]
    header = _header(path, entries, match.end())
    _check(header)
    return header


def _header(path: Path, entries: dict[str, list[str]], size: int) -> _Header:
    fields = tuple(entries.get("FIELDS", ()))
    sizes = _whole(path, entries, "SIZE")
    counts = _whole(path, entries, "COUNT") if "COUNT" in entries else [1] * len(fields)
    kinds = entries.get("TYPE", [])
    if not fields or not len(fields) == len(sizes) == len(kinds) == len(counts):
        raise DataError(path, "PCD header needs FIELDS, SIZE, TYPE and COUNT of equal length")
    for kind in zip(kinds, sizes, strict=True):
        if kind not in _CODES:
            raise DataError(path, f"PCD field of unknown type {kind[0]} with {kind[1]} bytes")
    types = tuple(np.dtype(f"<{k.lower()}{n}") for k, n in zip(kinds, sizes, strict=True))
    area = [*_whole(path, entries, "WIDTH"), *_whole(path, entries, "HEIGHT")]
    points = _whole(path, entries, "POINTS") if "POINTS" in entries else [area[0] * area[-1]]
    if len(points) != 1 or (len(area) == 2 and area[0] * area[1] != points[0]):
        raise DataError(path, f"PCD header promises {points} points, but WIDTH x HEIGHT is {area}")
    return _Header(path, fields, types, tuple(counts), points[0], entries["DATA"][0], size)


def _whole(path: Path, entries: dict[str, list[str]], key: str) -> list[int]:
    words = entries.get(key, [])
    if not words or not all(re.fullmatch(r"[0-9]{1,18}", word) for word in words):
        raise DataError(
            path, f"PCD header: {key} needs whole numbers, got {' '.join(words)[:60]!r}"
        )
    return [int(word) for word in words]


def _check(header: _Header) -> None:
    promise = f"{header.points} points"
    available = file_size(header.path) - header.size
    if header.row_bytes == 0 or len(set(header.fields) - {"_"}) != len(
        [name for name in header.fields if name != "_"]
    ):
        raise DataError(header.path, "PCD fields must have different names and at least one value")
    if header.encoding == "ascii":
        check_fits(header.path, 2 * header.points * sum(header.counts) - 1, available, promise)
    elif header.encoding == "binary":
        check_fits(header.path, header.points * header.row_bytes, available, promise)
    elif header.encoding == "binary_compressed":
        check_fits(header.path, 8, available, "the sizes of compressed data")
    else:
        raise DataError(header.path, f"PCD data are {header.encoding!r}, which is not known")


def _ascii(header: _Header) -> list[np.ndarray]:
    width = sum(header.counts)
    words = read_all(header.path)[header.size :].split()
    if len(words) < header.points * width:
        raise DataError(header.path, f"file is cut short: {header.points} points promised")
    table = np.array(words[: header.points * width]).reshape(header.points, width)
    blocks, start = [], 0
    for kind, count in zip(header.types, header.counts, strict=True):
        blocks.append(_numbers(header.path, table[:, start : start + count], kind))
        start += count
    return blocks


def _numbers(path: Path, words: np.ndarray, kind: np.dtype) -> np.ndarray:
    try:
        return words.astype(kind)  # integers are parsed as such: packed colours need all 32 bits
    except (ValueError, OverflowError) as error:
        raise DataError(path, f"PCD body has something else than numbers ({error})") from None


def _binary(header: _Header) -> list[np.ndarray]:
    row = np.dtype(
        [
            (f"f{i}", kind, (n,))
            for i, (kind, n) in enumerate(zip(header.types, header.counts, strict=True))
        ]
    )
    rows = read_rows(header.path, row, header.points, header.size)
    return [rows[f"f{i}"] for i in range(len(header.fields))]


def _compressed(header: _Header) -> list[np.ndarray]:
    body = read_all(header.path)[header.size :]
    packed, plain = (int(n) for n in np.frombuffer(body, "<u4", 2))
    check_fits(header.path, packed, len(body) - 8, f"{packed} compressed bytes")
    if plain != header.points * header.row_bytes:
        raise DataError(
            header.path, f"compressed data hold {plain} bytes, not {header.points} points"
        )
    try:
        data = decompress(body[8 : 8 + packed], plain)
    except ValueError as error:
        raise DataError(header.path, str(error)) from None
    blocks, start = [], 0
    for kind, count in zip(header.types, header.counts, strict=True):  # one field after the other
        values = np.frombuffer(data, kind, header.points * count, start)
        blocks.append(values.reshape(header.points, count))
        start += values.nbytes
    return blocks


def _unpacked(values: np.ndarray, *, alpha: bool) -> dict[str, np.ndarray]:
    bits = np.ascontiguousarray(values).view(np.uint32)
    names = {"red": 16, "green": 8, "blue": 0} | ({"alpha": 24} if alpha else {})
    return {name: (bits >> shift & 255).astype(np.uint8) for name, shift in names.items()}


def _recognises(path: Path) -> bool:
    data = head(path, _MAX_HEADER)
    lines = [line for line in data.split(b"\n", 200) if line.strip() and not line.startswith(b"#")]
    return bool(lines) and lines[0].split()[:1] in ([b"VERSION"], [b"FIELDS"])


def _read(path: Path) -> Scene:
    header = _read_header(path)
    if header.points == 0:
        raise DataError(path, "point cloud is empty, at least one point expected")
    points = Stored(path, read_points, header.points)
    return Scene(path.stem, points=points, format="pcd", source=path)


FORMAT = Format(
    name="pcd",
    summary="PCD point cloud (ascii, binary or binary_compressed)",
    recognises=_recognises,
    read=_read,
)
