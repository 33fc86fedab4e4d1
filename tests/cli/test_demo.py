"""``sparse3d demo``: one command to a page, again and again, and never over what is not its own."""

import json
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from sparse3d.cli.demo import room, street
from sparse3d.cli.main import main
from sparse3d.data.simulate.room import RoomConfig
from sparse3d.data.simulate.street.config import StreetConfig
from sparse3d.errors import DataError, MissingDependencyError
from sparse3d.geometry.intrinsics import Intrinsics
from sparse3d.geometry.transforms import rigid
from sparse3d.scene import Boxes3D, Camera, Frame, PointCloud, Scene
from sparse3d.scene.formats.registry import save_scene
from sparse3d.scene.images import write_rgb
from sparse3d.train.launch import Outcome, train_run
from sparse3d.train.run import Run

pytest.importorskip("open3d")

ROOM = RoomConfig(views=3, test_views=2, width=64, height=48, samples=1)
RECIPE = """
iterations: 2
batch_size: 1
dataset: {classes: [Car, Pedestrian], low: [0, -8, -3], high: [16, 8, 1]}
network:
  voxel_size: [0.5, 0.5, 1.0]
  voxel_channels: 4
  encoder_channels: [4, 8]
  encoder_layers: [1, 1]
  neck_channels: [8]
  neck_layers: [1]
  neck_outputs: 8
  head_channels: 8
decode: {score_threshold: 0.0, max_detections: 3}
"""
LENS = Intrinsics(60, 30, 30.0, 30.0, 30.0, 15.0)
AXES = torch.tensor([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]], dtype=torch.float64)


def street_frame(folder: Path, streets: StreetConfig, number: int) -> Frame:
    """A car and a pedestrian among a few points."""
    rng = torch.Generator().manual_seed((streets.seed + 7 * number) % 1000)
    centers = torch.tensor([[9.0, 2.0, -1.0], [6.0, -1.5, -0.8]])
    centers = centers + torch.rand(2, 3, generator=rng) * torch.tensor([2.0, 1.0, 0.0])
    sizes = torch.tensor([[4.0, 1.8, 1.6], [0.6, 0.6, 1.8]])
    on = (centers[:, None] + (torch.rand(2, 40, 3, generator=rng) - 0.5) * sizes[:, None]).flatten(
        0, 1
    )
    ground = torch.rand(200, 3, generator=rng) * torch.tensor([16.0, 16.0, 0.1])
    positions = torch.cat([on, ground - torch.tensor([0.0, 8.0, 1.8])])
    boxes = Boxes3D(centers, sizes, torch.tensor([0.1, 1.0]), ("Car", "Pedestrian"))
    photo = folder / f"{number}.png" if streets.images else None
    if photo is not None:
        folder.mkdir(exist_ok=True)
        write_rgb(photo, torch.rand(30, 60, 3, generator=rng))
    pose = rigid(AXES, torch.zeros(3, dtype=torch.float64))
    camera = Camera(f"{number:06d}/image_2", LENS, pose, image_path=photo)
    cloud = PointCloud(positions, intensities=torch.rand(len(positions), generator=rng))
    split = "val" if number % 5 == 4 else "train"
    return Frame(f"{number:06d}", (camera,), cloud, boxes, split=split)


def few_streets(folder: Path, streets: StreetConfig, on_progress: Any) -> None:
    """Stands in for the simulator."""
    photos = folder.with_name("photos")
    frames = tuple(street_frame(photos, streets, number) for number in range(streets.frames))
    save_scene(Scene("street", frames, metric=True), folder, "kitti")
    on_progress(streets.frames, streets.frames)


@pytest.fixture(autouse=True)
def small(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A room of five tiny photos, streets of few points, an empty current folder, no OpenGL."""
    recipe = tmp_path_factory.mktemp("recipe") / "second.yaml"
    recipe.write_text(RECIPE)
    monkeypatch.setattr(room, "_ROOM", ROOM)
    monkeypatch.setattr(street, "_RECIPE", str(recipe))
    monkeypatch.setattr("sparse3d.data.simulate.street.write.simulate_street", few_streets)
    monkeypatch.setattr("sparse3d.view.snapshot.snapshot", lambda *_, **__: torch.rand(6, 8, 3))
    monkeypatch.chdir(tmp_path)


def demo(*words: str) -> int:
    """The room alone."""
    return main(["demo", "--iterations", "3", "--skip", "street", *words])


def streets(*words: str) -> int:
    """The streets alone."""
    return main(["demo", "--street-frames", "10", "--skip", "room", *words])


def both(*words: str) -> int:
    """The whole demo."""
    return main(["demo", "--iterations", "3", "--street-frames", "10", *words])


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
    def fail(*_: Any, **__: Any) -> None:
        raise MissingDependencyError("open3d", "pip install 'sparse3d[sim]'")

    monkeypatch.setattr(room, "simulate_room", fail)
    assert demo("--out", "here") == 2
    assert names(tmp_path) == set()


def stopped(*arguments: Any) -> Outcome:
    """A training that a signal stops after its last step."""
    report = train_run(*arguments).report
    return Outcome(replace(report, signal=signal.SIGINT), None)


def test_an_interrupted_demo_is_continued(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("sparse3d.train.launch.train_run", stopped)
        assert demo("--out", "here") == 128 + signal.SIGINT
    assert "the same command continues" in capsys.readouterr().err
    assert names(tmp_path) == {".here.unfinished"}
    monkeypatch.setattr(room, "simulate_room", None)  # the room is there already
    assert demo("--out", "here") == 0
    assert names(tmp_path) == {"here"}
    assert "overview.png" in names(tmp_path / "here")


def test_an_interruption_among_the_streets_is_continued(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("sparse3d.train.launch.train_run", stopped)
        assert both("--out", "here") == 128 + signal.SIGINT
    assert names(tmp_path) == {".here.unfinished"}
    assert {"streets", "detector"} < names(tmp_path / ".here.unfinished")
    assert "scene" not in names(tmp_path / ".here.unfinished")

    def once_more(folder: Path, *rest: Any) -> None:
        assert folder.name == "fresh"  # the streets are there already
        few_streets(folder, *rest)

    monkeypatch.setattr("sparse3d.data.simulate.street.write.simulate_street", once_more)
    assert both("--out", "here") == 0
    assert names(tmp_path) == {"here"}


def test_an_interruption_in_the_room_keeps_the_detector(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(room, "simulate_room", fail)
        assert both("--out", "here") == 130
    scores = tmp_path / ".here.unfinished" / "detector" / "metrics.json"
    written = scores.stat().st_mtime_ns
    monkeypatch.setattr("sparse3d.data.simulate.street.write.simulate_street", None)
    assert both("--out", "here") == 0
    assert (tmp_path / "here" / "detector" / "metrics.json").stat().st_mtime_ns == written
    assert not any(name.endswith(".done") for name in names(tmp_path / "here"))


def test_streets_and_room_share_a_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert both() == 0
    out = tmp_path / "runs" / "demo"
    assert {"streets", "detector", "fresh", "scene", "run", "pictures"} < names(out)
    page = (out / "index.html").read_text()
    assert page.index("Cars and pedestrians in LiDAR sweeps") < page.index("A room from six photos")
    assert "Fresh frame 000000" in page
    assert "Held-out frame 000004" in page
    assert "Held-out frame 000009" in page
    assert "Held-out frame 000003" not in page
    assert "unfinished" not in page
    assert Run.open(out / "detector").data == out / "streets"
    shown = capsys.readouterr().out
    assert "average precision on 2 held-out frames" in shown
    assert "Car 3D: " in shown
    assert "note: fewer than 100 objects count" in shown
    assert shown.index("Pedestrian BEV") < shown.index("PSNR") < shown.index("open runs/demo")


def test_streets_alone_are_the_same_for_the_same_seed(tmp_path: Path) -> None:
    assert streets("--out", "a") == 0
    assert streets("--out", "b") == 0
    pages = [(tmp_path / name / "pictures") for name in "ab"]
    pictures = [{p.name: p.read_bytes() for p in page.iterdir()} for page in pages]
    assert pictures[0] == pictures[1]
    assert len(pictures[0]) == 2 * 3
    assert "run" not in names(tmp_path / "a")
    assert "A room" not in (tmp_path / "a" / "index.html").read_text()


def test_the_detector_trains_as_long_as_is_asked(tmp_path: Path) -> None:
    assert streets("--out", "a", "--detect-iterations", "3") == 0
    metrics = json.loads((tmp_path / "a" / "detector" / "metrics.json").read_text())
    assert metrics["iterations"] == 3


def test_an_interrupted_demo_of_another_room_is_thrown_away(tmp_path: Path) -> None:
    left = tmp_path / ".here.unfinished"
    (left / "run" / "checkpoints").mkdir(parents=True)
    (left / "demo.json").write_text("{}")
    assert demo("--out", "here") == 0
    assert names(tmp_path) == {"here"}


def test_a_page_that_fails_keeps_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise DataError("index.html", "no space left")

    with monkeypatch.context() as patch:
        patch.setattr("sparse3d.view.report.write_page", fail)
        assert demo("--out", "here") == 2
    assert names(tmp_path) == {".here.unfinished"}
    assert demo("--out", "here") == 0


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--iterations", "0"], "--iterations must be at least 1, got 0"),
        (["--detect-iterations", "0"], "--detect-iterations must be at least 1, got 0"),
        (["--street-frames", "4"], "--street-frames must be at least 5"),
        (["--seed", "-1"], "seed must be"),
    ],
)
def test_impossible_numbers_are_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, words: list[str], problem: str
) -> None:
    assert main(["demo", *words]) == 2
    assert problem in capsys.readouterr().err
    assert names(tmp_path) == set()
