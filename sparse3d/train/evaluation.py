"""Metrics of a run, and the file they are kept in."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from sparse3d.errors import ConfigError, DataError
from sparse3d.scene.atomic import writing
from sparse3d.scene.scene import Split
from sparse3d.train.abilities import Splits
from sparse3d.train.config import read_text
from sparse3d.train.progress import showing
from sparse3d.train.run import Run, load_task
from sparse3d.train.task import Task

__all__ = ["Metrics", "evaluate_run", "evaluate_task", "write_metrics"]


class Metrics(NamedTuple):
    """What an evaluation found."""

    values: dict[str, Any]
    """Plain data; numbers that are not finite are None."""
    headline: str
    """One line for people."""


def evaluate_task(task: Task[Any], split: Split | None = None) -> Metrics:
    """Evaluate a task, showing progress.

    Args:
        task: The task.
        split: Part of its data; by default the usual one.

    Raises:
        ConfigError: If the task knows no other split than the usual one.
    """
    with showing("evaluating") as progress:
        if split is None:
            evaluation = task.evaluate(progress.show)
        elif isinstance(task, Splits):
            evaluation = task.evaluate_split(split, progress.show)
        else:
            raise ConfigError(f"{task.method} has one evaluation split only; leave --split out")
    return Metrics(_finite(evaluation.to_json()), evaluation.headline())


def evaluate_run(run: Run, data: Path | None = None, split: Split | None = None) -> Metrics:
    """Evaluate the newest checkpoint of a run; on its own data, its ``metrics.json`` is renewed.

    Args:
        run: The run.
        data: Other data, or where the data is now.
        split: Part of the data; by default the usual one.

    Raises:
        DataError: If there is no checkpoint, or the data is missing.
        ConfigError: If the task has no such split.
    """
    metrics = evaluate_task(load_task(run, data), split)
    checkpoint = run.checkpoints().load(run.method.name)
    values = {**metrics.values, "iterations": checkpoint.step, "seconds": checkpoint.seconds}
    if data is None and split is None:
        values = {**_existing(run.metrics), **values}
        write_metrics(run.metrics, values)
    return Metrics(values, metrics.headline)


def write_metrics(path: Path, values: Mapping[str, Any]) -> None:
    """Write metrics as JSON, whole or not at all.

    Raises:
        DataError: If the disk is full or not writable.
    """
    with writing(path) as draft:
        draft.write_text(json.dumps(values, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def _existing(path: Path) -> dict[str, Any]:
    """What training has written there, such as the time of a step."""
    if not path.is_file():
        return {}
    try:
        values = json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise DataError(path, f"JSON was expected ({error})") from error
    if not isinstance(values, dict):
        raise DataError(path, "a JSON object was expected")
    return values


def _finite(value: Any) -> Any:
    """JSON has no infinity and no NaN."""
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
