"""A task in training: its optimizers, and how far it has come."""

from dataclasses import dataclass
from typing import Any

from torch import nn
from torch.optim import Optimizer

from sparse3d.errors import ConfigError
from sparse3d.train.checkpoint import Checkpoint
from sparse3d.train.task import ParameterGroup, Task

__all__ = ["TrainState"]


@dataclass(slots=True)
class TrainState:
    """What changes from step to step."""

    task: Task[Any]
    groups: tuple[ParameterGroup, ...]
    optimizers: dict[str, Optimizer]
    """By group name."""
    step: int = 0
    """The next step; as many have been taken."""
    seconds: float = 0.0
    """Spent on the steps so far, those before a resume included."""

    @classmethod
    def start(cls, task: Task[Any]) -> "TrainState":
        """A task before its first step.

        Raises:
            ValueError: If two parameter groups share a name.
        """
        groups = tuple(task.parameter_groups())
        optimizers = {
            group.name: group.make_optimizer(group.parameters, float(group.learning_rate(0)))
            for group in groups
        }
        if len(optimizers) < len(groups):
            raise ValueError(f"parameter groups of {task.method} share a name")
        return cls(task, groups, optimizers)

    @property
    def parameters(self) -> list[nn.Parameter]:
        """Everything that is trained, in the order of the groups."""
        return [parameter for group in self.groups for parameter in group.parameters]

    def optimize(self) -> None:
        """One step of every optimizer at its group's learning rate; gradients are dropped."""
        for group in self.groups:
            rate = float(group.learning_rate(self.step))
            optimizer = self.optimizers[group.name]
            for options in optimizer.param_groups:
                options["lr"] = rate
            optimizer.step()
        for parameter in self.parameters:
            parameter.grad = None

    def checkpoint(self, config: str, random: list[dict[str, Any]]) -> Checkpoint:
        """A snapshot, to be written before the next step.

        Args:
            config: The configuration as YAML.
            random: Global random states, by rank.
        """
        return Checkpoint(
            method=self.task.method,
            config=config,
            step=self.step,
            seconds=self.seconds,
            task=self.task.state_dict(),
            optimizers={name: one.state_dict() for name, one in self.optimizers.items()},
            random=random,
        )

    def restore(self, checkpoint: Checkpoint) -> None:
        """Continue where a checkpoint was written.

        Raises:
            ConfigError: If its optimizers are not those of this task.
        """
        self.task.load_state_dict(checkpoint.task)
        if set(checkpoint.optimizers) != set(self.optimizers):
            raise ConfigError(
                f"the checkpoint has optimizers for {sorted(checkpoint.optimizers)},"
                f" expected {sorted(self.optimizers)}"
            )
        for name, optimizer in self.optimizers.items():
            optimizer.load_state_dict(checkpoint.optimizers[name])
        self.step, self.seconds = checkpoint.step, checkpoint.seconds
