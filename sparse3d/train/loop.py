"""The loop of our own that drives a Task: steps, checkpoints, a clean stop."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, Protocol, runtime_checkable

import torch

from sparse3d.errors import ConfigError, UserError
from sparse3d.train.abilities import Pools, Times
from sparse3d.train.checkpoint import Checkpoint, CheckpointFolder, write_tensors
from sparse3d.train.environment import deterministic, random_state, set_random_state
from sparse3d.train.gradients import average_gradients
from sparse3d.train.processes import Processes, SingleProcess
from sparse3d.train.state import TrainState
from sparse3d.train.stopping import SIGNALS, StopRequest
from sparse3d.train.task import LossTerm, Task, total_loss
from sparse3d.train.timing import StepClock, StepSeconds

__all__ = ["LoopReport", "StepResult", "Watcher", "train_task"]


@dataclass(frozen=True, slots=True)
class StepResult:
    """One step, seen from outside."""

    step: int
    """From 0."""
    terms: Mapping[str, float]
    """Weighted loss terms of this process."""

    @property
    def loss(self) -> float:
        """The sum of the terms."""
        return sum(self.terms.values())


@runtime_checkable
class Watcher(Protocol):
    """Someone who is told of every step: a progress bar, a log."""

    def on_step(self, result: StepResult) -> None:
        """Called after the step."""
        ...


@dataclass(frozen=True, slots=True)
class LoopReport:
    """How a training went."""

    steps: int
    """Steps that have been taken in all, before a resume, too."""
    finished: bool
    """Whether these are all there are."""
    seconds: float
    """Time that they have taken, before a resume, too."""
    seconds_per_iteration: float | None
    """Median over the steps of this process; None if there were none."""
    parts: StepSeconds
    """Where it went."""
    signal: int | None = None
    """The signal that ended the training early."""


@dataclass(frozen=True, slots=True)
class _Loop:
    """A training under way: who takes part in it."""

    state: TrainState
    processes: Processes
    checkpoints: CheckpointFolder | None
    stop: StopRequest
    clock: StepClock


def train_task(
    task: Task[Any],
    *,
    processes: Processes | None = None,
    checkpoints: CheckpointFolder | None = None,
    checkpoint_every: int = 1000,
    resume: Checkpoint | None = None,
    watchers: Sequence[Watcher] = (),
) -> LoopReport:
    """Train a task to its last step, or until SIGINT or SIGTERM.

    A checkpoint is written every ``checkpoint_every`` steps, at the end, and when a signal ends
    the training; with it, ``resume`` gives the same bits as a training that was not interrupted,
    on the same machine with the same versions and number of threads.

    Args:
        task: The method on its data; its parameters are trained in place.
        processes: That train together; by default, this one alone.
        checkpoints: Where to write them; by default none are written.
        checkpoint_every: Steps.
        resume: Where to continue; by default at the first step.
        watchers: Told of every step.

    Raises:
        UserError: If a loss term is not finite; the state before that step is dumped beside the
            checkpoints.
        ConfigError: If ``resume`` does not fit the task or the number of processes.
    """
    processes = processes or SingleProcess()
    state = TrainState.start(task)
    if resume is not None:
        _restore(state, resume, processes)
    clock = StepClock()
    with deterministic(processes.device), StopRequest(processes.world_size == 1) as stop:
        loop = _Loop(state, processes, checkpoints, stop, clock)
        signal = _run(loop, checkpoint_every, watchers)
    finished = state.step >= task.iterations
    return LoopReport(state.step, finished, state.seconds, clock.median(), clock.medians(), signal)


def _restore(state: TrainState, checkpoint: Checkpoint, processes: Processes) -> None:
    if len(checkpoint.random) != processes.world_size:
        raise ConfigError(
            f"the checkpoint was written by {len(checkpoint.random)} process(es), resume with as"
            f" many, not {processes.world_size}"
        )
    state.restore(checkpoint)
    set_random_state(checkpoint.random[processes.rank])


def _run(loop: _Loop, checkpoint_every: int, watchers: Sequence[Watcher]) -> int | None:
    """Steps until the last one or a signal, which is returned."""
    state = loop.state
    saved = state.step
    signal = None
    while state.step < state.task.iterations and signal is None:
        result, signal = _step(loop)
        for watcher in watchers:
            watcher.on_step(result)
        if state.step % checkpoint_every == 0:
            saved = _save(loop)
    if saved < state.step or state.task.iterations == 0:
        _save(loop)
    return signal


def _step(loop: _Loop) -> tuple[StepResult, int | None]:
    """One step exactly as :mod:`sparse3d.train.task` states it."""
    state, processes, clock = loop.state, loop.processes, loop.clock
    task, step = state.task, state.step
    clock.start()
    batch = task.batch(step, processes.rank, processes.world_size)
    clock.lap()
    with processes.autocast():
        terms = task.losses(batch, step)
    inside = task.loss_parts() if isinstance(task, Times) else ()
    total = total_loss(terms)
    result = StepResult(step, _numbers(terms))
    signal = _agree(loop, result, batch)
    clock.lap(inside)
    total.backward()
    average_gradients(state.parameters, processes)
    if processes.world_size > 1 and isinstance(task, Pools):
        task.pool(processes.sum)
    clock.lap()
    state.optimize()
    clock.lap()
    task.after_step(step, state.optimizers)
    clock.lap()
    state.step += 1
    state.seconds += clock.stop()
    return result, signal


def _numbers(terms: Sequence[LossTerm]) -> dict[str, float]:
    values = torch.stack([term.value.detach().float() for term in terms]).tolist()
    return {term.name: value for term, value in zip(terms, values, strict=True)}


def _agree(loop: _Loop, result: StepResult, batch: object) -> int | None:
    """The signal that shall end the training after this step, the same in all processes.

    Raises:
        UserError: In all processes, if a loss of any is not finite.
        ConfigError: If the processes do not have equally many parameters any more.
    """
    processes = loop.processes
    size = sum(parameter.numel() for parameter in loop.state.parameters)
    flags = torch.zeros(1 + len(SIGNALS) + processes.world_size, dtype=torch.float64)
    flags[-1] = size
    if loop.stop.signal is not None:
        flags[SIGNALS.index(loop.stop.signal)] = 1
    flags[len(SIGNALS) + processes.rank] = not math.isfinite(result.loss)
    *counts, sizes = processes.sum(flags).tolist()
    signals, broken = counts[: len(SIGNALS)], counts[len(SIGNALS) :]
    if sizes != size * processes.world_size:
        raise ConfigError(
            f"{loop.state.task.method} cannot train in several processes: its parameters have"
            f" grown apart before step {result.step}"
        )
    if broken[processes.rank]:
        _stop_not_finite(loop, result, batch)
    if any(broken):
        raise UserError(f"loss of step {result.step} is not finite in process {broken.index(1)}")
    return next((one for one, count in zip(SIGNALS, signals, strict=True) if count), None)


def _stop_not_finite(loop: _Loop, result: StepResult, batch: object) -> NoReturn:
    terms = ", ".join(f"{name} {value:.4g}" for name, value in result.terms.items())
    name = getattr(batch, "name", None)
    where = "" if name is None else f" on {name}"
    message = f"loss is not finite at step {result.step}{where}: {terms}"
    if loop.checkpoints is not None:
        file = f"not-finite-step-{result.step:07d}-rank-{loop.processes.rank}.pt"
        path = loop.checkpoints.folder / file
        write_tensors({"terms": dict(result.terms), "batch": name, **_state(loop)}, path)
        message += f"; parameters before that step are in {path}"
    raise UserError(message)


def _state(loop: _Loop) -> dict[str, Any]:
    state = loop.state
    optimizers = {name: optimizer.state_dict() for name, optimizer in state.optimizers.items()}
    return {"step": state.step, "task": state.task.state_dict(), "optimizers": optimizers}


def _save(loop: _Loop) -> int:
    """Write a checkpoint, if there is a place for it; the number of steps it holds."""
    if loop.checkpoints is not None:
        random = loop.processes.gather(random_state())
        if loop.processes.rank == 0:
            config = loop.checkpoints.config
            loop.checkpoints.save(loop.state.checkpoint(config, random))
    return loop.state.step
