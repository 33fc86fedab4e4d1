"""Arrays in files: sizes are checked before anything is allocated, and no write fails quietly."""

from pathlib import Path
from tokenize import TokenError
from typing import BinaryIO

import numpy as np
import torch
from jaxtyping import Shaped
from torch import Tensor

from sparse3d.errors import DataError

__all__ = [
    "check_fits",
    "file_size",
    "head",
    "is_text",
    "open_npy",
    "read_all",
    "read_rows",
    "save_npy",
    "tensor_of",
    "write_rows",
]

_WIDER = {np.dtype(np.uint16): np.int32, np.dtype(np.uint32): np.int64}
_NPY_ERRORS = (OSError, ValueError, EOFError, OverflowError, TypeError, SyntaxError, TokenError)
"""What numpy raises on damaged headers, which are Python literals."""
_TEXT = frozenset(range(32, 127)) | frozenset(b"\t\r\n\f")


def head(path: Path, size: int = 4096) -> bytes:
    """The first bytes of a file; empty for folders and what cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(size)
    except OSError:
        return b""


def is_text(data: bytes) -> bool:
    """Whether bytes are plain ASCII text, and at least one of them."""
    return bool(data) and _TEXT.issuperset(data)


def read_all(path: Path) -> bytes:
    """The whole file.

    Raises:
        DataError: If it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(path, f"cannot be read ({error.strerror})") from None


def file_size(path: Path) -> int:
    """Size in bytes.

    Raises:
        DataError: If there is no such file.
    """
    try:
        return path.stat().st_size
    except OSError as error:
        raise DataError(path, f"cannot be read ({error.strerror})") from None


def check_fits(path: Path, wanted: int, available: int, what: str) -> None:
    """Refuse a file that is shorter than its header promises.

    Args:
        path: The file.
        wanted: Bytes that the promised rows take at least.
        available: Bytes that are there.
        what: The promise, such as ``12 vertices``.

    Raises:
        DataError: If ``wanted`` is more than ``available``.
    """
    if wanted > available:
        raise DataError(
            path,
            f"file is cut short: its header promises {what}, which take at least {wanted} bytes,"
            f" but {max(available, 0)} are there",
        )


def read_rows(path: Path, dtype: np.dtype, count: int, offset: int = 0) -> np.ndarray:
    """Read rows of a (structured) type from a binary file.

    Raises:
        DataError: If the file holds fewer rows; nothing is allocated then.
    """
    available = file_size(path) - offset
    check_fits(path, count * dtype.itemsize, available, f"{count} rows of {dtype.itemsize} bytes")
    return np.fromfile(path, dtype, count, offset=offset)


def write_rows(file: BinaryIO, array: np.ndarray) -> None:
    """Append the bytes of an array; unlike ``ndarray.tofile``, a full disk keeps its errno."""
    file.write(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)


def save_npy(path: Path, array: np.ndarray) -> None:
    """Write a ``.npy`` file without pickles; parents are created."""
    path.parent.mkdir(parents=True, exist_ok=True)
    array = np.asarray(array, order="C")
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(array))
        write_rows(file, array)


def open_npy(path: Path) -> np.ndarray:
    """Memory-map a ``.npy`` file copy-on-write: nothing is read yet, the file never changes.

    Raises:
        DataError: If it is missing, cut short, or holds pickled objects.
    """
    try:
        array = np.load(path, mmap_mode="c", allow_pickle=False)
    except _NPY_ERRORS as error:
        raise DataError(path, f"not a readable array file ({error})") from None
    if not isinstance(array, np.ndarray):
        raise DataError(path, "one array expected, found an archive")
    return array


def tensor_of(array: np.ndarray) -> Shaped[Tensor, "..."]:
    """A tensor of the values in native byte order; uint16 and uint32 become wider signed ones."""
    array = array.astype(_WIDER.get(array.dtype.newbyteorder("="), array.dtype), copy=False)
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    return torch.from_numpy(np.require(array, requirements=["C", "W"]))
