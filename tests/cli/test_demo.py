"""``sparse3d demo``: one command to a page, again and again, and never over what is not its own."""

import json
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from sparse3d.cli import demo as command
from sparse3d.cli.main import main
from sparse3d.data.simulate.room import RoomConfig
from sparse3d.errors import DataError, MissingDependencyError
from sparse3d.train.launch import Outcome, train_run
from sparse3d.train.run import Run

pytest.importorskip("open3d")

ROOM = RoomConfig(views=3, test_views=2, width=64, height=48, samples=1)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A room of five tiny photos, an empty current folder, no OpenGL."""
    monkeypatch.setattr(command, "_ROOM", ROOM)
    monkeypatch.setattr("sparse3d.view.snapshot.snapshot", lambda *_: torch.rand(6, 8, 3))
    monkeypatch.chdir(tmp_path)


def demo(*words: str) -> int:
    return main(["demo", "--iterations", "3", *words])


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_one_command_makes_a_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert demo() == 0
    out = tmp_path / "runs" / "demo"
    assert names(out.parent) == {"demo"}
    assert {"index.html", "overview.png", "scene", "run", "pictures"} < names(out)
    metrics = json.loads((out / "run" / "metrics.json").read_text())
    assert len(metrics["train_views"]) == 3
    assert len(metrics["per_view"]) == 2
    assert not {view["name"] for view in metrics["per_view"]} & set(metrics["train_views"])
    shown = capsys.readouterr().out
    assert f"PSNR {metrics['psnr']:.2f} dB, SSIM {metrics['ssim']:.3f} on 2 test views" in shown
    assert all(f"view {view['name']}: PSNR" in shown for view in metrics["per_view"])
    assert "open runs/demo/index.html" in shown
    page = (out / "index.html").read_text()
    assert "True depth" in page
    assert "overview.png" in page
    assert ".unfinished" not in page
    assert Run.open(out / "run").data == out / "scene"


def test_a_second_demo_replaces_the_first(tmp_path: Path) -> None:
    assert demo("--out", "here") == 0
    (tmp_path / "here" / "old").touch()
    assert demo("--out", "here", "--seed", "1") == 0
    assert "old" not in names(tmp_path / "here")
    assert Run.open(tmp_path / "here" / "run").seed == 1
    assert names(tmp_path) == {"here"}


def test_the_same_seed_gives_the_same_demo() -> None:
    assert demo("--out", "a") == 0
    assert demo("--out", "b") == 0
    for part in ("pictures", "run/renders", "scene/parts"):
        for path in (Path("a") / part).iterdir():
            assert path.read_bytes() == (Path("b") / part / path.name).read_bytes()


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_what_is_no_demo_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    thesis = tmp_path / "here" if kind == "file" else tmp_path / "here" / "thesis.txt"
    thesis.parent.mkdir(exist_ok=True)
    thesis.write_text("precious")
    assert demo("--out", "here") == 2
    assert "holds something that is no demo" in capsys.readouterr().err
    assert thesis.read_text() == "precious"
    assert names(tmp_path) == {"here"}


def test_a_failure_before_training_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise MissingDependencyError("open3d", "pip install 'sparse3d[sim]'")

    monkeypatch.setattr(command, "simulate_room", fail)
    assert demo("--out", "here") == 2
    assert names(tmp_path) == set()


def test_an_interrupted_demo_is_continued(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stopped(*arguments: Any) -> Outcome:
        report = train_run(*arguments).report
        return Outcome(replace(report, signal=signal.SIGINT), None)

    with monkeypatch.context() as patch:
        patch.setattr("sparse3d.train.launch.train_run", stopped)
        assert demo("--out", "here") == 128 + signal.SIGINT
    assert "the same command continues" in capsys.readouterr().err
    assert names(tmp_path) == {".here.unfinished"}
    monkeypatch.setattr(command, "simulate_room", None)  # the room is there already
    assert demo("--out", "here") == 0
    assert names(tmp_path) == {"here"}
    assert "overview.png" in names(tmp_path / "here")


def test_an_interrupted_demo_of_another_room_is_thrown_away(tmp_path: Path) -> None:
    left = tmp_path / ".here.unfinished"
    (left / "run" / "checkpoints").mkdir(parents=True)
    (left / "demo.json").write_text("{}")
    assert demo("--out", "here") == 0
    assert names(tmp_path) == {"here"}


def test_without_a_driver_the_page_goes_without_the_overview(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: Any) -> None:
        raise MissingDependencyError("no OpenGL driver", "apt-get install x")

    monkeypatch.setattr("sparse3d.view.snapshot.snapshot", fail)
    assert demo("--out", "here") == 0
    assert "without a picture of the whole splat: no OpenGL driver" in capsys.readouterr().err
    assert "overview" not in (tmp_path / "here" / "index.html").read_text()


def test_a_page_that_fails_keeps_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise DataError("index.html", "no space left")

    with monkeypatch.context() as patch:
        patch.setattr("sparse3d.view.report.write_report", fail)
        assert demo("--out", "here") == 2
    assert names(tmp_path) == {".here.unfinished"}
    assert demo("--out", "here") == 0


def test_a_training_of_no_steps_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--iterations", "0"]) == 2
    assert "--iterations must be at least 1" in capsys.readouterr().err
