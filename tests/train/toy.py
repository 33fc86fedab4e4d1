"""Small tasks to drive: a regression with dropout, and one that grows its parameter.

Loaded by path (see ``conftest.py``), and run as a script by the test of several processes.
"""

import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, Optimizer

if __name__ in ("__main__", "__mp_main__"):
    # Lightning Fabric looks for torchmetrics, which takes ten seconds to import and is not used.
    sys.modules["torchmetrics"] = None  # pyright: ignore[reportArgumentType] # how to hide one

from sparse3d.errors import ConfigError
from sparse3d.nn.training import LossTerm, ParameterGroup, step_generator
from sparse3d.train.loop import LoopReport, StepResult, train_task
from sparse3d.train.processes import Processes, launch
from sparse3d.train.settings import TrainSettings


@dataclass(frozen=True)
class RateConfig:
    """Nested, as in real methods."""

    start: float = 0.05
    """At the first step."""
    decay: float = 0.99
    """Factor of every step."""


@dataclass(frozen=True)
class ToyConfig:
    """What the toys are told."""

    iterations: int = 12
    """Steps."""
    grow_every: int = 0
    """Steps between growths, 0: none."""
    rates: RateConfig = field(default_factory=RateConfig)
    """Learning rates."""


@dataclass(frozen=True)
class Batch:
    """Inputs and outputs of a linear map."""

    name: str
    x: Tensor
    y: Tensor


@dataclass(frozen=True)
class Scores:
    """An evaluation; one number is not finite on purpose."""

    error: float

    def to_json(self) -> dict[str, Any]:
        """As ``Evaluation``."""
        return {"error": self.error, "per_view": [{"psnr": float("inf")}]}

    def headline(self) -> str:
        """As ``Evaluation``."""
        return f"error {self.error:.4f}"


class Toy:
    """Fits rows whose sum is a linear map; dropout draws from the global generator.

    Args:
        config: Sizes and rates.
        seed: Of data and dropout.
        at_step: Called at the end of every step: to send signals, to break things.
    """

    method = "toy"

    def __init__(
        self, config: ToyConfig, seed: int = 0, at_step: Callable[[int], None] | None = None
    ) -> None:
        self.config = config
        self.seed = seed
        self.at_step = at_step
        self.rows = nn.Parameter(torch.randn(2, 3, generator=torch.Generator().manual_seed(seed)))
        self.bias = nn.Parameter(torch.zeros(1))
        self.calls: list[tuple[str, int]] = []

    @property
    def iterations(self) -> int:
        """As ``Task``."""
        return self.config.iterations

    def parameter_groups(self) -> Sequence[ParameterGroup]:
        """As ``Task``."""
        return (
            ParameterGroup("rows", (self.rows,), self._rate, lambda p, lr: Adam(p, lr=lr)),
            ParameterGroup("bias", (self.bias,), lambda step: 0.1, lambda p, lr: SGD(p, lr=lr)),
        )

    def _rate(self, step: int) -> float:
        return self.config.rates.start * self.config.rates.decay**step

    def batch(self, step: int, rank: int = 0, world_size: int = 1) -> Batch:
        """As ``Task``."""
        self.calls.append(("batch", step))
        x = torch.randn(5, 3, generator=step_generator(self.seed, step, rank))
        return Batch(f"sample-{step}", x, x @ torch.tensor([1.0, -2.0, 0.5]) + 0.25)

    def losses(self, batch: Batch, step: int) -> Sequence[LossTerm]:
        """As ``Task``."""
        self.calls.append(("losses", step))
        kept = torch.nn.functional.dropout(batch.x, 0.2)
        error = (kept @ self.rows.sum(0) + self.bias - batch.y).square().mean()
        return (LossTerm("fit", error), LossTerm("size", 0.01 * self.rows.square().sum()))

    def after_step(self, step: int, optimizers: Mapping[str, Optimizer]) -> None:
        """As ``Task``."""
        self.calls.append(("after_step", step))
        assert self.rows.grad is None
        every = self.config.grow_every
        if every and (step + 1) % every == 0:
            self._grow(optimizers["rows"], step)
        if self.at_step is not None:
            self.at_step(step)

    def _grow(self, optimizer: Optimizer, step: int) -> None:
        """Drop the first row, add two random ones; moments of new rows are zero."""
        new = 0.1 * torch.randn(2, 3, generator=step_generator(self.seed, step, 99))
        self.rows.data = torch.cat([self.rows.data[1:], new])
        state = optimizer.state[self.rows]
        for name in ("exp_avg", "exp_avg_sq"):
            state[name] = torch.cat([state[name][1:], torch.zeros(2, 3)])

    def evaluate(self, on_progress: Callable[[int, int], None] | None = None) -> Scores:
        """As ``Task``."""
        if on_progress is not None:
            on_progress(1, 1)
        difference = self.rows.detach().sum(0) - torch.tensor([1.0, -2.0, 0.5])
        return Scores(float(difference.abs().max()))

    def state_dict(self) -> dict[str, Any]:
        """As ``Task``."""
        return {"kind": "toy", "rows": self.rows.detach(), "bias": self.bias.detach()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """As ``Task``."""
        if state.get("kind") != "toy":
            raise ConfigError("a state of the toy was expected")
        self.rows.data = state["rows"].clone()
        self.bias.data = state["bias"].clone()


def interrupt_at(step: int, number: int = signal.SIGINT) -> Callable[[int], None]:
    """For ``at_step``: the signal that Ctrl-C sends, to this process, within that step."""

    def send(now: int) -> None:
        if now == step:
            os.kill(os.getpid(), number)

    return send


@dataclass
class Recorder:
    """A watcher that keeps everything."""

    results: list[StepResult] = field(default_factory=list)

    def on_step(self, result: StepResult) -> None:
        """Keep it."""
        self.results.append(result)


def train_and_fail(folder: Path, processes: Processes) -> None:
    """One process of several: train, leave the parameters in the folder, fail in the second."""
    torch.manual_seed(7)
    task = Toy(ToyConfig(iterations=6, grow_every=3))
    train_task(task, processes=processes)
    torch.save(task.state_dict(), folder / f"{processes.world_size}-{processes.rank}.pt")
    if processes.rank == 1:
        raise ConfigError("photo 17 is missing")
    processes.gather(None)


def report(processes: Processes) -> LoopReport:
    """A result that is more than a number."""
    return train_task(Toy(ToyConfig(iterations=2)), processes=processes)


if __name__ == "__main__":
    out = Path(sys.argv[1])
    if sys.argv[2:] == ["report"]:
        assert launch(TrainSettings(devices=2), report).steps == 2
        sys.exit()
    try:
        launch(TrainSettings(devices=2), partial(train_and_fail, out))
    except Exception as error:  # noqa: BLE001 # its type and text are what is tested
        (out / "error.txt").write_text(f"{type(error).__name__}: {error}")
