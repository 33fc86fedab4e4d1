"""``sparse3d detect``: a tiny trained run, on every kind of input."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from sparse3d.cli import detect as detect_command
from sparse3d.cli import train as train_command
from sparse3d.cli.main import main as sparse3d
from sparse3d.errors import ConfigError, DataError
from sparse3d.scene import Boxes3D, Frame, PointCloud, Scene
from sparse3d.scene.formats.registry import open_scene, save_scene
from sparse3d.train.methods import find_method
from sparse3d.train.run import Run

TINY = {
    "--iterations": "3",
    "--dataset.low": "0 -8 -2",
    "--dataset.high": "16 8 2",
    "--network.voxel-size": "0.5 0.5 0.5",
    "--network.voxel-channels": "4",
    "--network.encoder-channels": "4 8",
    "--network.encoder-layers": "1 1",
    "--network.neck-channels": "8",
    "--network.neck-layers": "1",
    "--network.neck-outputs": "8",
    "--network.head-channels": "8",
    "--decode.max-detections": "7",
    "--decode.score-threshold": "0.0",
}


def _scene(names: tuple[str, ...]) -> Scene:
    """Frames of one car-sized heap of points each, without cameras."""
    frames = []
    for number, name in enumerate(names):
        generator = torch.Generator().manual_seed(number)
        center = torch.tensor([4.0 + 3 * number, 2.0 - number, -0.5])
        size = torch.tensor([4.0, 2.0, 1.5])
        heap = center + (torch.rand(200, 3, generator=generator) - 0.5) * size
        ground = torch.rand(200, 3, generator=generator) * torch.tensor([16.0, 16, 0.1])
        points = torch.cat([heap, ground - torch.tensor([0.0, 8, 1.4])])
        cloud = PointCloud(points, intensities=torch.rand(400, generator=generator))
        boxes = Boxes3D(center[None], size[None], torch.zeros(1), ("Car",))
        split = "val" if number == 1 else "train"
        frames.append(Frame(name, (), cloud, boxes, split=split))
    return Scene("heaps", tuple(frames), metric=True)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``data`` in KITTI's format, ``run`` trained on it, and the data as ``scene``."""
    folder = tmp_path_factory.mktemp("detect")
    scene = _scene(("000000", "000001", "000002"))
    save_scene(scene, folder / "data", "kitti")
    save_scene(scene, folder / "scene", "scene")
    words = [word for key, value in TINY.items() for word in (key, *value.split())]
    out = ["--data", str(folder / "data"), "--out", str(folder / "run"), "--no-tensorboard"]
    assert train_command.main(["second", *out, *words]) == 0
    return folder


def detect(place: Path, *words: object, out: str = "out") -> Path:
    folder = place / out
    shutil.rmtree(folder, ignore_errors=True)
    run = [] if words and words[0] == "--run" else [str(place / "run")]
    assert detect_command.main([*run, *map(str, words), "--out", str(folder)]) == 0
    return folder


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def boxes_of(folder: Path) -> list[Boxes3D]:
    boxes = [frame.read_boxes() for frame in open_scene(folder / "scene").frames]
    return [one for one in boxes if one is not None]


def test_training_leaves_detections_of_the_validation_frames(place: Path) -> None:
    (frame,) = open_scene(place / "run" / "scene").frames
    assert names_in(place / "run" / "detections") == [f"{frame.name}.txt"]
    found = detect(place, place / "data")
    number = [f.name for f in open_scene(found / "scene").frames].index(frame.name)
    exported = frame.read_boxes()
    assert exported is not None
    assert len(exported) > 0
    assert torch.equal(exported.rows(), boxes_of(found)[number].rows())


def test_a_kitti_folder(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    out = detect(place, place / "data", "--json", place / "counts.json")
    files = ["000000.txt", "000001.txt", "000002.txt"]
    assert names_in(out / "detections") == files
    counts = json.loads((place / "counts.json").read_text())
    boxes = boxes_of(out)
    assert len(boxes) == counts["frames"] == counts["kitti_files"] == 3
    assert counts["detections"] == sum(map(len, boxes)) > 0
    total = sum((one.names for one in boxes), ())
    assert counts["per_class"] == {
        name: total.count(name) for name in ("Car", "Pedestrian", "Cyclist")
    }
    assert counts["seconds_per_frame"] > 0
    lines = capsys.readouterr().out.splitlines()
    assert f"{counts['per_class']['Car']} Car" in lines[0]
    assert "in 3 frames" in lines[0]
    assert lines[1].endswith("scene/, 3 KITTI files in detections/")


def test_every_kind_of_sweep_gives_the_same(place: Path) -> None:
    """All of what was seen, so that the camera of the KITTI folder does not matter."""
    bins = place / "data" / "training" / "velodyne"
    save_scene(open_scene(place / "scene"), place / "clouds", "clouds")
    save_scene(open_scene(bins / "000001.bin"), place / "000001.ply", "ply")
    wanted = boxes_of(detect(place, place / "data", "--view", "all"))
    assert all(0 < len(boxes) <= 7 for boxes in wanted)
    for sources, numbers in (
        ([place / "scene"], [0, 1, 2]),
        ([place / "clouds"], [0, 1, 2]),
        ([bins / "000002.bin", bins / "000000.bin"], [2, 0]),
        ([place / "000001.ply"], [1]),
        ([bins], [0, 1, 2]),
    ):
        out = detect(place, *sources)
        assert names_in(out) == ["scene"]
        for found, number in zip(boxes_of(out), numbers, strict=True):
            torch.testing.assert_close(found.rows(), wanted[number].rows())


def test_frames_without_camera_are_told_of(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = place / "other.bin"
    shutil.copy(place / "data" / "training" / "velodyne" / "000000.bin", other)
    out = detect(place, place / "data", other)
    assert len(names_in(out / "detections")) == 3
    told = capsys.readouterr().out
    assert "3 KITTI files in detections/ (1 of 4 frames have no undistorted camera)" in told
    detect(place, other, "--json", "-")
    assert json.loads(capsys.readouterr().out)["kitti_files"] == 0


def test_the_view_is_the_cameras_for_kitti(place: Path) -> None:
    """The nominal camera sees 45 degrees to either side, at most."""
    default = boxes_of(detect(place, place / "data"))
    camera = boxes_of(detect(place, place / "data", "--view", "camera"))
    whole = boxes_of(detect(place, place / "data", "--view", "all"))
    pairs = list(zip(default, camera, strict=True))
    assert all(torch.equal(one.rows(), other.rows()) for one, other in pairs)
    pairs = list(zip(default, whole, strict=True))
    assert any(len(a) != len(b) or not torch.equal(a.rows(), b.rows()) for a, b in pairs)


def test_the_threshold_drops_the_weak(place: Path) -> None:
    scores = [one.scores for one in boxes_of(detect(place, place / "scene"))]
    known = torch.cat([score for score in scores if score is not None])
    middle = float(known.median())
    strong = boxes_of(detect(place, place / "scene", "--score-threshold", f"{middle:.9f}"))
    assert 0 < sum(map(len, strong)) < len(known)
    nothing = detect(place, place / "data", "--score-threshold", "1")
    assert sum(map(len, boxes_of(nothing))) == 0
    assert (nothing / "detections" / "000000.txt").read_text() == ""


def test_a_sweep_without_points_has_no_objects(place: Path) -> None:
    far = Frame("far", (), PointCloud(torch.full((3, 3), 1e3)))
    save_scene(Scene("far", (far,)), place / "far", "scene")
    out = detect(place, place / "far", "--score-threshold", "1")
    assert [len(boxes) for boxes in boxes_of(out)] == [0]


def test_the_training_data_is_not_needed(place: Path, tmp_path: Path) -> None:
    run = Run.open(place / "run")
    shutil.copytree(place / "run", tmp_path / "run")
    values = yaml.safe_load((tmp_path / "run" / "run.yaml").read_text())
    values["data"] = str(tmp_path / "gone")
    (tmp_path / "run" / "run.yaml").write_text(yaml.safe_dump(values))
    moved = Run.open(tmp_path / "run")
    assert moved.data != run.data
    summary = detect_command.detect_into(tmp_path / "out", moved, [place / "scene"])
    assert summary.frames == 3


def _fails(place: Path, kind: type[Exception], words: str, *paths: Path, **changes: Any) -> None:
    """Ends with a message of these words, and writes nothing."""
    out = place / "failed"
    with pytest.raises(kind, match=words):
        detect_command.detect_into(
            out, changes.pop("run", Run.open(place / "run")), paths, **changes
        )
    assert not out.exists()


def test_inputs_that_cannot_be_used(place: Path, tmp_path: Path) -> None:
    sweep = place / "data" / "training" / "velodyne" / "000001.bin"
    _fails(place, ConfigError, "nothing to look at")
    _fails(place, DataError, "nowhere: no such file", tmp_path / "nowhere")
    _fails(place, DataError, "frame 000001 is in .*data, too", place / "data", sweep)
    torn = tmp_path / "torn.bin"
    torn.write_bytes(sweep.read_bytes()[:-3])
    _fails(place, DataError, r"torn\.bin", torn)
    photos = Scene("photos", (Frame("photo"),))
    save_scene(photos, tmp_path / "photos", "scene")
    _fails(place, DataError, "photos: frames with points expected, none of 1", tmp_path / "photos")
    _fails(place, DataError, "set view to all", sweep, view="camera")
    _fails(place, ConfigError, "decode.score_threshold", sweep, score_threshold=1.5)


def test_runs_that_cannot_be_used(place: Path, tmp_path: Path) -> None:
    sweep = place / "data" / "training" / "velodyne" / "000001.bin"
    splat = find_method("sparse-splat")
    other = Run.create(tmp_path / "splat", splat, place / "data", 0, splat.default_config())
    _fails(place, ConfigError, "is a run of sparse-splat, which detects no", sweep, run=other)
    second = find_method("second")
    new = Run.create(tmp_path / "new", second, place / "data", 0, second.default_config())
    _fails(place, DataError, "last.pt: a checkpoint was expected", sweep, run=new)
    shutil.copytree(place / "run", tmp_path / "edited")
    file = tmp_path / "edited" / "run.yaml"
    file.write_text(file.read_text().replace("head_channels: 8", "head_channels: 9"))
    edited = Run.open(tmp_path / "edited")
    _fails(place, ConfigError, "network.head_channels = 8, which is now 9", sweep, run=edited)


def test_an_output_with_contents_is_left_alone(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    words = ["detect", str(place / "run"), str(place / "scene"), "--out", str(tmp_path)]
    assert sparse3d(words) == 2
    assert "must be new or empty" in capsys.readouterr().err
    assert names_in(tmp_path) == ["mine.txt"]
