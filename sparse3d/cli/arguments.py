"""From the words of a command line to a typed value."""

from collections.abc import Sequence
from typing import TypeVar

import tyro

__all__ = ["parse"]

T = TypeVar("T")


def parse(kind: type[T], command: str, arguments: Sequence[str]) -> T:
    """Parse the words that follow ``sparse3d COMMAND``.

    Args:
        kind: Dataclass of the arguments; its docstrings are the help.
        command: Name of the sub-command.
        arguments: The words.

    Raises:
        SystemExit: With code 0 after ``--help``, 2 after a mistake; tyro has printed the text.
    """
    none = (tyro.conf.DisallowNone,)  # an option is left out, not set to the word None
    return tyro.cli(kind, prog=f"sparse3d {command}", args=list(arguments), config=none)
