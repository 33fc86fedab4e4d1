"""Tasks without cameras go through the same trainer, bit for bit."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

pytest.importorskip("nerfstudio.configs.method_configs", reason="needs sparse3d[nerfstudio]")

from sparse3d.errors import ConfigError
from sparse3d.train.loop import train_task
from sparse3d.train.nerfstudio.pipeline import TaskPipeline, TaskPipelineConfig
from sparse3d.train.nerfstudio.trainer import TaskTrainerConfig
from sparse3d.train.task import LossTerm, ParameterGroup, step_generator

pytestmark = pytest.mark.nerfstudio


@dataclass(frozen=True)
class _Config:
    iterations: int = 12


@dataclass(frozen=True)
class _Score:
    score: float

    def to_json(self) -> dict[str, Any]:
        return {"score": self.score, "names": ["a", "b"], "missing": None}

    def headline(self) -> str:
        return f"score {self.score}"


class _Toy:
    """Fits rows to random targets; grows a row now and then, and reads rates after the step."""

    method = "toy"

    def __init__(self, config: _Config, seed: int) -> None:
        self.iterations = config.iterations
        self.seed = seed
        self.rows = nn.Parameter(torch.ones(2, 3))
        self.bias = nn.Parameter(torch.zeros(3))
        self.seen: list[tuple[float, ...]] = []

    def parameter_groups(self) -> list[ParameterGroup]:
        return [
            ParameterGroup("rows", (self.rows,), lambda step: 0.1 / (1 + step), torch.optim.Adam),
            ParameterGroup("bias", (self.bias,), lambda step: 0.01 * step, torch.optim.SGD),
        ]

    def batch(self, step: int, rank: int = 0, world_size: int = 1) -> Tensor:
        return torch.randn(3, generator=step_generator(self.seed, step * world_size + rank))

    def losses(self, batch: Tensor, step: int) -> list[LossTerm]:
        fit = (self.rows.sum(0) + self.bias - batch).square().mean()
        size, shift = self.rows.abs().mean() / 3, self.bias.square().sum() / 7
        self.seen.append(tuple(float(term.detach()) for term in (fit, size, shift)))
        return [LossTerm("fit", fit), LossTerm("size", size), LossTerm("shift", shift)]

    def after_step(self, step: int, optimizers: Mapping[str, Optimizer]) -> None:
        rates = [optimizers[name].param_groups[0]["lr"] for name in ("rows", "bias")]
        assert rates == [group.learning_rate(step) for group in self.parameter_groups()]
        assert self.rows.grad is None
        if step % 5 == 4:
            self.rows.data = torch.cat([self.rows.data, self.rows.data[:1]])
            optimizers["rows"].state.pop(self.rows)

    def evaluate(self, on_progress: object = None) -> _Score:
        return _Score(float(self.rows.detach().sum()))

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows.data, "bias": self.bias.data}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.rows.data, self.bias.data = state["rows"].clone(), state["bias"].clone()


class _ToyPipeline(TaskPipeline):
    def build_task(self) -> _Toy:
        return _Toy(self.config.task, self.config.seed)


@dataclass
class _ToyPipelineConfig(TaskPipelineConfig):
    _target: type = field(default_factory=lambda: _ToyPipeline)
    task: _Config = field(default_factory=_Config)


@pytest.fixture
def toy(tmp_path: Path) -> Callable[..., TaskTrainerConfig]:
    def make(**changes: Any) -> TaskTrainerConfig:
        defaults: dict[str, Any] = {"vis": "tensorboard", "timestamp": "run"}
        return TaskTrainerConfig(
            method_name="toy",
            experiment_name="toy",
            output_dir=tmp_path,
            pipeline=_ToyPipelineConfig(),
            **(defaults | changes),
        )

    return make


def test_losses_equal_those_of_our_loop(toy: Callable[..., Any], start: Callable[..., Any]) -> None:
    config = toy(log_gradients=True)
    config.machine.device_type = "cpu"
    trainer = start(config)
    trainer.train()
    ours = _Toy(_Config(), config.machine.seed)
    train_task(ours)
    assert ours.seen == trainer.pipeline.task.seen
    assert len(ours.seen) == 12
    assert torch.equal(ours.rows, trainer.pipeline.task.rows)
    assert torch.equal(ours.bias, trainer.pipeline.task.bias)


def test_evaluation_keeps_the_numbers(toy: Callable[..., Any], start: Callable[..., Any]) -> None:
    config = toy(steps_per_eval_image=1)
    config.machine.device_type = "cpu"
    pipeline = start(config).pipeline
    assert pipeline.get_average_eval_image_metrics(get_std=True) == {"score": 6.0}
    with pytest.raises(ConfigError, match="held-out"):
        pipeline.get_eval_loss_dict(3)


def test_cuda_and_several_processes_are_refused(
    toy: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        toy().pipeline.setup(device="cuda:0")
    assert "--machine.device-type cpu" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        toy().pipeline.setup(device="cpu", world_size=2)
    assert "sparse3d train" in capsys.readouterr().err
    assert toy().pipeline.setup(device="cuda:0", test_mode="test").device.type == "cpu"
