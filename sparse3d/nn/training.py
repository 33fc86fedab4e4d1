"""What a method and its trainer tell each other: parameters, losses, times, weights."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from sparse3d.errors import ConfigError

__all__ = [
    "LossTerm",
    "ParameterGroup",
    "PartSeconds",
    "check_origin",
    "drawn_row",
    "load_weights",
    "step_generator",
]


class LossTerm(NamedTuple):
    """One weighted addend of the training loss."""

    name: str
    value: Tensor
    """Scalar, already weighted; the terms of a step are summed."""


class PartSeconds(NamedTuple):
    """How long a part of a step took."""

    name: str
    """Such as ``backward``; unique within a step."""
    seconds: float


@dataclass(frozen=True, slots=True)
class ParameterGroup:
    """Parameters that share an optimizer and a learning rate."""

    name: str
    """Unique within the task; nerfstudio shows it and keys its optimizers by it."""
    parameters: tuple[nn.Parameter, ...]
    """Stay the same objects for a whole run; a task that grows or shrinks assigns ``.data``."""
    learning_rate: Callable[[int], float]
    """Learning rate at a step, a pure function."""
    make_optimizer: Callable[[Iterable[nn.Parameter], float], Optimizer]
    """Builds the optimizer from parameters and an initial learning rate."""


def step_generator(seed: int, step: int, stream: int = 0) -> torch.Generator:
    """Random numbers of one step, the same whether a run was interrupted before it or not.

    Args:
        seed: Seed of the run.
        step: The step, from 0.
        stream: Number of the consumer, where several draw within one step.
    """
    mixed = seed * 0x9E3779B97F4A7C15 + step * 0xBF58476D1CE4E5B9 + stream * 0x94D049BB133111EB
    return torch.Generator().manual_seed(mixed % 2**63)


def drawn_row(draw: int, count: int, seed: int) -> int:
    """Which of ``count`` rows a draw takes: each comes once, in random order, before any again."""
    epoch, place = divmod(draw, count)
    return int(torch.randperm(count, generator=step_generator(seed, epoch, stream=1))[place])


def check_origin(state: Mapping[str, Any], method: str, setting: object) -> None:
    """Check that the state of a task is of this method, and of networks set like this.

    Raises:
        ConfigError: If it is not; the message says what it is of.
    """
    if state.get("method") != method:
        raise ConfigError(f"checkpoint of {state.get('method')!r}, expected {method!r}")
    if state.get("setting") != setting:
        raise ConfigError(
            f"the checkpoint is for {state.get('setting')}; the configuration says {setting}"
        )


def load_weights(network: nn.Module, state: Mapping[str, Any]) -> None:
    """Take over weights and running statistics.

    Args:
        network: Left as it is where they do not fit.
        state: By name, as in ``network.state_dict()``.

    Raises:
        ConfigError: If they are those of another configuration.
    """
    own = network.state_dict()
    for name in sorted({*own, *state}):
        ours, theirs = own.get(name), state.get(name)
        if ours is None or theirs is None or ours.shape != theirs.shape:
            sizes = [None if t is None else tuple(t.shape) for t in (theirs, ours)]
            raise ConfigError(
                f"the checkpoint does not fit the configuration: {name} is {sizes[0]},"
                f" expected {sizes[1]}"
            )
    network.load_state_dict(dict(state))
