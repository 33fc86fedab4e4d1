"""The same Task gives the same bits under nerfstudio's trainer as under our own loop."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

pytest.importorskip("nerfstudio.configs.method_configs", reason="needs sparse3d[nerfstudio]")

from sparse3d.scene.formats.registry import open_scene
from sparse3d.splat.task import SplatTask
from sparse3d.train.task import total_loss

pytestmark = pytest.mark.nerfstudio


class _Recorded(SplatTask):
    """A splat task that keeps the losses it gave; ``on_step`` runs after each step."""

    recorded: list[torch.Tensor]

    def losses(self, batch: Any, step: int) -> Any:
        terms = super().losses(batch, step)
        self.recorded = [*getattr(self, "recorded", []), total_loss(terms).detach()]
        return terms


@pytest.fixture(autouse=True)
def recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    from sparse3d.train.nerfstudio import splat_data

    monkeypatch.setattr(splat_data, "SplatTask", _Recorded)


def _by_the_protocol(task: SplatTask, steps: int) -> None:
    groups = task.parameter_groups()
    optimizers = {g.name: g.make_optimizer(g.parameters, g.learning_rate(0)) for g in groups}
    for step in range(steps):
        total_loss(task.losses(task.batch(step), step)).backward()
        for group in groups:
            optimizer = optimizers[group.name]
            optimizer.param_groups[0]["lr"] = group.learning_rate(step)
            optimizer.step()
            optimizer.zero_grad()
        task.after_step(step, optimizers)


def test_losses_and_gaussians_equal_those_of_the_protocol(
    configured: Callable[..., Any], start: Callable[..., Any], scene_folder: Path
) -> None:
    trainer = start(configured(8))
    trainer.train()
    theirs = trainer.pipeline.task

    ours: Any = _Recorded.from_scene(open_scene(scene_folder), trainer.config.pipeline.task, seed=0)
    before = len(ours.gaussians())
    _by_the_protocol(ours, 8)

    assert len(ours.gaussians()) != before, "the run must densify to be worth comparing"
    assert torch.equal(torch.stack(ours.recorded), torch.stack(theirs.recorded))
    _assert_same_state(ours.state_dict(), theirs.state_dict())


def test_a_resumed_run_ends_like_an_uninterrupted_one(
    configured: Callable[..., Any], start: Callable[..., Any]
) -> None:
    whole = start(configured(8, timestamp="whole"))
    whole.train()
    half = start(configured(8, timestamp="half", steps_per_save=5))
    _interrupt_after(half, 5)
    half.train()
    resumed = start(configured(8, timestamp="rest", load_dir=half.checkpoint_dir))
    assert resumed._start_step == 5
    resumed.train()

    recorded = half.pipeline.task.recorded + resumed.pipeline.task.recorded
    assert torch.equal(torch.stack(recorded), torch.stack(whole.pipeline.task.recorded))
    _assert_same_state(resumed.pipeline.task.state_dict(), whole.pipeline.task.state_dict())


def test_interrupt_finishes_the_step_and_saves_exactly_it(
    configured: Callable[..., Any], start: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    handler = signal.getsignal(signal.SIGINT)
    trainer = start(configured(50))
    _interrupt_after(trainer, 3)
    trainer.train()
    saved = [path.name for path in trainer.checkpoint_dir.iterdir()]
    assert saved == ["step-000000002.ckpt"]
    assert len(trainer.pipeline.task.recorded) == 3
    assert "--load-dir" in capsys.readouterr().out
    assert signal.getsignal(signal.SIGINT) is handler
    assert "Training Finished" not in capsys.readouterr().out


def test_a_finished_run_trains_no_further_and_keeps_its_checkpoint(
    configured: Callable[..., Any], start: Callable[..., Any]
) -> None:
    first = start(configured(3))
    first.train()
    again = start(configured(3, load_dir=first.checkpoint_dir))
    again.train()
    assert [path.name for path in first.checkpoint_dir.iterdir()] == ["step-000000002.ckpt"]
    assert not hasattr(again.pipeline.task, "recorded")


def test_checkpoints_hold_plain_values_only(
    configured: Callable[..., Any], start: Callable[..., Any]
) -> None:
    trainer = start(configured(3))
    trainer.train()
    (path,) = trainer.checkpoint_dir.iterdir()
    state = torch.load(path, weights_only=True)
    assert state["step"] == 2
    _assert_same_state(state["pipeline"]["task"], trainer.pipeline.task.state_dict())


def _interrupt_after(trainer: Any, steps: int) -> None:
    """Ctrl-C in the middle of the step after which the training shall stop."""
    task = trainer.pipeline.task
    losses = task.losses

    def with_signal(batch: Any, step: int) -> Any:
        if step == steps - 1:
            os.kill(os.getpid(), signal.SIGINT)
        return losses(batch, step)

    task.losses = with_signal


def _assert_same_state(first: dict[str, Any], second: dict[str, Any]) -> None:
    assert first.keys() == second.keys()
    for key, value in first.items():
        equal = torch.equal if isinstance(value, torch.Tensor) else lambda a, b: a == b
        assert equal(value, second[key]), key
