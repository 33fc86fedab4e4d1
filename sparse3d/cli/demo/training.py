"""Trainings of a demo, which the same command continues."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparse3d.train.methods import find_method
from sparse3d.train.settings import TrainSettings

if TYPE_CHECKING:
    from sparse3d.train.run import Run

__all__ = ["Stopped", "done_mark", "train_or_continue"]


class Stopped(Exception):
    """A training was stopped by a signal and can be continued.

    Args:
        signal: Its number.
    """

    def __init__(self, signal: int) -> None:
        super().__init__(f"stopped by signal {signal}")
        self.signal = signal


def done_mark(folder: Path) -> Path:
    """The empty file beside a run that says that it was evaluated and exported."""
    return folder.with_name(f"{folder.name}.done")


def train_or_continue(folder: Path, method: str, data: Path, seed: int, config: Any) -> "Run":
    """Train a run to its end and evaluate it, from its checkpoint where there is one.

    Args:
        folder: Of the run; what is there without a checkpoint is replaced.
        method: Name of the method.
        data: What it is trained on.
        seed: Of all random numbers.
        config: Of the method's type.

    Raises:
        Stopped: If a signal asked for it.
        UserError: If the data or the disk do not allow it.
    """
    from sparse3d.train.launch import train_run
    from sparse3d.train.run import Run

    if done_mark(folder).exists():
        return Run.open(folder)
    resume = (folder / "checkpoints").exists()
    if resume:
        run = Run.open(folder)
    else:
        shutil.rmtree(folder, ignore_errors=True)  # of a process that was killed early
        run = Run.create(folder, find_method(method), data, seed, config)
    outcome = train_run(run, TrainSettings(), resume)
    if outcome.metrics is None:
        raise Stopped(outcome.report.signal or 0)
    done_mark(folder).touch()
    return run
