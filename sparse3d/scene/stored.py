"""Values that stay on disk until somebody asks for them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

__all__ = ["Stored", "read"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Stored(Generic[T]):
    """A value on disk and how to read it; scenes of thousands of frames hold these."""

    path: Path
    """The file that holds the value; error messages name it."""
    reader: Callable[[Path], T]
    """Reads the value; raises ``DataError`` where the file is not what it should be."""
    count: int | None = None
    """Number of rows where the header or the file size tells it without reading."""
    attributes: frozenset[str] | None = None
    """Names of the optional parts that are there, where the files tell it without reading."""

    def read(self) -> T:
        """Read the value now; nothing is cached."""
        return self.reader(self.path)


def read(value: "Stored[T] | T | None") -> "T | None":
    """The value itself, read from disk if it is :class:`Stored`."""
    return value.read() if isinstance(value, Stored) else value
