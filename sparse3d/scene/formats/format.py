"""What a disk format is to the rest of the scene layer."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sparse3d.scene.scene import Scene

__all__ = ["Format"]


@dataclass(frozen=True, slots=True)
class Format:
    """One way in which scenes lie on disk."""

    name: str
    """Name on the command line (``convert --to NAME``)."""
    summary: str
    """One line for help and error messages: what such a file or folder looks like."""
    recognises: Callable[[Path], bool]
    """Cheap test by content (a header, the files of a folder); never raises for existing paths."""
    read: Callable[[Path], Scene] | None = None
    """Opens the scene: headers only, bulk data as ``Stored``; raises ``DataError``."""
    write: Callable[[Scene, Path], None] | None = None
    """Writes the parts of a scene that the format can hold, whole or not at all."""
