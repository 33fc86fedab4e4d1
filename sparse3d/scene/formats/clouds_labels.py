"""Boxes of LiDAR clouds as text rows or JSON, in the frame of the cloud.

A text row is ``x y z dx dy dz heading class [score]``: geometric centre, length, width and height
in metres, heading in radians about +z from +x. Lines that start with ``#`` are comments. In JSON a
box is ``{"center": [x, y, z], "size": [length, width, height], "yaw": radians, "class": name,
"score": number}``, the score optional.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from sparse3d.errors import DataError
from sparse3d.scene.boxes import Boxes3D
from sparse3d.scene.formats.arrays import read_all
from sparse3d.scene.formats.headings import turn_problem
from sparse3d.scene.formats.json_fields import Fields

__all__ = [
    "boxes_from_entries",
    "count_text_rows",
    "format_rows",
    "looks_like_rows",
    "read_json_boxes",
    "read_text_boxes",
]

_NUMBERS = ("x", "y", "z", "dx", "dy", "dz", "heading")
_KEYS = frozenset({"center", "size", "yaw", "class", "score"})


@dataclass(frozen=True, slots=True)
class _Row:
    numbers: tuple[float, ...]
    """x, y, z, length, width, height, yaw."""
    name: str
    score: float | None


def read_text_boxes(path: Path) -> Boxes3D:
    """The boxes of a text file; a file without rows is zero boxes.

    Raises:
        DataError: If a row has another number of columns, something else than finite numbers, a
            size that is not positive or a heading beyond a full turn; file and line are named.
    """
    rows = [_parse(path, number, words) for number, words in _lines(read_all(path))]
    return _boxes(path, rows)


def read_json_boxes(path: Path) -> Boxes3D:
    """The boxes of a JSON file that holds a list of them; errors name file and entry."""
    try:
        entries = json.loads(read_all(path))
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DataError(path, f"not valid JSON ({error})") from None
    return boxes_from_entries(path, entries)


def boxes_from_entries(path: Path, entries: object, where: str = "") -> Boxes3D:
    """The boxes of a list of JSON objects.

    Args:
        path: The file, for messages.
        entries: What the file holds; anything but a list of boxes is an error.
        where: Which part of the file, such as ``frame 000000``.

    Raises:
        DataError: If it is no list, or a box is not what it should be.
    """
    if not isinstance(entries, list):
        raise Fields(path, {}, where).error("a list of boxes expected")
    prefix = f"{where}, box" if where else "box"
    return _boxes(path, [_from_entry(path, e, f"{prefix} {i}") for i, e in enumerate(entries)])


def count_text_rows(path: Path) -> int:
    """Number of rows of a text file."""
    return len(_lines(read_all(path)))


def looks_like_rows(data: bytes) -> bool:
    """Whether the first row of a text could be one of boxes, or one of KITTI's labels."""
    lines = _lines(data)
    words = lines[0][1] if lines else []
    if _is_kitti(words):
        return True
    return len(words) in (8, 9) and all(map(_is_number, words[:7])) and not _is_number(words[7])


def format_rows(boxes: Boxes3D) -> str:
    """The text of a label file; white space in names becomes underscores."""
    rows = boxes.rows().float().cpu().numpy()
    scores = None if boxes.scores is None else boxes.scores.float().cpu().numpy()
    lines = []
    for i, name in enumerate(boxes.names):
        numbers = " ".join(map(str, rows[i]))  # the shortest texts that give the same float32
        score = "" if scores is None else f" {scores[i]}"
        lines.append(f"{numbers} {'_'.join(name.split()) or 'unnamed'}{score}\n")
    return "".join(lines)


def _lines(data: bytes) -> list[tuple[int, list[str]]]:
    """Line numbers and words of all lines but empty ones and comments."""
    lines = data.decode("utf-8", "replace").splitlines()
    split = ((number, line.split()) for number, line in enumerate(lines, 1))
    return [(number, words) for number, words in split if words and not words[0].startswith("#")]


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _is_kitti(words: Sequence[str]) -> bool:
    return len(words) in (15, 16) and not _is_number(words[0]) and all(map(_is_number, words[1:]))


def _parse(path: Path, number: int, words: list[str]) -> _Row:
    where = f"line {number}"
    if len(words) not in (8, 9):
        kitti = (
            "; it looks like a row of a KITTI label file, whose boxes are in the camera's frame"
            " and need the folders training/{velodyne,calib,label_2}"
        )
        raise DataError(
            path,
            f"{where}: 8 columns (x y z dx dy dz heading class) expected, 9 with a score, got"
            f" {len(words)}{kitti if _is_kitti(words) else ''}",
        )
    numbers = [_number(path, where, *pair) for pair in zip(_NUMBERS, words[:7], strict=True)]
    score = _number(path, where, "score", words[8]) if len(words) > 8 else None
    return _checked(path, where, _Row(tuple(numbers), words[7], score))


def _number(path: Path, where: str, column: str, word: str) -> float:
    if not _is_number(word):
        raise DataError(path, f"{where}: {column} must be a number, got {word!r}")
    return float(word)


def _from_entry(path: Path, entry: object, where: str) -> _Row:
    if not isinstance(entry, dict):
        raise DataError(path, f"{where}: a JSON object expected")
    fields = Fields(path, entry, where)
    unknown = sorted(set(entry) - _KEYS)
    if unknown:
        raise fields.error(f"unknown key {unknown[0]!r}; keys are {', '.join(sorted(_KEYS))}")
    yaw, name = fields.number("yaw"), fields.text("class")
    if yaw is None or name is None:
        raise fields.error(f"no {'yaw' if yaw is None else 'class'}")
    numbers = (*_triple(fields, "center"), *_triple(fields, "size"), yaw)
    return _checked(path, where, _Row(numbers, name, fields.number("score")))


def _triple(fields: Fields, key: str) -> tuple[float, ...]:
    values = fields.items(key)
    named = Fields(fields.source, dict(zip("012", values, strict=False)), f"{fields.where}, {key}")
    numbers = [named.number(index) for index in "012"]
    if len(values) != 3 or None in numbers:
        raise fields.error(f"{key} must be three numbers")
    return tuple(number for number in numbers if number is not None)


def _checked(path: Path, where: str, row: _Row) -> _Row:
    values = row.numbers if row.score is None else (*row.numbers, row.score)
    if not all(map(math.isfinite, values)):
        raise DataError(path, f"{where}: finite numbers expected, got {list(values)}")
    sizes = list(row.numbers[3:6])
    if min(sizes) <= 0:
        raise DataError(path, f"{where}: dx, dy, dz must be positive, got {sizes}")
    problem = turn_problem(row.numbers[6])
    if problem:
        raise DataError(path, f"{where}: heading {problem}")
    return row


def _boxes(path: Path, rows: Sequence[_Row]) -> Boxes3D:
    table = torch.tensor([row.numbers for row in rows], dtype=torch.float64).reshape(-1, 7).float()
    scores = [row.score for row in rows if row.score is not None]
    if scores and len(scores) < len(rows):
        raise DataError(path, "some boxes have a score and some do not")
    return Boxes3D(
        table[:, :3],
        table[:, 3:6],
        table[:, 6],
        tuple(row.name for row in rows),
        scores=torch.tensor(scores, dtype=torch.float32) if scores else None,
    )
