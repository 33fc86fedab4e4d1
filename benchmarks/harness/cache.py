"""Results by the hash of all that they depend on: settings, machine, versions and the code."""

import json
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from harness.rows import Row

__all__ = ["FOLDER", "ROOT", "Result", "cache_key", "code_state", "commit", "load", "store"]

ROOT = Path(__file__).resolve().parents[2]
"""The clone."""
FOLDER = ROOT / "benchmarks" / ".cache"
"""Where results and compiled peers are kept."""


@dataclass(frozen=True, slots=True)
class Result:
    """The rows of one benchmark and the circumstances of their measurement."""

    rows: tuple[Row, ...]
    measured: str
    """When, ISO 8601."""
    machine: str
    commit: str
    quiet: bool
    """Whether the machine did nothing else."""

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "rows": [row.to_json() for row in self.rows],
            "measured": self.measured,
            "machine": self.machine,
            "commit": self.commit,
            "quiet": self.quiet,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Result":
        """The result that :meth:`to_json` wrote."""
        rows = tuple(Row.from_json(row) for row in data["rows"])
        return cls(rows, data["measured"], data["machine"], data["commit"], data["quiet"])


def cache_key(name: str, parts: Mapping[str, Any]) -> str:
    """A name for the result of a benchmark that changes with any of ``parts``, plain data."""
    text = json.dumps({"name": name, **parts}, sort_keys=True)
    return f"{name}-{sha256(text.encode()).hexdigest()[:16]}"


def code_state(paths: Sequence[str], built: Iterable[Path] = (), root: Path = ROOT) -> str:
    """Hash of the files below some paths of the clone, whether committed or not.

    Contents, not commits: a commit elsewhere leaves results valid, an edit without one does not.

    Args:
        paths: Files and folders that git knows or could add, relative to ``root``.
        built: Files that git ignores, such as the compiled kernels.
        root: The clone.

    Raises:
        ValueError: If there is nothing at one of the paths.
    """
    for path in paths:
        if not (root / path).exists():
            raise ValueError(f"code to be measured expected at {path}, found nothing")
    listed = _git(root, "ls-files", "-co", "--exclude-standard", "--", *paths)
    names = sorted(set(listed.splitlines()))
    files = [(name, root / name) for name in names] + [(file.name, file) for file in built]
    digest = sha256()
    for name, file in files:
        if file.is_file():
            digest.update(name.encode() + b"\0" + sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def commit(root: Path = ROOT) -> str:
    """The commit of the clone, with ``+`` where files were changed since."""
    changed = _git(root, "status", "--porcelain")
    return _git(root, "rev-parse", "--short", "HEAD").strip() + ("+" if changed else "")


def load(key: str, folder: Path) -> Result | None:
    """The stored result, if there is one."""
    file = folder / f"{key}.json"
    if not file.is_file():
        return None
    return Result.from_json(json.loads(file.read_text(encoding="utf-8")))


def store(key: str, result: Result, folder: Path) -> None:
    """Keep a result; one measured on a busy machine is not worth keeping and is left out."""
    if not result.quiet:
        return
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{key}.json").write_text(json.dumps(result.to_json(), indent=1), encoding="utf-8")


def _git(root: Path, *words: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(root), *words], capture_output=True, text=True, check=True
    )
    return done.stdout
