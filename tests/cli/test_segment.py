"""``sparse3d segment``: a tiny trained run, its metrics, and labels for every kind of input."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sparse3d.cli import segment as segment_command
from sparse3d.cli.info import describe_path
from sparse3d.cli.main import main as sparse3d
from sparse3d.errors import ConfigError, DataError
from sparse3d.scene.formats.registry import open_scene, save_scene
from sparse3d.train.methods import find_method
from sparse3d.train.run import Run

TINY = {
    "--iterations": "2",
    "--dataset.low": "-8 -8 -2",
    "--dataset.high": "8 8 2",
    "--network.voxel-size": "0.5 0.5 0.5",
    "--network.voxel-channels": "4",
    "--network.channels": "4 8",
    "--network.layers": "1 1",
}
SIZES = (200, 150, 90)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``data`` in SemanticKITTI's layout, frame 08/000000 held out, and ``run`` trained on it."""
    folder = tmp_path_factory.mktemp("segment")
    names = ("03/000000", "03/000001", "08/000000")
    for number, (name, size) in enumerate(zip(names, SIZES, strict=True)):
        sequence, frame = name.split("/")
        for kind in ("velodyne", "labels"):
            (folder / "data/sequences" / sequence / kind).mkdir(parents=True, exist_ok=True)
        generator = np.random.default_rng(number)
        rows = generator.uniform([-7, -7, -1.5, 0], [7, 7, 1.5, 1], (size, 4)).astype("<f4")
        labels = np.where(rows[:, 2] < 0, 40, 70).astype("<u4")
        rows.tofile(folder / "data/sequences" / sequence / "velodyne" / f"{frame}.bin")
        labels.tofile(folder / "data/sequences" / sequence / "labels" / f"{frame}.label")
    words = [word for key, value in TINY.items() for word in (key, *value.split())]
    out = ["--data", str(folder / "data"), "--out", str(folder / "run"), "--no-tensorboard"]
    assert sparse3d(["train", "sparse-unet", *out, *words]) == 0
    return folder


def segment(place: Path, *words: object, out: str = "out") -> Path:
    folder = place / out
    shutil.rmtree(folder, ignore_errors=True)
    given = [str(place / "run"), *map(str, words), "--out", str(folder)]
    assert segment_command.main(given) == 0
    return folder


def test_every_point_gets_a_label_in_the_layout_of_the_benchmark(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = segment(place, place / "data")
    files = sorted(path.relative_to(folder) for path in folder.rglob("*.label"))
    names = ("03/predictions/000000", "03/predictions/000001", "08/predictions/000000")
    assert files == [Path("sequences") / f"{name}.label" for name in names]
    written = [10, 11, 15, 18, 20, 30, 31, 32, 40, 44, 48, 49, 50, 51, 70, 71, 72, 80, 81]
    for file, size in zip(files, SIZES, strict=True):
        labels = np.fromfile(folder / file, "<u4")
        assert len(labels) == size
        assert set(labels.tolist()) <= set(written)
    shown = capsys.readouterr().out
    assert "in 3 frames" in shown
    assert "out: 3 files of labels" in shown


def test_labels_are_those_that_the_evaluation_judges(place: Path, tmp_path: Path) -> None:
    out = segment(place, place / "data")
    assert sparse3d(["eval", str(place / "run"), "--json", str(tmp_path / "m.json")]) == 0
    metrics: dict[str, Any] = json.loads((tmp_path / "m.json").read_text())
    said = np.fromfile(out / "sequences/08/predictions/000000.label", "<u4")
    true = np.fromfile(place / "data/sequences/08/labels/000000.label", "<u4")
    for name, number in (("road", 40), ("vegetation", 70)):
        both = ((said == number) & (true == number)).sum()
        either = ((said == number) | (true == number)).sum()
        assert metrics["iou"][name] == pytest.approx(both / either)
    assert metrics["frames"] == 1
    assert metrics["points"] == SIZES[2]
    assert metrics["miou"] == pytest.approx(
        (metrics["iou"]["road"] + metrics["iou"]["vegetation"]) / 2
    )
    assert metrics["note"] is None


def test_other_splits_are_evaluated(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert sparse3d(["eval", str(place / "run"), "--split", "train"]) == 0
    assert "on 2 frames" in capsys.readouterr().out


def test_single_sweeps_and_scenes(place: Path) -> None:
    sweep = place / "data/sequences/03/velodyne/000001.bin"
    folder = segment(place, sweep)
    assert [path.name for path in (folder / "predictions").iterdir()] == ["000001.label"]
    whole = segment(place, place / "data", out="whole")
    same = whole / "sequences/03/predictions/000001.label"
    assert (folder / "predictions/000001.label").read_bytes() == same.read_bytes()
    save_scene(open_scene(place / "data"), place / "scene", "scene")
    again = segment(place, place / "scene") / "sequences/03/predictions/000001.label"
    assert again.read_bytes() == same.read_bytes()


def test_points_out_of_range_are_counted(place: Path, tmp_path: Path) -> None:
    rows = np.zeros((7, 4), "<f4")
    rows[1:5, 0] = (1.0, 50.0, np.nan, 2.0)
    rows.tofile(tmp_path / "far.bin")
    segment(place, tmp_path / "far.bin", "--json", tmp_path / "counts.json")
    values = json.loads((tmp_path / "counts.json").read_text())
    assert (values["points"], values["unseen"], values["frames"]) == (7, 2, 1)
    assert sum(values["per_class"].values()) == 5
    labels = np.fromfile(place / "out/predictions/far.label", "<u4")
    assert (labels == 0).tolist() == [False, False, True, True, False, False, False]


def fails(place: Path, kind: type[Exception], message: str, *words: object) -> None:
    with pytest.raises(kind, match=message):
        segment_command.main([*map(str, words), "--out", str(place / "bad")])
    assert not (place / "bad").exists()


def test_what_cannot_be_segmented(place: Path, tmp_path: Path) -> None:
    run, data = place / "run", place / "data"
    fails(place, ConfigError, "nothing to look at", run)
    fails(place, DataError, r"frame 03/000000 is in .*, too", run, data, data)
    fails(place, DataError, "no such file", run, data / "gone")
    other = Run.create(
        tmp_path / "other", find_method("second"), data, 0, find_method("second").default_config()
    )
    fails(place, ConfigError, "is a run of second, which names no points", other.folder, data)
    for number, name in enumerate(("a b", "a_b")):
        np.ones((3, 4), "<f4").tofile(tmp_path / f"{name}.bin")
        assert number < 2
    message = r"bad/predictions/a_b\.label: two frames would have this file"
    fails(place, DataError, message, run, tmp_path / "a b.bin", tmp_path / "a_b.bin")


def test_info_counts_frames_and_points(place: Path) -> None:
    found = describe_path(place / "data")
    assert (found["format"], found["frames"], found["points"]) == ("semantic-kitti", 3, sum(SIZES))
    assert found["splits"] == {"train": 2, "val": 1}


def test_runs_are_resumed(place: Path, tmp_path: Path) -> None:
    shutil.copytree(place / "run", tmp_path / "run")
    out = ["--out", str(tmp_path / "run"), "--resume", "--no-tensorboard"]
    assert sparse3d(["train", "sparse-unet", *out]) == 0
    states = [
        Run.open(p).checkpoints().load("sparse-unet") for p in (place / "run", tmp_path / "run")
    ]
    ours, theirs = (state.task["network"] for state in states)
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
