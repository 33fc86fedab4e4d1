"""A Task under nerfstudio's Pipeline contract; cameras are the business of subclasses."""

# nerfstudio declares attributes by their base classes; each subclass holds its own kind.
# pyright: reportIncompatibleVariableOverride=false
# Its abstract methods have no return statement, which reads as a return type of None.
# pyright: reportIncompatibleMethodOverride=false

import dataclasses
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import torch
from nerfstudio.data.datamanagers.base_datamanager import DataManager, DataManagerConfig
from nerfstudio.engine.callbacks import TrainingCallback
from nerfstudio.models.base_model import ModelConfig
from nerfstudio.pipelines.base_pipeline import Pipeline, VanillaPipelineConfig
from torch import Tensor, nn
from tyro.conf import Fixed

from sparse3d.errors import ConfigError, UserError
from sparse3d.train.abilities import Movable
from sparse3d.train.task import Evaluation, Task, total_loss

__all__ = [
    "Mode",
    "TaskConfig",
    "TaskDataManager",
    "TaskDataManagerConfig",
    "TaskModel",
    "TaskPipeline",
    "TaskPipelineConfig",
    "numbers_of",
    "one_line_errors",
]

Mode = Literal["train", "val", "test", "inference"]


@runtime_checkable
class TaskConfig(Protocol):
    """What the adapter must know of a task's configuration, which is a dataclass."""

    @property
    def iterations(self) -> int:
        """Number of steps of a full training."""
        ...


@dataclass
class TaskDataManagerConfig(DataManagerConfig):
    """Where the data is; everything else about it is the task's configuration."""

    _target: type = field(default_factory=lambda: TaskDataManager)


class TaskDataManager(DataManager):
    """Stands where nerfstudio expects data; batches are made by the task itself."""

    train_dataset: Any = ()
    eval_dataset: Any = None

    def __init__(
        self,
        config: DataManagerConfig,
        device: torch.device | str = "cpu",
        test_mode: Mode = "val",
        world_size: int = 1,
        local_rank: int = 0,
    ) -> None:
        self.config = config
        self.device = device
        self.test_mode = test_mode
        self.world_size = world_size
        self.local_rank = local_rank
        super().__init__()

    def setup_train(self) -> None:
        """Nothing: the task reads its own data."""

    def setup_eval(self) -> None:
        """Nothing: the task reads its own data."""

    def get_datapath(self) -> Path:
        """The scene or data set, as given with ``--data``."""
        if self.config.data is None:
            raise ConfigError("no data given; add --data PATH")
        return self.config.data

    def get_train_rays_per_batch(self) -> int:
        """Unit of nerfstudio's speed display; a task without cameras counts its steps."""
        return 1

    def get_eval_rays_per_batch(self) -> int:
        """Unit of nerfstudio's speed display; a task without cameras counts its steps."""
        return 1


class TaskModel(nn.Module):
    """What nerfstudio sees of a task without cameras: its parameters."""

    def __init__(self, task: Task[Any]) -> None:
        super().__init__()
        self.trained = trained_parameters(task)

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return next(self.parameters()).device


def trained_parameters(task: Task[Any]) -> nn.ParameterDict:
    """All parameters of a task under the names of their groups; the objects are shared."""
    return nn.ParameterDict(
        {
            f"{group.name}_{number}": parameter
            for group in task.parameter_groups()
            for number, parameter in enumerate(group.parameters)
        }
    )


@dataclass
class TaskPipelineConfig(VanillaPipelineConfig):
    """A task and its data."""

    _target: type = field(default_factory=lambda: TaskPipeline)
    datamanager: Fixed[DataManagerConfig] = field(default_factory=TaskDataManagerConfig)
    model: Fixed[ModelConfig] = field(default_factory=ModelConfig)
    task: Any = None
    """Configuration of the task, see :class:`TaskConfig`."""
    seed: Fixed[int] = 0
    """Seed of the task; follows ``--machine.seed``."""

    def for_run(self, iterations: int, seed: int) -> "TaskPipelineConfig":
        """The same for a run of so many steps (0: as the task says) and with this seed."""
        task = dataclasses.replace(self.task, iterations=iterations or self.task.iterations)
        return dataclasses.replace(self, task=task, seed=seed)


class TaskPipeline(Pipeline):
    """Hands a task to nerfstudio's trainer and evaluation; subclasses build the task.

    Args:
        config: Configuration of the task and its data.
        device: Where to train; a task that cannot move evaluates on the CPU.
        test_mode: ``val`` for training, ``test`` and ``inference`` for nerfstudio's other commands.
        world_size: Number of processes; nerfstudio's own way to train on several is not supported.
        local_rank: Number of this process.
        grad_scaler: Ignored; tasks choose their own precision.
    """

    datamanager: TaskDataManager
    task: Task[Any]

    def __init__(
        self,
        config: TaskPipelineConfig,
        device: torch.device | str,
        test_mode: Mode = "val",
        world_size: int = 1,
        local_rank: int = 0,
        grad_scaler: object = None,
    ) -> None:
        del local_rank, grad_scaler
        super().__init__()
        self.config = config
        self.world_size = world_size
        with one_line_errors():
            if world_size > 1:
                raise ConfigError("ns-train drives one process; `sparse3d train` drives several")
            self.datamanager = config.datamanager.setup(device=device, test_mode=test_mode)
            self.task = self.build_task()
            self._place(torch.device(device), training=test_mode == "val")
        self._model: Any = self.build_model()

    def build_task(self) -> Task[Any]:
        """The task that is configured, on its data."""
        raise NotImplementedError

    def build_model(self) -> nn.Module:
        """What nerfstudio calls the model."""
        return TaskModel(self.task)

    def _place(self, device: torch.device, training: bool) -> None:
        if device.type == "cpu":
            return
        if isinstance(self.task, Movable):
            self.task.to(device)
        elif training:  # other commands of nerfstudio take CUDA unasked where it is there
            raise ConfigError(f"{self.task.method} trains on the CPU: --machine.device-type cpu")

    def get_param_groups(self) -> dict[str, list[nn.Parameter]]:
        """Parameters by the names of the task's groups."""
        return {group.name: list(group.parameters) for group in self.task.parameter_groups()}

    def get_training_callbacks(
        self, training_callback_attributes: object
    ) -> list[TrainingCallback]:
        """None: the trainer calls the task itself."""
        del training_callback_attributes
        return []

    def get_train_loss_dict(
        self, step: int
    ) -> tuple[dict[str, Any], dict[str, Tensor], dict[str, Tensor]]:
        """No outputs, the total loss, and its terms as metrics.

        The terms are added up here and not by nerfstudio, so that the sum has the same bits as in
        our own loop.

        Raises:
            UserError: If a loss is not finite; before the step is taken.
        """
        batch = self.task.batch(step)
        terms = self.task.losses(batch, step)
        loss, values = total_loss(terms), {term.name: term.value.detach() for term in terms}
        if not bool(loss.isfinite()):
            name = getattr(batch, "name", None)
            where = "" if name is None else f" on {name}"
            listed = ", ".join(f"{key} {value.item():.4g}" for key, value in values.items())
            raise UserError(f"loss is not finite at step {step}{where}: {listed}")
        return {}, {"loss": loss}, values

    def get_eval_loss_dict(
        self, step: int
    ) -> tuple[dict[str, Any], dict[str, Tensor], dict[str, Tensor]]:
        """Not offered by tasks in general.

        Raises:
            ConfigError: Always.
        """
        raise ConfigError(
            f"{self.task.method} has no loss on held-out data (asked for at step {step});"
            " use --steps-per-eval-batch 0 and --steps-per-eval-all-images N"
        )

    def get_eval_image_metrics_and_images(
        self, step: int
    ) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """All metrics and no images; a task without cameras has nothing smaller to offer."""
        return {**self.get_average_eval_image_metrics(step), "num_rays": 1}, {}

    def get_average_eval_image_metrics(
        self, step: int | None = None, output_path: Path | None = None, get_std: bool = False
    ) -> dict[str, Any]:
        """The numbers of the task's own evaluation, the same as ``sparse3d eval`` gives."""
        del step, output_path, get_std
        with one_line_errors():
            return numbers_of(self.task.evaluate())

    def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """The state of the task, and of which method it is."""
        del args, kwargs
        return {"method": self.task.method, "task": self.task.state_dict()}

    def load_pipeline(self, loaded_state: dict[str, Any], step: int) -> None:
        """Take over a state of :meth:`state_dict`; ends the command if it is another method's."""
        del step
        with one_line_errors():
            found = loaded_state.get("method", "another method")
            if found != self.task.method:
                raise ConfigError(
                    f"a checkpoint of {self.task.method} expected, got one of {found}"
                )
            self.task.load_state_dict(loaded_state["task"])


def numbers_of(evaluation: Evaluation) -> dict[str, int | float]:
    """The plain numbers among the results of an evaluation."""
    values = evaluation.to_json().items()
    return {key: value for key, value in values if isinstance(value, (int, float))}


@contextmanager
def one_line_errors() -> Iterator[None]:
    """End the running command with one line on stderr and exit code 2 where the user errs."""
    try:
        yield
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201 - the command line is nerfstudio's
        raise SystemExit(2) from error
