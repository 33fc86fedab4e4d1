"""The folder of a run: what was asked for, checkpoints, metrics, logs.

::

    run.yaml               method, data, seed, configuration, versions
    checkpoints/last.pt    newest checkpoint
    init/                  what was slow to compute from the data
    logs/                  metrics.jsonl, TensorBoard events
    metrics.json           the evaluation

Only the path of the data is absolute, so that the folder can be moved.
"""

import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sparse3d.errors import ConfigError, DataError
from sparse3d.scene.atomic import writing
from sparse3d.scene.formats.registry import open_scene
from sparse3d.train.checkpoint import CheckpointFolder
from sparse3d.train.config import dump_config, first_difference, parse_yaml, read_text
from sparse3d.train.environment import Environment, seed_everything
from sparse3d.train.methods import Method, find_method
from sparse3d.train.task import Task
from sparse3d.train.values import Place, overlay, to_plain

__all__ = ["Run", "build_task", "load_task"]

_FILE = "run.yaml"
_FORMAT = 1
_SEEDS = 2**63


@dataclass(frozen=True, slots=True)
class _Head:
    """``run.yaml`` without its configuration, whose type depends on the method."""

    format: int = 0
    method: str = ""
    data: Path = field(default_factory=Path)
    seed: int = 0
    environment: Environment = field(default_factory=Environment)


@dataclass(frozen=True, slots=True)
class Run:
    """A training on disk."""

    folder: Path
    method: Method
    data: Path
    """Absolute."""
    seed: int
    config: Any
    """Of the method's type."""
    environment: Environment
    """In which it was created."""

    @classmethod
    def create(cls, folder: Path, method: Method, data: Path, seed: int, config: Any) -> "Run":
        """Start a run in a new or empty folder.

        Raises:
            DataError: If the folder has contents, or the data is not there.
            ConfigError: If the seed is none for every generator.
        """
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise DataError(
                folder, "is not empty; --resume continues a run, --out DIR starts it elsewhere"
            )
        if not data.exists():
            raise DataError(data, "no such file or folder")
        if not 0 <= seed < _SEEDS:
            raise ConfigError(f"seed must be from 0 to {_SEEDS - 1}, got {seed}")
        run = cls(folder, method, data.resolve(), seed, config, Environment.current())
        run.write()
        return run

    @classmethod
    def open(cls, folder: Path) -> "Run":
        """A run that was created earlier, wherever it has been moved.

        Raises:
            DataError: If the folder is none of a run.
            ConfigError: If its ``run.yaml`` does not parse or names what is not there.
        """
        path = folder / _FILE
        if not path.is_file():
            raise DataError(folder, f"is no run: a folder with {_FILE} was expected")
        values = parse_yaml(read_text(path), str(path))
        if not isinstance(values, dict):
            raise ConfigError(f"{path}: must be a mapping of keys to values")
        plain = values.pop("config", {})
        head = overlay(_Head(), values, Place(str(path)))
        if head.format != _FORMAT:
            raise ConfigError(f"{path}: format {_FORMAT} was expected, got {head.format}")
        method = find_method(head.method)
        config = overlay(method.config_type()(), plain, Place(str(path), ("config",)))
        return cls(folder, method, head.data, head.seed, config, head.environment)

    def write(self) -> None:
        """Write ``run.yaml``."""
        head = _Head(_FORMAT, self.method.name, self.data, self.seed, self.environment)
        content = {**to_plain(head), "config": to_plain(self.config)}
        with writing(self.folder / _FILE) as draft:
            draft.write_text(dump_config(content), encoding="utf-8")

    def with_data(self, data: Path) -> "Run":
        """The run with its data at another place, for good.

        Raises:
            DataError: If nothing is there.
        """
        if not data.exists():
            raise DataError(data, "no such file or folder")
        moved = replace(self, data=data.resolve())
        moved.write()
        return moved

    def discard(self) -> None:
        """Take back what was written, if the training did not come to anything worth keeping."""
        checkpoints = self.folder / "checkpoints"
        if not checkpoints.is_dir() or not any(checkpoints.iterdir()):
            for folder in (self.folder / "init", self.logs, checkpoints):
                shutil.rmtree(folder, ignore_errors=True)
            (self.folder / _FILE).unlink(missing_ok=True)
            if not any(self.folder.iterdir()):
                self.folder.rmdir()

    def require(self, method: Method, seed: int | None, config: Any) -> None:
        """Check that a resume asks for nothing else than this run.

        Raises:
            ConfigError: If it does; the message names the first value that differs.
        """
        if method.name != self.method.name:
            raise ConfigError(f"{self.folder}: is a run of {self.method.name}, not {method.name}")
        if seed not in (None, self.seed):
            raise ConfigError(f"{self.folder}: was started with seed {self.seed}, not {seed}")
        if difference := first_difference(dump_config(self.config), dump_config(config)):
            key, ours, theirs = difference
            raise ConfigError(f"{self.folder}: was started with {key} = {ours}, not {theirs}")

    def checkpoints(self, keep_all: bool = False) -> CheckpointFolder:
        """Where the checkpoints are."""
        return CheckpointFolder(self.folder / "checkpoints", dump_config(self.config), keep_all)

    @property
    def metrics(self) -> Path:
        """File with the evaluation."""
        return self.folder / "metrics.json"

    @property
    def logs(self) -> Path:
        """Folder with the losses over the steps."""
        return self.folder / "logs"


def build_task(run: Run, data: Path | None = None) -> Task[Any]:
    """The task of a run, before its first step; global random states are seeded.

    Args:
        run: Where the first state is cached, too.
        data: Where the data is, if not where it was.

    Raises:
        DataError: If the data is missing or not what the method needs.
    """
    source = data or run.data
    if not source.exists():
        raise DataError(source, "the data of the run is missing; --data PATH says where it is now")
    seed_everything(run.seed)
    cache = run.folder / "init" if data is None else None
    return run.method.builder()(open_scene(source), run.config, run.seed, cache)


def load_task(run: Run, data: Path | None = None) -> Task[Any]:
    """The task of a run as its newest checkpoint left it.

    Args:
        run: The run.
        data: Where the data is, if not where it was.

    Raises:
        DataError: If there is no checkpoint, or the data is missing.
        ConfigError: If the checkpoint is one of another method or configuration.
    """
    checkpoint = run.checkpoints().load(run.method.name)
    task = build_task(run, data)
    task.load_state_dict(checkpoint.task)
    return task
