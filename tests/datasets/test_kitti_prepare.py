"""Preparing KITTI: zip files and folders, what is missing or damaged, whole or not at all."""

import importlib.util
import math
import shutil
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from PIL import Image

from sparse3d.geometry.rotations import matrix_from_yaw
from sparse3d.scene import Boxes3D
from sparse3d.scene.formats.kitti_calibration import NOMINAL_SIZE, KittiCalibration
from sparse3d.scene.formats.kitti_labels import labels_from_boxes
from sparse3d.scene.formats.registry import open_scene

SCRIPT = Path(__file__).resolve().parents[2] / "datasets/kitti/prepare.py"
TRAINING, TESTING = 6, 2
FOLDERS = ("calib", "label_2", "image_2", "velodyne")


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("kitti_prepare", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["kitti_prepare"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def small(script: ModuleType, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script for a benchmark of eight frames."""
    monkeypatch.setattr(script, "PARTS", {"training": TRAINING, "testing": TESTING})
    return script


def save_frame(part: Path, name: str, seed: int) -> None:
    """Two cars and a pedestrian ahead, as points on their surface."""
    rng = torch.Generator().manual_seed(seed)
    calibration = KittiCalibration.nominal()
    sizes = torch.tensor([[4.0, 1.7, 1.5], [4.2, 1.8, 1.6], [0.8, 0.6, 1.8]])
    centers = torch.tensor([[12.0, 2.0, -0.9], [22.0, -4.0, -0.9], [15.0, -3.0, -0.8]])
    yaws = (torch.rand(3, generator=rng) * 2 - 1) * math.pi
    boxes = Boxes3D(centers, sizes, yaws, ("Car", "Car", "Pedestrian"))
    local = torch.rand(3, 100, 3, generator=rng) - 0.5
    local[..., 0] = local[..., 0].sign() * 0.49
    points = (local * sizes[:, None]) @ matrix_from_yaw(yaws).transpose(1, 2) + centers[:, None]
    cloud = np.c_[points.reshape(-1, 3).numpy(), np.full(300, 0.5)].astype("<f4")
    for folder in FOLDERS:
        (part / folder).mkdir(parents=True, exist_ok=True)
    cloud.tofile(part / "velodyne" / f"{name}.bin")
    (part / "calib" / f"{name}.txt").write_text(calibration.text())
    Image.new("RGB", NOMINAL_SIZE, (0, 90, seed)).save(part / "image_2" / f"{name}.png")
    labels = [label.text().split() for label in labels_from_boxes(boxes, calibration)]
    rows = [" ".join([words[0], "0.00", "0", *words[3:]]) + "\n" for words in labels]
    (part / "label_2" / f"{name}.txt").write_text("".join(rows))


@pytest.fixture
def extracted(tmp_path: Path) -> Path:
    """The whole small benchmark as folders."""
    root = tmp_path / "downloads"
    for part, count in (("training", TRAINING), ("testing", TESTING)):
        for number in range(count):
            save_frame(root / part, f"{number:06d}", number)
    shutil.rmtree(root / "testing/label_2")
    return root


@pytest.fixture
def zipped(extracted: Path, tmp_path: Path) -> Path:
    """The same as zip files."""
    root = tmp_path / "zips"
    root.mkdir()
    for folder in FOLDERS:
        with zipfile.ZipFile(root / f"data_object_{folder}.zip", "w") as archive:
            for path in sorted(extracted.glob(f"*/{folder}/*")):
                archive.write(path, path.relative_to(extracted).as_posix())
    return root


def run(
    script: ModuleType, capsys: pytest.CaptureFixture[str], *words: object
) -> tuple[int, str, str]:
    capsys.readouterr()
    code = script.main([str(word) for word in words])
    shown = capsys.readouterr()
    return code, shown.out, shown.err[shown.err.find("error:") :] if code else ""


def contents(root: Path) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize("source", ["extracted", "zipped"])
def test_the_whole_benchmark_is_laid_out(
    small: ModuleType,
    source: str,
    extracted: Path,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "deep/out"
    code, shown, _ = run(small, capsys, request.getfixturevalue(source), out)
    assert code == 0
    assert "our own, not that of the literature; 3 frames to train on, 3" in shown
    made = contents(out)
    sets = {name: made.pop(name).decode().split() for name in list(made) if "ImageSets" in name}
    assert made == contents(extracted)
    train, val = sets["ImageSets/train.txt"], sets["ImageSets/val.txt"]
    assert sorted(train + val) == sets["ImageSets/trainval.txt"]
    assert sets["ImageSets/trainval.txt"] == [f"{i:06d}" for i in range(TRAINING)]
    scene = open_scene(out)
    assert [frame.split for frame in scene.frames].count("test") == TESTING
    assert sum(frame.boxes is not None for frame in scene.frames) == TRAINING


def test_loose_files_are_linked(
    small: ModuleType, extracted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(small, capsys, extracted, tmp_path / "out")[0] == 0
    for name in ("training/velodyne/000003.bin", "testing/image_2/000001.png"):
        assert (tmp_path / "out" / name).samefile(extracted / name)


def test_part_of_the_benchmark_is_taken_only_when_asked(
    script: ModuleType, extracted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (extracted / "training/image_2/000002.png").unlink()
    (extracted / "training/label_2/000004.txt").unlink()
    code, _, error = run(script, capsys, extracted, tmp_path / "out")
    assert code == 2
    assert "training/image_2: missing of 7,481 files are 7,476: 000002, 000006-0074" in error
    assert "training/label_2: missing of 7,481 files are 7,476: 000004, 000006-" in error
    assert not (tmp_path / "out").exists()
    assert run(script, capsys, extracted, tmp_path / "out", "--partial")[0] == 0
    names = {path.name for path in (tmp_path / "out/training/velodyne").iterdir()}
    assert names == {f"{i:06d}.bin" for i in (0, 1, 2, 3, 5)}
    assert not (tmp_path / "out/training/image_2/000004.png").exists()


def test_real_frames_are_laid_out(
    script: ModuleType, shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, shown, _ = run(script, capsys, shared_data / "kitti_mini", tmp_path / "out", "--partial")
    assert code == 0
    assert "4 frames to train on, 5 to validate on" in shown
    frames = open_scene(tmp_path / "out").frames
    assert [frame.split for frame in frames].count("train") == 4
    assert len(frames) == 9


def overwrite(name: str, data: bytes) -> Callable[[Path], object]:
    return lambda root: (root / name).write_bytes(data)


def edit(name: str, old: str, new: str) -> Callable[[Path], object]:
    def change(root: Path) -> None:
        text = (root / name).read_text()
        assert old in text
        (root / name).write_text(text.replace(old, new))

    return change


def cut(name: str, size: int) -> Callable[[Path], object]:
    return lambda root: (root / name).write_bytes((root / name).read_bytes()[:-size])


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "sweep cut": (cut("testing/velodyne/000001.bin", 3), "velodyne/000001.bin is cut short: 4797"),
    "sweep empty": (overwrite("training/velodyne/000001.bin", b""), "000001.bin is empty"),
    "image cut": (cut("training/image_2/000002.png", 9), "000002.png: image is cut short"),
    "no image": (
        overwrite("testing/image_2/000000.png", b"<html>not found</html>"),
        "testing/image_2/000000.png: a PNG image expected",
    ),
    "tiny image": (overwrite("testing/image_2/000000.png", b"PNG"), "a PNG image expected"),
    "calibration": (
        edit("testing/calib/000001.txt", "Tr_velo_to_cam", "Tr"),
        "testing/calib/000001.txt: calibration has no Tr_velo_to_cam",
    ),
    "label": (
        edit("training/label_2/000005.txt", "Pedestrian 0.00", "Pedestrian"),
        "training/label_2/000005.txt: line 3: 15 columns expected",
    ),
    "missing": (
        lambda root: (root / "training/calib/000003.txt").unlink(),
        "training/calib: missing of 6 files are 1: 000003",
    ),
    "too much": (
        lambda root: shutil.copy(
            root / "testing/calib/000000.txt", root / "testing/calib/000009.txt"
        ),
        "testing/calib: more than its 2 files are 1: 000009",
    ),
    "name": (
        lambda root: (root / "training/calib/000003.txt").rename(root / "training/calib/3.txt"),
        "training/calib/3.txt: the name of a frame has six digits",
    ),
    "a whole kind": (
        lambda root: shutil.rmtree(root / "training/label_2"),
        "data_object_label_2.zip is missing",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_named_and_nothing_written(
    small: ModuleType,
    damage: str,
    extracted: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    change, message = DAMAGES[damage]
    change(extracted)
    before = contents(tmp_path)
    code, _, error = run(small, capsys, extracted, tmp_path / "out")
    assert code == 2
    assert message in error
    assert contents(tmp_path) == before


def test_all_problems_are_listed_at_once(
    small: ModuleType, extracted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in (1, 4):
        edit(f"training/calib/{number:06d}.txt", "P2:", "P9:")(extracted)
    _, _, error = run(small, capsys, extracted, tmp_path / "out")
    assert error.splitlines() == [
        f"error: {extracted}: 2 problems",
        "  training/calib/000001.txt: calibration has no P2",
        "  training/calib/000004.txt: calibration has no P2",
    ]


def test_labels_of_other_frames_are_noticed(
    small: ModuleType, extracted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in sorted((extracted / "training/calib").iterdir()):
        words = path.read_text().replace("7.215377", "4.215377")
        path.write_text(words)
    code, _, error = run(small, capsys, extracted, tmp_path / "out")
    assert code == 2
    assert "labels and calibrations do not go together" in error
    assert not (tmp_path / "out").exists()


def test_boxes_away_from_their_points_are_noticed(
    small: ModuleType, extracted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in sorted((extracted / "training/velodyne").iterdir()):
        cloud = np.fromfile(path, "<f4").reshape(-1, 4)
        cloud[:, 1] *= -1
        cloud.tofile(path)
    code, _, error = run(small, capsys, extracted, tmp_path / "out")
    assert code == 2
    assert "y has the wrong sign" in error


def test_a_damaged_zip_file_is_named(
    small: ModuleType, zipped: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive = zipped / "data_object_velodyne.zip"
    whole = archive.read_bytes()
    damaged = bytearray(whole)
    damaged[len(whole) // 2] ^= 0xFF  # within the bytes of a sweep, which are stored as they are
    archive.write_bytes(bytes(damaged))
    code, _, error = run(small, capsys, zipped, tmp_path / "out")
    assert code == 2
    assert "damaged in data_object_velodyne.zip" in error
    archive.write_bytes(whole[:-100])
    code, _, error = run(small, capsys, zipped, tmp_path / "out")
    assert code == 2
    assert "data_object_velodyne.zip: not a whole zip file" in error
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "name", ["../training/calib/000000.txt", "/training/calib/000001.txt", "training/calib/run.sh"]
)
def test_nothing_else_is_taken_from_a_zip_file(
    small: ModuleType,
    name: str,
    zipped: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with zipfile.ZipFile(zipped / "data_object_calib.zip", "a") as archive:
        archive.writestr(name, "anything")
    before = contents(tmp_path)
    code, _, error = run(small, capsys, zipped, tmp_path / "out")
    assert code == 2
    assert "does not belong to KITTI" in error
    assert contents(tmp_path) == before


def test_a_file_that_is_there_twice_is_named(
    small: ModuleType, zipped: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (
        zipfile.ZipFile(zipped / "data_object_calib.zip", "a") as archive,
        pytest.warns(UserWarning, match="Duplicate name"),
    ):
        archive.writestr("training/calib/000000.txt", "anything")
    code, _, error = run(small, capsys, zipped, tmp_path / "out")
    assert code == 2
    assert "training/calib/000000.txt is there 2 times" in error


def test_a_full_disk_is_noticed_before(
    small: ModuleType,
    zipped: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    code, _, error = run(small, capsys, zipped, tmp_path / "out")
    assert code == 2
    assert "0.0 GB are free" in error


@pytest.mark.parametrize("inner", ["", "ImageSets"])
def test_the_users_split_is_taken(
    small: ModuleType,
    inner: str,
    extracted: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (extracted / inner).mkdir(exist_ok=True)
    train, val = (extracted / inner / f"{name}.txt" for name in ("train", "val"))
    train.write_text("000004\n000000\n")
    code, _, error = run(small, capsys, extracted, tmp_path / "out")
    assert "val.txt is missing" in error
    val.write_text("000001\n000004\n000077\n")
    code, _, error = run(small, capsys, extracted, tmp_path / "out")
    assert "frame 000004 is named 2 times" in error
    assert "frame 000077 is not there" in error
    val.write_text("000001\n")
    code, shown, _ = run(small, capsys, extracted, tmp_path / "out")
    assert code == 0
    assert "split: yours; 2 frames to train on, 1 to validate on" in shown
    assert (tmp_path / "out/ImageSets/train.txt").read_text() == "000004\n000000\n"


def test_the_own_split_has_the_usual_size_and_never_changes(script: ModuleType) -> None:
    train, val = script.own_split([f"{i:06d}" for i in range(7481)])
    assert (len(train), len(val)) == (3712, 3769)
    assert not set(train) & set(val)
    assert train == sorted(train)
    few = script.own_split([f"{i:06d}" for i in range(9)])
    assert few == script.own_split([f"{8 - i:06d}" for i in range(9)])
    assert few[0] == ["000000", "000003", "000004", "000006"]


def test_mistakes_in_the_call_are_one_line(
    script: ModuleType, extracted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, error = run(script, capsys, tmp_path / "nowhere", tmp_path / "out")
    assert (code, error.count("\n")) == (2, 1)
    assert "a folder with the downloads expected" in error
    (tmp_path / "full").mkdir()
    (tmp_path / "full/mine.txt").write_text("precious")
    code, _, error = run(script, capsys, extracted, tmp_path / "full", "--partial")
    assert (code, error.count("\n")) == (2, 1)
    assert "output folder must be new or empty" in error
    (tmp_path / "none").mkdir()
    code, _, error = run(script, capsys, tmp_path / "none", tmp_path / "out", "--partial")
    assert "not one training frame" in error
