"""The loop against steps written out by hand, and resumes against uninterrupted trainings."""

import signal
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor

from sparse3d.errors import ConfigError, UserError
from sparse3d.nn.training import LossTerm, PartSeconds
from sparse3d.train.checkpoint import CheckpointFolder, read_checkpoint
from sparse3d.train.loop import train_task
from sparse3d.train.processes import SingleProcess
from sparse3d.train.timing import StepSeconds


def folder(path: Path) -> CheckpointFolder:
    return CheckpointFolder(path / "checkpoints", "iterations: 12")


def state_of(task: Any) -> list[Tensor]:
    return [task.rows.detach(), task.bias.detach()]


def same(first: Sequence[Tensor], second: Sequence[Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_steps_are_those_of_a_plain_training(toy: ModuleType) -> None:
    torch.manual_seed(3)
    task = toy.Toy(toy.ToyConfig(iterations=5))
    recorder = toy.Recorder()
    report = train_task(task, watchers=[recorder])

    torch.manual_seed(3)
    plain = toy.Toy(toy.ToyConfig())
    adam = torch.optim.Adam([plain.rows], lr=1.0)
    sgd = torch.optim.SGD([plain.bias], lr=0.1)
    losses = []
    for step in range(5):
        adam.param_groups[0]["lr"] = 0.05 * 0.99**step
        fit, size = plain.losses(plain.batch(step), step)
        (fit.value + size.value).backward()
        losses.append([fit.value.item(), size.value.item()])
        adam.step()
        sgd.step()
        adam.zero_grad()
        sgd.zero_grad()

    assert same(state_of(task), state_of(plain))
    assert [list(result.terms.values()) for result in recorder.results] == losses
    assert [result.loss for result in recorder.results] == [sum(pair) for pair in losses]
    assert task.calls == [
        (name, step) for step in range(5) for name in ("batch", "losses", "after_step")
    ]
    assert (report.steps, report.finished, report.signal) == (5, True, None)


@pytest.mark.parametrize("grow_every", [0, 5])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("stop", [0, 4, 8])
def test_interrupt_and_resume_give_the_same_bits(
    toy: ModuleType, tmp_path: Path, grow_every: int, number: signal.Signals, stop: int
) -> None:
    config = toy.ToyConfig(iterations=12, grow_every=grow_every)
    torch.manual_seed(1)
    whole, whole_log = toy.Toy(config), toy.Recorder()
    train_task(whole, watchers=[whole_log])

    torch.manual_seed(1)
    log = toy.Recorder()
    first = toy.Toy(config, at_step=toy.interrupt_at(stop, number))
    report = train_task(first, checkpoints=folder(tmp_path), watchers=[log])
    assert (report.steps, report.finished, report.signal) == (stop + 2, False, number)

    torch.manual_seed(999)
    second = toy.Toy(config)
    checkpoint = folder(tmp_path).load("toy")
    report = train_task(second, resume=checkpoint, watchers=[log])
    assert same(state_of(second), state_of(whole))
    assert log.results == whole_log.results
    assert (report.steps, report.finished) == (12, True)
    assert report.seconds > checkpoint.seconds > 0


def test_a_checkpoint_is_written_every_so_often_and_at_the_end(
    toy: ModuleType, tmp_path: Path
) -> None:
    checkpoints = replace(folder(tmp_path), keep_all=True)
    train_task(toy.Toy(toy.ToyConfig(iterations=7)), checkpoints=checkpoints, checkpoint_every=3)
    names = sorted(path.name for path in checkpoints.folder.iterdir())
    assert names == ["last.pt", "step-0000003.pt", "step-0000006.pt", "step-0000007.pt"]
    assert read_checkpoint(checkpoints.last).step == 7
    assert read_checkpoint(checkpoints.folder / names[1]).step == 3


def test_resuming_a_finished_training_takes_no_step(toy: ModuleType, tmp_path: Path) -> None:
    config = toy.ToyConfig(iterations=3)
    train_task(toy.Toy(config), checkpoints=folder(tmp_path))
    task = toy.Toy(config)
    report = train_task(task, resume=folder(tmp_path).load("toy"), checkpoints=folder(tmp_path))
    assert task.calls == []
    assert (report.steps, report.finished, report.seconds_per_iteration) == (3, True, None)
    assert report.parts == StepSeconds()


def test_what_a_task_tells_of_its_losses_is_reported(toy: ModuleType) -> None:
    class Telling(toy.Toy):
        def loss_parts(self) -> list[PartSeconds]:
            return [PartSeconds("draw", 1e-9)]

    report = train_task(Telling(toy.ToyConfig(iterations=3)))
    draw, loss = report.parts.inside
    assert draw == ("draw", 1e-9)
    assert loss.seconds == pytest.approx(report.parts.losses - 1e-9)


def test_no_iterations_still_leave_a_checkpoint(toy: ModuleType, tmp_path: Path) -> None:
    report = train_task(toy.Toy(toy.ToyConfig(iterations=0)), checkpoints=folder(tmp_path))
    assert (report.steps, report.finished) == (0, True)
    assert folder(tmp_path).load("toy").step == 0


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_loss_that_is_not_finite_stops_with_everything_named(
    toy: ModuleType, tmp_path: Path, value: float
) -> None:
    task = toy.Toy(toy.ToyConfig(iterations=9))
    before: list[Tensor] = []

    def poison(step: int) -> None:
        if step == 3:
            task.rows.data[0, 0] = value
            before.extend(tensor.clone() for tensor in state_of(task))

    task.at_step = poison
    with pytest.raises(UserError, match=r"step 4 on sample-4: fit (nan|inf), size (nan|inf)") as e:
        train_task(task, checkpoints=folder(tmp_path))
    dump = tmp_path / "checkpoints" / "not-finite-step-0000004-rank-0.pt"
    assert str(dump) in str(e.value)
    content = torch.load(dump, weights_only=True)
    assert (content["step"], content["batch"]) == (4, "sample-4")
    saved = [content["task"]["rows"], content["task"]["bias"]]
    assert all(
        torch.equal(a.nan_to_num(), b.nan_to_num()) for a, b in zip(saved, before, strict=True)
    )
    assert not folder(tmp_path).last.exists()


def test_terms_of_opposite_infinity_are_not_a_finite_loss(toy: ModuleType) -> None:
    class Opposite(toy.Toy):
        def losses(self, batch: Any, step: int) -> Sequence[LossTerm]:
            zero = self.rows.sum() * 0
            return (LossTerm("up", zero + float("inf")), LossTerm("down", zero - float("inf")))

    with pytest.raises(UserError, match="step 0 on sample-0: up inf, down -inf"):
        train_task(Opposite(toy.ToyConfig()))


def test_a_checkpoint_of_other_optimizers_or_processes_is_refused(
    toy: ModuleType, tmp_path: Path
) -> None:
    config = toy.ToyConfig(iterations=1)
    train_task(toy.Toy(config), checkpoints=folder(tmp_path))
    checkpoint = folder(tmp_path).load("toy")
    other = replace(checkpoint, optimizers={"rows": checkpoint.optimizers["rows"]})
    with pytest.raises(ConfigError, match=r"optimizers for \['rows'\], expected"):
        train_task(toy.Toy(config), resume=other)
    with pytest.raises(ConfigError, match="written by 2 process"):
        train_task(toy.Toy(config), resume=replace(checkpoint, random=[{}, {}]))


class _Beside(SingleProcess):
    """The first of two processes; the other one's sums are made up."""

    world_size = 2

    def __init__(self, other: Callable[[Tensor], Tensor]) -> None:
        self._other = other

    def sum(self, values: Tensor) -> Tensor:
        """Both together."""
        return values + self._other(values.clone())


def _grown(values: Tensor) -> Tensor:
    values[-1] += values.dtype == torch.float64
    return values


def test_parameters_that_grow_apart_are_noticed(toy: ModuleType) -> None:
    with pytest.raises(ConfigError, match="toy cannot train in several processes"):
        train_task(toy.Toy(toy.ToyConfig()), processes=_Beside(_grown))


def test_what_was_seen_is_pooled_before_the_step_ends(toy: ModuleType) -> None:
    class Pooling(toy.Toy):
        """Shares one number."""

        def pool(self, total: Callable[[Tensor], Tensor]) -> None:
            """Remember the sum."""
            self.calls.append(("pool", int(total(torch.tensor([3.0])))))

    task = Pooling(toy.ToyConfig(iterations=1))
    train_task(task, processes=_Beside(lambda values: values))
    assert task.calls == [("batch", 0), ("losses", 0), ("pool", 6), ("after_step", 0)]


def test_a_nondeterministic_operation_on_the_cpu_is_an_error(toy: ModuleType) -> None:
    modes: list[int] = []
    task = toy.Toy(toy.ToyConfig(iterations=1))
    task.at_step = lambda step: modes.append(torch.get_deterministic_debug_mode())
    train_task(task)
    assert modes == [2]
    assert torch.get_deterministic_debug_mode() == 0


def test_the_parts_of_a_step_add_up(toy: ModuleType) -> None:
    report = train_task(toy.Toy(toy.ToyConfig(iterations=1)))
    parts = report.parts
    total = parts.data + parts.losses + parts.backward + parts.optimizer + parts.after_step
    assert report.seconds_per_iteration == pytest.approx(total)
    assert report.seconds == pytest.approx(total)
    assert min(parts.data, parts.losses, parts.backward, parts.optimizer, parts.after_step) > 0
