"""What a Task may offer beyond the Task protocol; trainers ask by ``isinstance``."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from sparse3d.nn.training import PartSeconds
from sparse3d.scene.scene import Split
from sparse3d.train.task import Evaluation

__all__ = ["Describes", "Exports", "Movable", "Pools", "Splits", "Times"]


@runtime_checkable
class Describes(Protocol):
    """A task that says what it made of its data before it is trained."""

    def describe(self) -> str:
        """One line for people."""
        ...


@runtime_checkable
class Exports(Protocol):
    """A task that leaves files for other programs after training."""

    def export(self, folder: Path) -> None:
        """Write results (a splat, renders) into the run folder."""
        ...


@runtime_checkable
class Movable(Protocol):
    """A task that can train on another device than the CPU."""

    def to(self, device: torch.device) -> object:
        """Move parameters (by ``.data``) and data; called once, before the optimizers are made."""
        ...


@runtime_checkable
class Pools(Protocol):
    """A task whose ``after_step`` depends on what it has seen of the batches.

    With several processes every one sees other batches, but all must grow and shrink alike.
    """

    def pool(self, total: Callable[[Tensor], Tensor]) -> None:
        """Replace what was seen in this step by its sum over the processes.

        Args:
            total: The sum of a tensor over the processes; called equally often, with equal
                shapes, in each.
        """
        ...


@runtime_checkable
class Splits(Protocol):
    """A task whose data set has several evaluation splits."""

    def evaluate_split(
        self, split: Split, on_progress: Callable[[int, int], None] | None = None
    ) -> Evaluation:
        """As ``evaluate``, on another split than the usual one."""
        ...


@runtime_checkable
class Times(Protocol):
    """A task that looks at the clock within ``losses``."""

    def loss_parts(self) -> Sequence[PartSeconds]:
        """Parts of the last call of ``losses``, in their order; what they leave is the loss."""
        ...
