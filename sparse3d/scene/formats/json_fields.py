"""Values of JSON objects, read with messages that say which file, which entry, which key."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sparse3d.errors import DataError

__all__ = ["Fields", "read_json"]


@dataclass(frozen=True, slots=True)
class Fields:
    """One JSON object of a file."""

    source: Path
    """The file, for messages."""
    values: Mapping[str, object]
    """The object's entries."""
    where: str = ""
    """Which object of the file, such as ``frame images/0001.jpg``; empty for the whole."""

    def error(self, problem: str) -> DataError:
        """The error that names the file, this object and the problem."""
        return DataError(self.source, f"{self.where}: {problem}" if self.where else problem)

    def number(self, key: str) -> float | None:
        """A finite number; None where the key is missing or null.

        Raises:
            DataError: If the value is anything else.
        """
        value = self.values.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not _finite(value):
            raise self.error(f"{key} must be a finite number, got {_brief(value)}")
        return float(value)

    def count(self, key: str) -> int | None:
        """A whole number of at least 1; None where the key is missing or null."""
        value = self.number(key)
        if value is None:
            return None
        if value != int(value) or value < 1:
            raise self.error(f"{key} must be a whole number of at least 1, got {value:g}")
        return int(value)

    def text(self, key: str) -> str | None:
        """A non-empty text; None where the key is missing or null."""
        value = self.values.get(key)
        if value is None:
            return None
        if not isinstance(value, str) or not value:
            raise self.error(f"{key} must be a text, got {_brief(value)}")
        return value

    def items(self, key: str) -> list[object]:
        """A list; empty where the key is missing or null."""
        value = self.values.get(key)
        if value is None:
            return []
        if not isinstance(value, list):
            raise self.error(f"{key} must be a list, got {_brief(value)}")
        return value


def read_json(path: Path) -> Fields:
    """The JSON object in a file.

    Raises:
        DataError: If the file is missing, cannot be read, or holds no JSON object.
    """
    try:
        values = json.loads(path.read_bytes())
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DataError(path, f"not valid JSON ({error})") from None
    except OSError as error:
        raise DataError(path, f"JSON file expected, but it cannot be read ({error})") from None
    if not isinstance(values, dict):
        raise DataError(path, f"a JSON object expected, got {_brief(values)}")
    return Fields(path, values)


def _finite(value: int | float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond the largest float
        return False


def _brief(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
