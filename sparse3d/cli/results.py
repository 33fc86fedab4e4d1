"""Results of commands as JSON."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sparse3d.scene.atomic import writing

__all__ = ["write_json"]


def write_json(path: Path, result: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> None:
    """Write plain data to a file, or print it where ``path`` is ``-``.

    Raises:
        DataError: If the file cannot be written.
    """
    text = json.dumps(result, indent=2)
    if path == Path("-"):
        print(text)
        return
    with writing(path) as draft:
        draft.write_text(text + "\n", encoding="utf-8")
