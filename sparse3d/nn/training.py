"""What a method and its trainer tell each other: parameters, losses, times, random numbers."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

__all__ = ["LossTerm", "ParameterGroup", "PartSeconds", "step_generator"]


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
