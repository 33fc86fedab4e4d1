"""nerfstudio's trainer, driving a Task step by step as our own loop does."""

# nerfstudio declares attributes by their base classes; each subclass holds its own kind.
# pyright: reportIncompatibleVariableOverride=false

import copy
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from nerfstudio.engine.optimizers import OptimizerConfig, Optimizers
from nerfstudio.engine.trainer import Trainer, TrainerConfig
from nerfstudio.utils import writer
from nerfstudio.utils.rich_utils import CONSOLE
from torch import Tensor, nn
from torch.optim import Optimizer
from tyro.conf import Fixed

from sparse3d.train.nerfstudio.pipeline import TaskPipeline, TaskPipelineConfig, one_line_errors
from sparse3d.train.stopping import StopRequest
from sparse3d.train.task import ParameterGroup

__all__ = ["GroupOptimizerConfig", "TaskTrainer", "TaskTrainerConfig"]


@dataclass
class TaskTrainerConfig(TrainerConfig):
    """nerfstudio's training options, for a Task."""

    _target: type = field(default_factory=lambda: TaskTrainer)
    pipeline: TaskPipelineConfig = field(default_factory=TaskPipelineConfig)
    max_num_iterations: int = 0
    """Steps of the whole training, those before a resume included; 0: as many as
    --pipeline.task.iterations says."""

    optimizers: Fixed[dict[str, Any]] = field(default_factory=dict)
    """Unused: the task has its own."""
    mixed_precision: Fixed[bool] = False
    """Unused: the task chooses its precision."""
    use_grad_scaler: Fixed[bool] = False
    """Unused, as above."""
    gradient_accumulation_steps: Fixed[dict[str, int]] = field(default_factory=dict)
    """Unused: the task chooses its batches."""

    def save_config(self) -> None:
        """Write ``config.yml``, with the number of steps and the seed that will be used."""
        self._settle()
        super().save_config()

    def setup(self, **kwargs: Any) -> "TaskTrainer":
        """The trainer."""
        self._settle()
        return super().setup(**kwargs)

    def _settle(self) -> None:
        self.pipeline = self.pipeline.for_run(self.max_num_iterations, self.machine.seed)
        self.max_num_iterations = self.pipeline.task.iterations


@dataclass
class GroupOptimizerConfig(OptimizerConfig):
    """Builds the optimizer of one of the task's parameter groups."""

    group: ParameterGroup | None = None
    """The group; its learning rate is set anew at every step."""

    def setup(self, params: Iterable[nn.Parameter]) -> Optimizer:
        """The optimizer that the task asks for."""
        assert self.group is not None
        return self.group.make_optimizer(params, self.lr)


class TaskTrainer(Trainer):
    """Keeps the order of ``sparse3d.train.task``, so that losses equal those of our own loop.

    Beyond nerfstudio's trainer: Ctrl-C finishes the step and saves a checkpoint, and a resumed
    training ends at the step at which the uninterrupted one would have ended.
    """

    config: TaskTrainerConfig
    pipeline: TaskPipeline

    def setup(self, test_mode: Any = "val") -> None:
        """Build pipeline, optimizers and viewer; load a checkpoint where one is given."""
        super().setup(test_mode)
        self.step = self._start_step - 1
        self._last_step = self.step
        self._signals = ExitStack()

    def setup_optimizers(self) -> Optimizers:
        """One optimizer a parameter group of the task."""
        groups = self.pipeline.task.parameter_groups()
        configs = {
            group.name: {
                "optimizer": GroupOptimizerConfig(lr=group.learning_rate(0), group=group),
                "scheduler": None,
            }
            for group in groups
        }
        return Optimizers(configs, {group.name: list(group.parameters) for group in groups})

    def train(self) -> None:
        """Train up to the configured number of steps."""
        left = self.config.max_num_iterations - self._start_step
        if left <= 0:
            CONSOLE.print(f"Nothing to train: {self._start_step} steps are done already")
            return
        whole = self.config
        self.config = copy.copy(whole)
        self.config.max_num_iterations = left  # nerfstudio counts from the checkpoint
        try:
            with one_line_errors(), self._signals:
                self._stop = self._signals.enter_context(StopRequest())
                super().train()
        finally:
            self.config = whole

    def train_iteration(self, step: int) -> tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]:
        """One step of the task: learning rates, losses, optimizers, what follows."""
        self._set_learning_rates(step)
        loss, losses, metrics = super().train_iteration(step)
        self.optimizers.zero_grad_all()
        self.pipeline.task.after_step(step, self.optimizers.optimizers)
        self._last_step = step
        self.stop_training = self.stop_training or self._stop.signal is not None
        return loss.detach(), {name: value.detach() for name, value in losses.items()}, metrics

    def _set_learning_rates(self, step: int) -> None:
        for group in self.pipeline.task.parameter_groups():
            rate = group.learning_rate(step)
            for values in self.optimizers.optimizers[group.name].param_groups:
                values["lr"] = rate
            writer.put_scalar(name=f"learning_rate/{group.name}", scalar=rate, step=step)

    def _after_train(self) -> None:
        self.step = self._last_step  # stopped, nerfstudio has counted one step that was not taken
        self._signals.close()  # from here on, Ctrl-C ends the viewer as always
        if self._stop.signal is None:
            super()._after_train()
            return
        self.save_checkpoint(self.step)
        writer.write_out_storage()
        CONSOLE.print(
            f"Interrupted after {self.step + 1} steps. To go on: the same command with"
            f" --load-dir {self.checkpoint_dir}"
        )
