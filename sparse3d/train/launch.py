"""A run from data to metrics: build the task, train it, evaluate it, export it."""

import dataclasses
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from sparse3d.errors import ConfigError
from sparse3d.train.abilities import Describes, Exports, Movable
from sparse3d.train.allocator import keep_freed_memory
from sparse3d.train.checkpoint import Checkpoint
from sparse3d.train.evaluation import Metrics, evaluate_task, write_metrics
from sparse3d.train.loop import LoopReport, Watcher, train_task
from sparse3d.train.metrics_log import JsonLinesLog, TensorBoardLog
from sparse3d.train.processes import Processes, launch
from sparse3d.train.progress import TrainingProgress, showing
from sparse3d.train.run import Run, build_task
from sparse3d.train.settings import TrainSettings
from sparse3d.train.stopping import StopRequest
from sparse3d.train.task import Task

__all__ = ["Outcome", "train_run"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a run."""

    report: LoopReport
    metrics: Metrics | None
    """None if the training was stopped by a signal."""


def train_run(run: Run, settings: TrainSettings, resume: bool = False) -> Outcome:
    """Train a run to its end and evaluate it, or until a signal; everything is in its folder.

    A run that fails before its first checkpoint is removed again, so that the same command can be
    given once more.

    Args:
        run: Newly created or opened.
        settings: Where and how.
        resume: Continue at the newest checkpoint, if there is one.

    Raises:
        UserError: If the data, the configuration or the disk do not allow it.
    """
    work = partial(_train, run, settings, resume)
    try:
        if settings.plain:
            return launch(settings, work)
        with StopRequest(forward=True) as stop:
            outcome = launch(settings, work)
        if outcome.report.signal is None or stop.signal is None:
            return outcome
        # The workers were told by SIGTERM, whatever signal it was here.
        report = dataclasses.replace(outcome.report, signal=stop.signal)
        return dataclasses.replace(outcome, report=report)
    finally:
        if not resume:
            run.discard()


def _train(run: Run, settings: TrainSettings, resume: bool, processes: Processes) -> Outcome:
    """The work of one process."""
    keep_freed_memory()
    checkpoints = run.checkpoints(settings.keep_checkpoints)
    task = _in_turn(processes, partial(build_task, run))
    if isinstance(task, Describes) and processes.rank == 0:
        print(task.describe(), file=sys.stderr)  # noqa: T201 - said before hours of training
    _place(task, processes)
    start = checkpoints.load(run.method.name) if resume and checkpoints.last.exists() else None
    with _watching(run, settings, task, start, processes) as watchers:
        report = train_task(
            task,
            processes=processes,
            checkpoints=checkpoints,
            checkpoint_every=settings.checkpoint_every,
            resume=start,
            watchers=watchers,
        )
    if report.signal is not None or processes.rank > 0:
        return Outcome(report, None)
    return Outcome(report, _finish(run, task, report))


def _in_turn(processes: Processes, build: Callable[[], Task[Any]]) -> Task[Any]:
    """Build the task in rank 0 first, which fills the cache; all start from that one's state."""
    if processes.world_size == 1:
        return build()
    task = build() if processes.rank == 0 else None
    states = processes.gather(None if task is None else task.state_dict())
    if task is None:
        task = build()
        task.load_state_dict(states[0])
    return task


def _place(task: Task[Any], processes: Processes) -> None:
    if isinstance(task, Movable):
        task.to(processes.device)
    elif processes.device.type != "cpu":
        raise ConfigError(f"{task.method} trains on the CPU only, not on {processes.device}")


@contextmanager
def _watching(
    run: Run,
    settings: TrainSettings,
    task: Task[Any],
    start: Checkpoint | None,
    processes: Processes,
) -> Iterator[list[Watcher]]:
    """Logs and progress, in rank 0 only."""
    if processes.rank > 0:
        yield []
        return
    first, every = (0 if start is None else start.step), settings.log_every
    with ExitStack() as stack:
        lines = JsonLinesLog(run.logs / "metrics.jsonl", first, every)
        stack.callback(lines.close)
        watchers: list[Watcher] = [lines]
        if settings.tensorboard:
            board = TensorBoardLog(run.logs, first, every)
            stack.callback(board.close)
            watchers.append(board)
        progress = stack.enter_context(showing("training"))
        yield [*watchers, TrainingProgress(progress, task.iterations)]


def _finish(run: Run, task: Task[Any], report: LoopReport) -> Metrics:
    metrics = evaluate_task(task)
    values = {
        **metrics.values,
        "iterations": report.steps,
        "seconds": report.seconds,
        "seconds_per_iteration": report.seconds_per_iteration,
        "step_seconds": dict(report.parts.parts()),
    }
    write_metrics(run.metrics, values)
    if isinstance(task, Exports):
        task.export(run.folder)
    return Metrics(values, metrics.headline)
