"""SemanticKITTI folders: real counts, labels, poses by a second derivation, bad input."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from sparse3d.errors import DataError
from sparse3d.scene import Frame, PointCloud, Scene
from sparse3d.scene.formats import semantic_kitti
from sparse3d.scene.formats.registry import open_scene
from sparse3d.scene.formats.semantic_kitti import split_of_sequence, write_labels
from sparse3d.scene.stored import Stored

TR = "0.0 -1.0 0.0 0.1 0.0 0.0 -1.0 -0.2 1.0 0.0 0.0 -0.3"


def open_it(path: Path) -> Scene:
    assert semantic_kitti.FORMAT.recognises(path)
    assert semantic_kitti.FORMAT.read
    return semantic_kitti.FORMAT.read(path)


def points_of(frame: Frame) -> PointCloud:
    points = frame.read_points()
    assert points is not None
    return points


def make(root: Path, sequence: str = "03", frames: int = 2, labelled: bool = True) -> Path:
    """Sweeps of 4, 5, ... points; label k of frame i is 10 + k, of the instance i + 1."""
    folder = root / "sequences" / sequence
    for kind in ("velodyne", "labels") if labelled else ("velodyne",):
        (folder / kind).mkdir(parents=True)
    for i in range(frames):
        rows = np.arange(4 * (4 + i), dtype="<f4").reshape(-1, 4)
        rows.tofile(folder / "velodyne" / f"{i:06d}.bin")
        if labelled:
            labels = (10 + np.arange(4 + i) + ((i + 1) << 16)).astype("<u4")
            labels.tofile(folder / "labels" / f"{i:06d}.label")
    return root


def test_real_counts(shared_data: Path) -> None:
    scene = open_it(shared_data / "semantic_kitti_mini")
    names = [f"{sequence}/{i:06d}" for sequence in ("00", "01") for i in range(3)]
    assert [frame.name for frame in scene.frames] == names
    counts = [getattr(frame.points, "count", None) for frame in scene.frames]
    assert counts == [124668, 124605, 124478, 90404, 90318, 90449]
    assert {frame.split for frame in scene.frames} == {"train"}
    assert scene.metric
    for frame, count in zip(scene.frames, counts, strict=True):
        points = points_of(frame)
        assert len(points) == count
        assert (points.labels is None) == frame.name.startswith("00/")


def test_real_road_lies_below_the_sensor(shared_data: Path) -> None:
    points = points_of(open_it(shared_data / "semantic_kitti_mini").frames[3])
    assert points.labels is not None
    heights = points.positions[points.labels == 40, 2]
    assert heights.median().item() == pytest.approx(-1.66, abs=0.01)


@pytest.mark.parametrize("inner", [".", "sequences", "sequences/03"])
def test_labels_and_instances(tmp_path: Path, inner: str, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path)
    scene = open_it(tmp_path / inner)
    assert [frame.name for frame in scene.frames] == ["03/000000", "03/000001"]
    points = points_of(scene.frames[1])
    assert points.labels is not None
    assert points.labels.tolist() == [10, 11, 12, 13, 14]
    assert points.extra["instances"].tolist() == [2] * 5
    assert points.intensities is not None
    assert points.intensities.tolist() == [3, 7, 11, 15, 19]
    monkeypatch.chdir(tmp_path / inner)
    assert [frame.name for frame in open_it(Path()).frames] == ["03/000000", "03/000001"]


def test_what_is_there_is_known_without_reading(tmp_path: Path) -> None:
    make(make(tmp_path), "04", labelled=False)
    stored = [frame.points for frame in open_it(tmp_path).frames]
    known = [one.attributes for one in stored if isinstance(one, Stored)]
    both = frozenset({"intensities", "labels"})
    assert known == [both, both, frozenset({"intensities"}), frozenset({"intensities"})]
    for frame, names in zip(open_it(tmp_path).frames, known, strict=True):
        points = points_of(frame)
        assert names == points.attributes().keys() - points.extra.keys()


def test_splits_of_the_benchmark() -> None:
    names = [f"{number:02d}" for number in range(22)]
    splits = {name: split_of_sequence(name) for name in names}
    assert [name for name in names if splits[name] == "val"] == ["08"]
    assert [name for name in names if splits[name] == "test"] == names[11:]
    assert [name for name in names if splits[name] == "train"] == [*names[:8], "09", "10"]
    assert [split_of_sequence(name) for name in ("22", "8", "008", "mine")] == [None] * 4


def pose_text(angle: float, x: float) -> tuple[str, np.ndarray]:
    c, s = np.cos(angle), np.sin(angle)
    matrix = np.array([[c, 0, s, x], [0, 1, 0, 0.5], [-s, 0, c, 2 * x], [0, 0, 0, 1]])
    return " ".join(map(str, matrix[:3].ravel())), matrix


@pytest.mark.parametrize("place", ["sequences/03/poses.txt", "poses/03.txt"])
def test_poses_are_those_of_the_lidar(tmp_path: Path, place: str) -> None:
    make(tmp_path)
    (tmp_path / "sequences/03/calib.txt").write_text(f"P0: 1 2 3\nTr: {TR}\n")
    texts, matrices = zip(*(pose_text(a, x) for a, x in ((0.0, 0.0), (0.3, 2.0))), strict=True)
    (tmp_path / place).parent.mkdir(exist_ok=True)
    (tmp_path / place).write_text("\n".join(texts) + "\n")
    lidar = np.vstack([np.array(TR.split(), float).reshape(3, 4), [0, 0, 0, 1]])
    frames = open_it(tmp_path).frames
    for frame, camera in zip(frames, matrices, strict=True):
        expected = np.linalg.inv(lidar) @ camera @ lidar
        np.testing.assert_allclose(frame.pose().numpy(), expected, atol=1e-9)
    # The car has gone 4 m along the camera's z, which is the LiDAR's x.
    assert (frames[1].pose() - frames[0].pose())[0, 3].item() == pytest.approx(4, abs=0.5)


def test_without_poses_every_frame_is_its_own_world(tmp_path: Path) -> None:
    (make(tmp_path) / "sequences/03/calib.txt").write_text(f"Tr: {TR}\n")
    assert open_it(tmp_path).frames[0].world_from_ego is None


@pytest.mark.parametrize(
    ("calibration", "poses", "message"),
    [
        (None, f"{TR}\n{TR}", r"calib\.txt: cannot be read"),
        ("P0: 1", f"{TR}\n{TR}", r"calib\.txt: one line Tr .* expected, found 0"),
        ("Tr: 1 2 3", TR, r"calib\.txt: Tr: 12 numbers expected, got 3"),
        (f"Tr: {TR}", TR, r"poses\.txt: 1 poses found, none of them is of sweep 000001"),
        (f"Tr: {TR}", "", r"poses\.txt: poses of 12 numbers a line expected, found none"),
        (f"Tr: {TR}", f"{TR}\n1 2 x", r"poses\.txt: line 2: numbers expected"),
        (f"Tr: {TR}", f"{TR}\n\n{TR} 1", r"poses\.txt: line 3: 12 numbers expected, got 13"),
        (f"Tr: {TR}", TR.replace("-1.0 0.0 0.1", "nan 0.0 0.1"), r"line 1: a rotation and a"),
        (f"Tr: {TR}", "1 " * 12, r"line 1: a rotation and a translation expected"),
    ],
)
def test_damaged_poses(tmp_path: Path, calibration: str | None, poses: str, message: str) -> None:
    folder = make(tmp_path) / "sequences/03"
    (folder / "poses.txt").write_text(poses)
    if calibration is not None:
        (folder / "calib.txt").write_text(calibration)
    with pytest.raises(DataError, match=message):
        open_it(tmp_path)


@pytest.mark.parametrize(
    ("file", "size", "message"),
    [
        ("velodyne/000001.bin", 79, r"000001\.bin: file is cut short"),
        ("velodyne/000001.bin", 0, r"000001\.bin: point cloud is empty"),
        ("labels/000001.label", 16, r"000001\.label: .* of 5 points expected, got 4 labels"),
        ("labels/000001.label", 19, r"000001\.label: .* 5 points expected, got 19 bytes, a file"),
        ("labels/000001.label", 24, r"000001\.label: .* of 5 points expected, got 6 labels"),
        ("labels/000007.label", 20, r"000007\.label: label file without a sweep"),
    ],
)
def test_damaged_files(tmp_path: Path, file: str, size: int, message: str) -> None:
    (make(tmp_path) / "sequences/03" / file).write_bytes(bytes(size))
    with pytest.raises(DataError, match=message) as e:
        open_it(tmp_path)
    assert "\n" not in str(e.value)


def test_files_that_change_after_opening_are_still_checked(tmp_path: Path) -> None:
    frames = open_it(make(tmp_path)).frames
    (tmp_path / "sequences/03/labels/000000.label").write_bytes(bytes(8))
    with pytest.raises(DataError, match=r"000000\.label: .* 4 points expected, got 2 labels"):
        frames[0].read_points()


def test_folders_without_sweeps(tmp_path: Path) -> None:
    make(tmp_path, frames=0)
    with pytest.raises(DataError, match=r"sequences/XX/velodyne/\*\.bin, found none"):
        open_it(tmp_path)
    shutil.rmtree(tmp_path / "sequences/03")
    assert not semantic_kitti.FORMAT.recognises(tmp_path)
    (tmp_path / "velodyne").mkdir()
    assert not semantic_kitti.FORMAT.recognises(tmp_path)


def test_labels_come_back(tmp_path: Path) -> None:
    make(tmp_path)
    labels = torch.tensor([0, 65535, 40, 259])
    write_labels(tmp_path / "sequences/03/labels/000000.label", labels)
    points = points_of(open_scene(tmp_path).frames[0])
    assert points.labels is not None
    assert points.labels.tolist() == labels.tolist()
    assert not points.extra["instances"].any()
    for bad in (-1, 65536):
        with pytest.raises(ValueError, match="ids from 0 to 65535 expected"):
            write_labels(tmp_path / "x.label", torch.tensor([1, bad]))
    assert not (tmp_path / "x.label").exists()
