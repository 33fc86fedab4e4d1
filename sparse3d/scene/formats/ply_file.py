"""The PLY container: header, rows of fixed size, lists; what the rows mean is others' matter.

Layout: G. Turk, "The PLY polygon file format", 1994.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from sparse3d.errors import DataError
from sparse3d.scene.formats.arrays import (
    check_fits,
    file_size,
    head,
    read_all,
    read_rows,
    write_rows,
)

__all__ = [
    "PlyElement",
    "PlyHeader",
    "PlyProperty",
    "ply_properties",
    "read_header",
    "read_lists",
    "read_table",
    "write_ply",
]

_MAX_HEADER = 1 << 20
_TYPES = {
    "char": "i1", "uchar": "u1", "short": "i2", "ushort": "u2", "int": "i4", "uint": "u4",
    "float": "f4", "double": "f8", "int8": "i1", "uint8": "u1", "int16": "i2", "uint16": "u2",
    "int32": "i4", "uint32": "u4", "float32": "f4", "float64": "f8",
}  # fmt: skip
_NAMES = {code: name for name, code in reversed(_TYPES.items())}
_ENCODINGS = {"ascii": "ascii", "binary_little_endian": "<", "binary_big_endian": ">"}


@dataclass(frozen=True, slots=True)
class PlyProperty:
    """One column: a number, or a list of numbers in every row."""

    name: str
    """Name in the file."""
    code: str
    """Type of the values as numpy writes it, without byte order."""
    length_code: str | None = None
    """Type of the length of a list; None for a single number."""


@dataclass(frozen=True, slots=True)
class PlyElement:
    """One table of the file."""

    name: str
    """Name in the file, such as ``vertex``."""
    count: int
    """Number of rows."""
    properties: tuple[PlyProperty, ...]
    """Columns in file order."""

    @property
    def has_lists(self) -> bool:
        """Whether rows differ in size."""
        return any(column.length_code for column in self.properties)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(column.name for column in self.properties)

    def least_bytes(self, encoding: str) -> int:
        """The fewest bytes that all rows can take."""
        if encoding == "ascii":
            return 2 * self.count * len(self.properties)  # a digit and a separator each
        row = sum(
            np.dtype(column.length_code or column.code).itemsize for column in self.properties
        )
        return row * self.count

    def row_type(self, order: str) -> np.dtype:
        """Structured type of a row without lists."""
        return np.dtype([(column.name, order + column.code) for column in self.properties])


@dataclass(frozen=True, slots=True)
class PlyHeader:
    """What a PLY file promises to hold."""

    path: Path
    """The file."""
    encoding: str
    """``ascii``, ``<`` or ``>``."""
    elements: tuple[PlyElement, ...]
    """Tables in file order."""
    size: int
    """Number of bytes of the header."""

    def element(self, name: str) -> PlyElement | None:
        """The table of that name, if there is one."""
        return next((element for element in self.elements if element.name == name), None)

    def require(self, name: str, columns: Sequence[str] = ()) -> PlyElement:
        """The table of that name with at least the given columns.

        Raises:
            DataError: If it is not there.
        """
        element = self.element(name)
        if element is None:
            raise DataError(self.path, f"PLY file has no element {name!r}")
        missing = [column for column in columns if column not in element.names]
        if missing:
            raise DataError(self.path, f"PLY element {name!r} has no property {', '.join(missing)}")
        return element


def ply_properties(path: Path) -> frozenset[str] | None:
    """Names of all properties and, as ``element NAME``, of all elements; None if not a PLY file.

    Lenient, for recognition only: a damaged header still tells what it was meant to be.
    """
    if not head(path, 4).startswith((b"ply\n", b"ply\r")):
        return None
    text = head(path, _MAX_HEADER).split(b"end_header", 1)[0].decode("ascii", "replace")
    lines = [line.split() for line in text.splitlines()]
    properties = {words[-1] for words in lines if len(words) > 2 and words[0] == "property"}
    return frozenset(
        properties | {f"element {w[1]}" for w in lines if w[:1] == ["element"] and w[1:]}
    )


def read_header(path: Path) -> PlyHeader:
    """Parse the header and check that the file can hold what it promises.

    Raises:
        DataError: If the file is no PLY file, the header is damaged, or the body is too short.
    """
    data = head(path, _MAX_HEADER)
    if not data.startswith((b"ply\n", b"ply\r")):
        file_size(path)
        raise DataError(path, "not a PLY file: the first line must be 'ply'")
    newline = b"\r\n" if data.startswith(b"ply\r\n") else data[3:4]
    last = newline + b"end_header" + newline
    end = data.find(last)
    if end < 0:
        raise DataError(path, "PLY header has no end_header: file is cut short or damaged")
    lines = data[:end].decode("ascii", "replace").split(newline.decode())[1:]
    encoding, elements = _parse(path, lines)
    header = PlyHeader(path, encoding, elements, end + len(last))
    _check_sizes(header)
    return header


def read_table(header: PlyHeader, name: str) -> dict[str, np.ndarray]:
    """All rows of an element without lists, column by column in native byte order.

    Raises:
        DataError: If the element is missing, or the body is cut short or not numeric.
    """
    element = header.require(name)
    before = header.elements[: header.elements.index(element)]
    if element.has_lists or any(other.has_lists for other in before):
        rows = _by_plyfile(header, name)
    elif header.encoding == "ascii":
        return _ascii_table(header, element, sum(e.count * len(e.properties) for e in before))
    else:
        offset = header.size + sum(other.least_bytes(header.encoding) for other in before)
        rows = read_rows(header.path, element.row_type(header.encoding), element.count, offset)
    return {
        column: np.ascontiguousarray(rows[column], rows.dtype[column].newbyteorder("="))
        for column in element.names
    }


def read_lists(header: PlyHeader, name: str, column: str) -> list[np.ndarray] | np.ndarray:
    """The lists of one column: an array if all have three entries, which is fast, else one each.

    Raises:
        DataError: If the body is cut short or damaged.
    """
    element = header.require(name, (column,))
    before = header.elements[: header.elements.index(element)]
    if header.encoding != "ascii" and not any(other.has_lists for other in before):
        triples = _triples(
            header, element, column, sum(e.least_bytes(header.encoding) for e in before)
        )
        if triples is not None:
            return triples
    return list(_by_plyfile(header, name)[column])


def write_ply(
    file: BinaryIO, tables: Mapping[str, Mapping[str, np.ndarray]], faces: np.ndarray | None = None
) -> None:
    """Write a binary little-endian PLY file.

    Args:
        file: Open for writing.
        tables: Columns of each element, of types that PLY has.
        faces: Vertex numbers, t x 3, written as the lists of an element ``face``.
    """
    lines = ["ply", "format binary_little_endian 1.0", "comment written by sparse3d"]
    for name, columns in tables.items():
        lines.append(f"element {name} {len(next(iter(columns.values())))}")
        lines += [f"property {_NAMES[v.dtype.str[1:]]} {column}" for column, v in columns.items()]
    if faces is not None:
        lines += [f"element face {len(faces)}", "property list uchar int vertex_indices"]
    file.write(("\n".join([*lines, "end_header"]) + "\n").encode("ascii"))
    for columns in tables.values():
        write_rows(file, _interleaved(columns))
    if faces is not None:
        rows = np.empty(len(faces), dtype=[("n", "u1"), ("v", "<i4", 3)])
        rows["n"], rows["v"] = 3, faces
        write_rows(file, rows)


def _interleaved(columns: Mapping[str, np.ndarray]) -> np.ndarray:
    types = [(name, values.dtype.newbyteorder("<")) for name, values in columns.items()]
    rows = np.empty(len(next(iter(columns.values()))), dtype=types)
    for name, values in columns.items():
        rows[name] = values
    return rows


def _parse(path: Path, lines: list[str]) -> tuple[str, tuple[PlyElement, ...]]:
    encoding, elements = None, []
    for line in lines:
        words = line.split()
        if not words or words[0] in ("comment", "obj_info"):
            continue
        if words[0] == "format" and len(words) == 3 and words[1] in _ENCODINGS:
            encoding = _ENCODINGS[words[1]]
        elif words[0] == "element" and len(words) == 3:
            elements.append(PlyElement(words[1], _count(path, words), ()))
        elif words[0] == "property" and elements:
            last = elements[-1]
            columns = (*last.properties, _property(path, words))
            elements[-1] = PlyElement(last.name, last.count, columns)
        else:
            raise DataError(path, f"PLY header line not understood: {line.strip()[:80]!r}")
    if encoding is None:
        raise DataError(path, "PLY header has no format line")
    return encoding, tuple(elements)


def _count(path: Path, words: list[str]) -> int:
    if not re.fullmatch(r"[0-9]{1,18}", words[2]):
        raise DataError(
            path, f"number of {words[1]} rows must be a whole number, got {words[2][:40]!r}"
        )
    return int(words[2])


def _property(path: Path, words: list[str]) -> PlyProperty:
    types = words[2:4] if words[1:2] == ["list"] else words[1:2]
    unknown = [name for name in types if name not in _TYPES]
    if unknown or len(words) != len(types) + (3 if words[1:2] == ["list"] else 2):
        raise DataError(path, f"PLY property of unknown type: {' '.join(words)[:80]!r}")
    codes = [_TYPES[name] for name in types]
    if not codes or (len(codes) == 2 and codes[0].startswith("f")):  # lengths are whole numbers
        raise DataError(path, f"PLY property without a usable type: {' '.join(words)[:80]!r}")
    return PlyProperty(words[-1], codes[-1], codes[0] if len(codes) == 2 else None)


def _check_sizes(header: PlyHeader) -> None:
    for element in header.elements:
        if len(set(element.names)) != len(element.names) or not element.names:
            raise DataError(
                header.path, f"PLY element {element.name!r} needs properties of different names"
            )
    wanted = sum(element.least_bytes(header.encoding) for element in header.elements)
    promise = ", ".join(f"{element.count} {element.name} rows" for element in header.elements)
    slack = 1 if header.encoding == "ascii" else 0  # the last line may lack its end
    check_fits(header.path, wanted - slack, file_size(header.path) - header.size, promise)


def _ascii_table(header: PlyHeader, element: PlyElement, skip: int) -> dict[str, np.ndarray]:
    width = len(element.properties)
    words = read_all(header.path)[header.size :].split()[skip : skip + element.count * width]
    if len(words) < element.count * width:
        raise DataError(
            header.path, f"file is cut short: {element.count} {element.name} rows promised"
        )
    try:
        values = np.array(words, dtype=np.float64).reshape(element.count, width)
    except ValueError as error:
        raise DataError(header.path, f"numbers expected in {element.name} rows ({error})") from None
    return {
        column.name: _cast(header.path, values[:, i], column)
        for i, column in enumerate(element.properties)
    }


def _cast(path: Path, values: np.ndarray, column: PlyProperty) -> np.ndarray:
    kind = np.dtype(column.code)
    if kind.kind == "f":
        return values.astype(kind)
    limits = np.iinfo(kind)
    if not ((values >= limits.min) & (values <= limits.max)).all():
        raise DataError(
            path, f"property {column.name} has values outside of {limits.min} to {limits.max}"
        )
    return values.astype(kind)


def _triples(header: PlyHeader, element: PlyElement, column: str, skip: int) -> np.ndarray | None:
    lists = [p for p in element.properties if p.length_code]
    if [p.name for p in lists] != [column]:
        return None
    order, types = header.encoding, []
    for p in element.properties:
        if p.length_code:
            types += [("", order + p.length_code), (p.name, order + p.code, 3)]
        else:
            types.append((p.name, order + p.code))
    rows_type, offset = np.dtype(types), header.size + skip
    if element.count * rows_type.itemsize > file_size(header.path) - offset:
        return None
    rows = read_rows(header.path, rows_type, element.count, offset)
    length = rows_type.names[rows_type.names.index(column) - 1] if rows_type.names else ""
    return rows[column].astype(np.int64) if bool((rows[length] == 3).all()) else None


def _by_plyfile(header: PlyHeader, name: str) -> np.ndarray:
    from plyfile import PlyData, PlyParseError  # only files with unequal lists need it

    try:
        return PlyData.read(str(header.path))[name].data
    except (PlyParseError, ValueError, OverflowError, KeyError) as error:
        raise DataError(header.path, f"PLY body is cut short or damaged ({error})") from None
