"""Checkpoints: everything that an exact resume needs, in one file of plain data and tensors."""

import dataclasses
import io
import pickle
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sparse3d.errors import ConfigError, DataError
from sparse3d.scene.atomic import writing
from sparse3d.train.config import first_difference
from sparse3d.train.environment import Environment

__all__ = ["Checkpoint", "CheckpointFolder", "read_checkpoint", "write_tensors"]

_FORMAT = "sparse3d checkpoint 1"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A training between two steps."""

    method: str
    config: str
    """The configuration as YAML."""
    step: int
    """The next step."""
    seconds: float
    """Time that the steps so far have taken."""
    task: Mapping[str, Any]
    """State of the task."""
    optimizers: Mapping[str, Any]
    """States of the optimizers by group name."""
    random: list[dict[str, Any]]
    """Global random states by rank."""
    environment: Environment = field(default_factory=Environment.current)
    """Versions and threads when it was written."""

    def require(self, method: str, config: str, source: Path) -> None:
        """Check that this is a checkpoint of a method in a configuration.

        Raises:
            ConfigError: If it is not; the message names the first value that differs.
        """
        if self.method != method:
            raise ConfigError(
                f"{source}: a checkpoint of {method!r} was expected, this is one of {self.method!r}"
            )
        if difference := first_difference(self.config, config):
            key, theirs, ours = difference
            raise ConfigError(
                f"{source}: was trained with {key} = {theirs}, which is now {ours};"
                " a resumed run keeps its configuration"
            )


@dataclass(frozen=True, slots=True)
class CheckpointFolder:
    """Where a run keeps its checkpoints."""

    folder: Path
    config: str
    """The configuration as YAML; it is written into every checkpoint."""
    keep_all: bool = False
    """Whether to keep each as ``step-0001000.pt`` beside ``last.pt``."""

    @property
    def last(self) -> Path:
        """The newest checkpoint."""
        return self.folder / "last.pt"

    def save(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint whole or not at all.

        Raises:
            DataError: If the disk is full or not writable; the previous one is still there.
        """
        content = {"format": _FORMAT, **_fields(checkpoint)}
        names = [f"step-{checkpoint.step:07d}.pt"] if self.keep_all else []
        write_tensors(content, *(self.folder / name for name in (*names, self.last.name)))

    def load(self, method: str) -> Checkpoint:
        """The newest checkpoint.

        Raises:
            DataError: If there is none that can be read.
            ConfigError: If it is one of another method or configuration.
        """
        checkpoint = read_checkpoint(self.last)
        checkpoint.require(method, self.config, self.last)
        return checkpoint


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint; nothing but tensors and plain data is ever loaded.

    Raises:
        DataError: If the file is missing, truncated, or no checkpoint of this project.
    """
    if not path.is_file():
        raise DataError(path, "a checkpoint was expected, there is no such file")
    if not zipfile.is_zipfile(path):
        raise DataError(path, "a checkpoint was expected; truncated or another file")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError, ValueError, OSError) as error:
        raise DataError(path, "a checkpoint was expected; damaged or another file") from error
    if not isinstance(content, dict) or content.pop("format", None) != _FORMAT:
        raise DataError(path, f"not a file of the format {_FORMAT!r}")
    try:
        return Checkpoint(**{**content, "environment": Environment(**content["environment"])})
    except (TypeError, KeyError) as error:
        raise DataError(path, f"not a file of the format {_FORMAT!r} ({error})") from error


def write_tensors(content: object, *paths: Path) -> None:
    """Write tensors and plain data so that they load with ``weights_only=True``.

    Raises:
        DataError: If the disk is full or not writable.
        TypeError: If the content holds anything that would not load again.
    """
    # Through memory, because torch reports a full disk as an error without a reason.
    buffer = io.BytesIO()
    torch.save(_plain(content, "content"), buffer)
    # The view is released here: Python 3.12 crashes if a full disk leaves it to the collector.
    with buffer.getbuffer() as view:
        for path in paths:
            with writing(path) as draft:
                draft.write_bytes(view)


def _fields(checkpoint: Checkpoint) -> dict[str, Any]:
    fields = {f.name: getattr(checkpoint, f.name) for f in dataclasses.fields(checkpoint)}
    return {**fields, "environment": dataclasses.asdict(checkpoint.environment)}


def _plain(value: object, name: str) -> Any:
    """The value in dicts, lists and tensors that own their memory; anything else is refused."""
    if isinstance(value, Tensor):
        tensor = value.detach()
        whole = tensor.untyped_storage().nbytes() == tensor.numel() * tensor.element_size()
        return tensor if whole else tensor.clone()
    if isinstance(value, Mapping):
        return {key: _plain(inner, f"{name}.{key}") for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_plain(inner, f"{name}[{i}]") for i, inner in enumerate(value))
    if value is None or type(value) in (bool, int, float, str, bytes, torch.dtype):
        return value
    raise TypeError(f"{name} is of {type(value)}, which a checkpoint cannot hold")
