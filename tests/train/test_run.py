"""Run folders: made once, opened anywhere, resumed exactly, never half there."""

import errno
import json
import shutil
import signal
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from sparse3d.errors import ConfigError, DataError, UserError
from sparse3d.train.config import parse_yaml
from sparse3d.train.evaluation import evaluate_run
from sparse3d.train.launch import train_run
from sparse3d.train.methods import Method
from sparse3d.train.run import Run, load_task
from sparse3d.train.settings import TrainSettings

QUICK = TrainSettings(tensorboard=False, log_every=2)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "data"
    path.mkdir()
    return path


@pytest.fixture
def run(tmp_path: Path, data: Path, toy: ModuleType, toy_method: Method) -> Run:
    config = toy.ToyConfig(iterations=10, grow_every=4)
    return Run.create(tmp_path / "runs" / "a", toy_method, data, 5, config)


@pytest.fixture
def signals(toy: ModuleType, monkeypatch: pytest.MonkeyPatch) -> dict[int, int]:
    """Signals that toys which know none of their own send, by step."""
    plan: dict[int, int] = {}
    original = toy.Toy.after_step

    def after_step(task: Any, step: int, optimizers: Any) -> None:
        original(task, step, optimizers)
        if step in plan:
            signal.raise_signal(plan.pop(step))

    monkeypatch.setattr(toy.Toy, "after_step", after_step)
    return plan


def log_steps(run: Run) -> list[int]:
    lines = (run.logs / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line)["step"] for line in lines]


def test_a_run_is_opened_as_it_was_created(run: Run) -> None:
    opened = Run.open(run.folder)
    assert opened == run
    values = parse_yaml((run.folder / "run.yaml").read_text(), "run.yaml")
    assert values["method"] == "toy"
    assert values["config"]["rates"] == {"start": 0.05, "decay": 0.99}
    assert values["environment"]["torch"] == str(torch.__version__)


def test_a_folder_with_contents_is_left_alone(run: Run, data: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"runs/a: is not empty; --resume continues"):
        Run.create(run.folder, run.method, data, 0, run.config)
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataError, match="file: is not empty"):
        Run.create(tmp_path / "file", run.method, data, 0, run.config)
    with pytest.raises(DataError, match="nothing: no such file"):
        Run.create(tmp_path / "new", run.method, tmp_path / "nothing", 0, run.config)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("format: 1", "format: 9", "run.yaml: format 1 was expected, got 9"),
        ("method: toy", "method: tou", "no method 'tou'; did you mean 'toy'"),
        ("iterations: 10", "iteration: 10", "unknown key 'config.iteration'"),
        ("seed: 5", "seeds: 5", "unknown key 'seeds'; the nearest valid one is 'seed'"),
        ("seed: 5", "seed: [", "not valid YAML"),
    ],
)
def test_a_damaged_description_is_named(run: Run, old: str, new: str, message: str) -> None:
    path = run.folder / "run.yaml"
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(ConfigError, match=message):
        Run.open(run.folder)


def test_another_folder_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"is no run: a folder with run\.yaml was expected"):
        Run.open(tmp_path)


def test_training_leaves_weights_metrics_and_logs(run: Run) -> None:
    outcome = train_run(run, QUICK)
    assert outcome.metrics is not None
    values = json.loads(run.metrics.read_text())
    assert values == outcome.metrics.values
    assert values["per_view"] == [{"psnr": None}]
    assert values["iterations"] == 10
    assert values["seconds"] >= values["seconds_per_iteration"] > 0
    assert set(values["step_seconds"]) == {"data", "losses", "backward", "optimizer", "after_step"}
    assert log_steps(run) == [0, 2, 4, 6, 8]
    assert outcome.metrics.headline == f"error {values['error']:.4f}"


def test_an_interrupted_run_goes_on_to_the_same_bits(
    run: Run, signals: dict[int, int], toy: ModuleType, data: Path
) -> None:
    signals[6] = signal.SIGINT
    outcome = train_run(run, QUICK)
    assert (outcome.report.signal, outcome.metrics) == (signal.SIGINT, None)
    assert not run.metrics.exists()
    with (run.logs / "metrics.jsonl").open("a") as stream:
        stream.write('{"step": 8, "loss": 1.0}\n{"step": 10, "lo')  # as a killed run leaves it

    moved = run.folder.with_name("moved")
    shutil.move(run.folder, moved)
    resumed = Run.open(moved)
    train_run(resumed, QUICK, resume=True)
    whole = Run.create(moved.with_name("whole"), run.method, data, run.seed, run.config)
    train_run(whole, QUICK)
    first, second = load_task(resumed), load_task(whole)
    assert isinstance(first, toy.Toy)
    assert torch.equal(first.state_dict()["rows"], second.state_dict()["rows"])
    assert torch.equal(first.state_dict()["bias"], second.state_dict()["bias"])
    assert log_steps(resumed) == log_steps(whole) == [0, 2, 4, 6, 8]


def test_a_run_killed_before_its_first_checkpoint_starts_again(run: Run) -> None:
    outcome = train_run(Run.open(run.folder), QUICK, resume=True)
    assert outcome.report.finished


def test_a_failure_before_the_first_checkpoint_leaves_nothing(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> None:
        raise DataError(path, "is no scene")

    monkeypatch.setattr("sparse3d.train.run.open_scene", refuse)
    with pytest.raises(DataError, match="is no scene"):
        train_run(run, QUICK)
    assert not run.folder.exists()


def test_a_disk_that_fills_at_the_first_checkpoint_leaves_nothing(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Path, data: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device", str(self))

    monkeypatch.setattr(Path, "write_bytes", refuse)
    with pytest.raises(DataError, match=r"last\.pt: no space left on the output disk"):
        train_run(run, QUICK)
    assert not run.folder.exists()


@pytest.mark.parametrize("seed", [-1, 2**63])
def test_a_seed_that_not_every_generator_takes_is_refused(
    data: Path, tmp_path: Path, run: Run, seed: int
) -> None:
    with pytest.raises(ConfigError, match=f"seed must be from 0 to .*807, got {seed}"):
        Run.create(tmp_path / "b", run.method, data, seed, run.config)
    assert not (tmp_path / "b").exists()


def test_what_is_not_ours_survives_a_failure(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    (run.folder / "notes.txt").write_text("mine")
    monkeypatch.setattr("sparse3d.train.run.seed_everything", lambda seed: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        train_run(run, QUICK)
    assert [path.name for path in run.folder.iterdir()] == ["notes.txt"]


def test_a_loss_that_is_not_finite_keeps_its_dump(
    run: Run, toy: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(toy.Toy, "_rate", lambda task, step: float("inf"))
    with pytest.raises(UserError, match="not finite at step 1"):
        train_run(run, QUICK)
    assert list((run.folder / "checkpoints").glob("not-finite-*.pt"))
    assert (run.folder / "run.yaml").exists()


@pytest.mark.parametrize(
    ("seed", "iterations", "message"),
    [
        (None, 10, None),
        (5, 10, None),
        (6, 10, "seed 5, not 6"),
        (None, 11, "iterations = 10, not 11"),
    ],
)
def test_a_resume_keeps_seed_and_configuration(
    run: Run, toy: ModuleType, seed: int | None, iterations: int, message: str | None
) -> None:
    config = toy.ToyConfig(iterations=iterations, grow_every=4)
    if message is None:
        run.require(run.method, seed, config)
        return
    with pytest.raises(ConfigError, match=message):
        run.require(run.method, seed, config)


def test_evaluation_renews_metrics_but_not_for_other_data(run: Run, tmp_path: Path) -> None:
    train_run(run, QUICK)
    before = json.loads(run.metrics.read_text())
    run.metrics.write_text(json.dumps({**before, "error": -1.0}))
    again = evaluate_run(run)
    assert again.values == before
    assert json.loads(run.metrics.read_text()) == before
    run.metrics.unlink()
    other = evaluate_run(run, data=tmp_path)
    assert other.values["error"] == before["error"]
    assert not run.metrics.exists()
    with pytest.raises(ConfigError, match="one evaluation split only"):
        evaluate_run(run, split="val")


def test_evaluation_needs_a_checkpoint_and_data(run: Run, data: Path) -> None:
    with pytest.raises(DataError, match=r"last\.pt: a checkpoint was expected"):
        evaluate_run(run)
    train_run(run, QUICK)
    data.rmdir()
    with pytest.raises(DataError, match="the data of the run is missing; --data PATH"):
        evaluate_run(run)


def test_a_task_that_exports_does_so_after_training(
    run: Run, toy: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    def export(task: Any, folder: Path) -> None:
        (folder / "result.txt").write_text(str(len(task.rows)))

    monkeypatch.setattr(toy.Toy, "export", export, raising=False)
    train_run(run, QUICK)
    assert (run.folder / "result.txt").read_text() == "4"


def test_tensorboard_holds_the_losses(run: Run) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    train_run(run, TrainSettings(log_every=5))
    events = EventAccumulator(str(run.logs)).Reload()
    assert events.Tags()["scalars"] == ["loss/total", "loss/fit", "loss/size"]
    total, fit, size = (events.Scalars(f"loss/{name}") for name in ("total", "fit", "size"))
    assert [event.step for event in total] == [0, 5]
    assert total[1].value == pytest.approx(fit[1].value + size[1].value)
