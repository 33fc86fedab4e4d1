"""What a method offers to a trainer.

A ``Task`` knows its data, its parameters and its losses, and no trainer. Two drivers run the same
Task: the loop of ``sparse3d.train.loop`` and the adapter in ``sparse3d.train.nerfstudio``. Both
do, for ``step`` from 0::

    losses = task.losses(task.batch(step, ...), step)      # draws randomness from (seed, step)
    sum(term.value for term in losses).backward()
    set every group's learning rate to group.learning_rate(step), step its optimizer, zero grads
    task.after_step(step, optimizers)

so that the same seed gives the same losses in both.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor
from torch.optim import Optimizer

from sparse3d.nn.training import LossTerm, ParameterGroup, step_generator

__all__ = ["Evaluation", "LossTerm", "ParameterGroup", "Task", "step_generator", "total_loss"]

BatchT = TypeVar("BatchT")


@runtime_checkable
class Evaluation(Protocol):
    """Result of :meth:`Task.evaluate`."""

    def to_json(self) -> dict[str, Any]:
        """Plain data for ``metrics.json``."""
        ...

    def headline(self) -> str:
        """One line for people, such as ``PSNR 21.30 dB, SSIM 0.712 on 3 test views``."""
        ...


@runtime_checkable
class Task(Protocol[BatchT]):
    """A method on its data, ready to be trained. Batches are the task's own type."""

    @property
    def method(self) -> str:
        """Name of the method, as under ``sparse3d train`` and ``ns-train``."""
        ...

    @property
    def iterations(self) -> int:
        """Number of steps of a full training."""
        ...

    def parameter_groups(self) -> Sequence[ParameterGroup]:
        """Everything that is trained."""
        ...

    def batch(self, step: int, rank: int = 0, world_size: int = 1) -> BatchT:
        """The data of one step for one process: a pure function of seed, step and rank."""
        ...

    def losses(self, batch: BatchT, step: int) -> Sequence[LossTerm]:
        """Losses of a batch, with gradients to the parameters."""
        ...

    def after_step(self, step: int, optimizers: Mapping[str, Optimizer]) -> None:
        """What follows the optimizer step: decay, densification, pruning.

        Args:
            step: The step that was just taken.
            optimizers: By group name; a task that resizes a parameter edits its state here, too.
        """
        ...

    def evaluate(self, on_progress: Callable[[int, int], None] | None = None) -> Evaluation:
        """Metrics on the held-out data.

        Args:
            on_progress: Called with the number of items done and in all.
        """
        ...

    def state_dict(self) -> dict[str, Any]:
        """Tensors, numbers, strings, and lists and dicts of these: all that a resume needs."""
        ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over a state, resizing parameters in place (``.data``) where needed.

        Raises:
            ConfigError: If the state is not one of this method.
        """
        ...


def total_loss(terms: Sequence[LossTerm]) -> Tensor:
    """The sum of all terms, a scalar."""
    return torch.stack([term.value for term in terms]).sum()
