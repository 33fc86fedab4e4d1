"""Detections on disk, against label files and by reading back."""

import math
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np
import pytest
import torch

from sparse3d.detect.results import DetectedFrame, kitti_results, write_results
from sparse3d.errors import DataError
from sparse3d.geometry.intrinsics import Intrinsics
from sparse3d.geometry.transforms import rigid
from sparse3d.scene import Boxes3D, Camera, Frame, PointCloud
from sparse3d.scene.formats.kitti_calibration import KittiCalibration
from sparse3d.scene.formats.kitti_labels import DONT_CARE, read_labels
from sparse3d.scene.formats.registry import open_scene
from sparse3d.scene.stored import Stored

_AXES = torch.tensor([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]], dtype=torch.float64)
_LENS = Intrinsics(400, 120, 200.0, 200.0, 200.0, 60.0)


def _boxes(*rows: tuple[float, ...], scores: tuple[float, ...] | None = None) -> Boxes3D:
    table = torch.tensor(rows).reshape(-1, 7)
    said = torch.tensor(scores) if scores else torch.linspace(0.9, 0.1, len(table))
    names = tuple(("Car", "Pedestrian")[i % 2] for i in range(len(table)))
    return Boxes3D(table[:, :3], table[:, 3:6], table[:, 6], names, scores=said)


def _frame(name: str = "7", lens: Intrinsics = _LENS) -> Frame:
    """A moved frame whose camera stands half a metre before the LiDAR, looking along +x."""
    turned = torch.tensor([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]], dtype=torch.float64)
    pose = rigid(turned, torch.tensor([5.0, 6, 7]).double())
    camera = pose @ rigid(_AXES, torch.tensor([0.5, 0, 0]).double())
    cloud = PointCloud(torch.rand(5, 3), intensities=torch.rand(5))
    return Frame(name, (Camera("front", lens, camera),), cloud, world_from_ego=pose, split="val")


AHEAD = (10.5, 1.0, 0.0, 4.0, 2.0, 1.5, 0.5)
BEHIND = (-10.0, 1.0, 0.0, 4.0, 2.0, 1.5, 0.5)


def test_rows_are_in_the_frame_of_the_main_camera() -> None:
    rows = kitti_results(DetectedFrame(_frame(), _boxes(AHEAD, scores=(0.75,))))
    assert rows is not None
    (row,) = rows
    assert (row.name, row.score, row.occluded, row.truncated) == ("Car", 0.75, -1, -1)
    assert row.location == pytest.approx((-1.0, 0.75, 10.0), abs=1e-5)
    assert row.size == pytest.approx((1.5, 2.0, 4.0))
    assert row.rotation_y == pytest.approx(-0.5 - math.pi / 2, abs=1e-5)
    left, top, right, bottom = row.rectangle
    assert left < 200 - 200 * 1.0 / 10 < right
    assert top < 60 < bottom


def test_boxes_outside_of_the_image_have_no_row() -> None:
    aside = (10.5, 40.0, 0.0, 4.0, 2.0, 1.5, 0.5)
    partly = (10.5, 10.5, 0.0, 4.0, 2.0, 1.5, 0.5)
    boxes = _boxes(BEHIND, AHEAD, aside, partly, scores=(0.9, 0.8, 0.7, 0.6))
    rows = kitti_results(DetectedFrame(_frame(), boxes))
    assert rows is not None
    assert [(row.name, row.score) for row in rows] == [
        ("Pedestrian", pytest.approx(0.8)),
        ("Pedestrian", pytest.approx(0.6)),
    ]
    assert rows[1].rectangle[0] == 0


def test_frames_without_an_undistorted_camera_have_no_rows() -> None:
    bent = replace(_LENS, lens="opencv", distortion=(0.1, 0.0, 0.0, 0.0))
    for frame in (replace(_frame(), cameras=()), _frame(lens=bent)):
        assert kitti_results(DetectedFrame(frame, _boxes(AHEAD))) is None


def test_rows_of_a_kitti_frame_are_in_the_frame_of_its_labels(tmp_path: Path) -> None:
    plain = KittiCalibration.nominal()
    offset = torch.tensor([0.06, -0.02, 0.003], dtype=torch.float64)
    calibration = KittiCalibration(plain.matrix, offset, plain.rect_from_lidar)
    (tmp_path / "training" / "calib").mkdir(parents=True)
    (tmp_path / "training" / "velodyne").mkdir()
    (tmp_path / "training" / "calib" / "000003.txt").write_text(calibration.text())
    points = torch.tensor([[10.0, 0, 0, 0.5]])
    (tmp_path / "training" / "velodyne" / "000003.bin").write_bytes(points.numpy().tobytes())
    (frame,) = open_scene(tmp_path).frames
    rows = kitti_results(DetectedFrame(frame, _boxes((10.0, 2.0, 0.5, 4.0, 2.0, 1.0, 0.0))))
    assert rows is not None
    assert rows[0].location == pytest.approx((-2.0, 0.0, 10.0), abs=1e-6)


def test_real_labels_come_back(shared_data: Path) -> None:
    """Annotations, written as detections, equal the rows of their own label files."""
    folder, off = shared_data / "kitti_mini" / "training", list[float]()
    for frame in open_scene(shared_data / "kitti_mini").frames:
        boxes = frame.read_boxes()
        assert boxes is not None
        scored = replace(boxes, scores=torch.ones(len(boxes)))
        rows = kitti_results(DetectedFrame(frame, scored))
        assert rows is not None
        labels = read_labels(folder / "label_2" / f"{frame.name}.txt")
        wanted = [label for label in labels if label.name != DONT_CARE]
        for row, label in zip(rows, wanted, strict=True):
            assert row.name == label.name
            assert row.size == pytest.approx(label.size, abs=1e-5)
            assert row.location == pytest.approx(label.location, abs=1e-4)
            assert math.cos(row.rotation_y - label.rotation_y) == pytest.approx(1, abs=1e-6)
            pairs = zip(row.rectangle, label.rectangle, strict=True)
            off.append(max(abs(ours - theirs) for ours, theirs in pairs))
    assert len(off) > 20
    assert median(off) < 4  # people drew the rectangles of the labels


def test_files_hold_what_was_found(tmp_path: Path) -> None:
    found = [
        DetectedFrame(_frame("000001"), _boxes(AHEAD, BEHIND)),
        DetectedFrame(_frame("a/../b c"), _boxes()),
        DetectedFrame(replace(_frame("dark"), cameras=()), _boxes(BEHIND)),
    ]
    assert write_results(tmp_path, "street", found) == 2
    files = sorted(path.name for path in (tmp_path / "detections").iterdir())
    assert files == ["000001.txt", "b_c.txt"]
    assert (tmp_path / "detections" / "b_c.txt").read_text() == ""
    (row,) = read_labels(tmp_path / "detections" / "000001.txt")
    assert row.score == pytest.approx(0.9)
    scene = open_scene(tmp_path / "scene")
    assert (scene.name, scene.metric, scene.format) == ("street", True, "scene")
    assert [frame.name for frame in scene.frames] == ["000001", "a/../b c", "dark"]
    for frame, one in zip(scene.frames, found, strict=True):
        _assert_same(frame, one)


def _assert_same(frame: Frame, one: DetectedFrame) -> None:
    points, wanted = frame.read_points(), one.frame.read_points()
    assert points is not None
    assert wanted is not None
    assert torch.equal(points.positions, wanted.positions)
    assert [c.name for c in frame.cameras] == [c.name for c in one.frame.cameras]
    assert torch.equal(frame.pose(), one.frame.pose())
    boxes = frame.read_boxes()
    assert boxes is not None
    assert boxes.names == one.boxes.names
    assert torch.equal(boxes.rows(), one.boxes.rows())
    assert boxes.scores is not None
    assert one.boxes.scores is not None
    assert torch.equal(boxes.scores, one.boxes.scores)


def test_later_results_replace_earlier_ones(tmp_path: Path) -> None:
    write_results(tmp_path, "first", [DetectedFrame(_frame("1"), _boxes(AHEAD))])
    (tmp_path / "kept.txt").write_text("of the run")
    write_results(tmp_path, "second", [DetectedFrame(_frame("2"), _boxes(AHEAD))])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["detections", "kept.txt", "scene"]
    assert [path.name for path in (tmp_path / "detections").iterdir()] == ["2.txt"]
    assert [frame.name for frame in open_scene(tmp_path / "scene").frames] == ["2"]


def test_without_cameras_there_is_a_scene_only(tmp_path: Path) -> None:
    frame = replace(_frame(), cameras=())
    assert write_results(tmp_path, "dark", [DetectedFrame(frame, _boxes(AHEAD))]) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["scene"]


def test_a_long_scene_is_shown_in_part(tmp_path: Path) -> None:
    found = [DetectedFrame(_frame(str(i)), _boxes(AHEAD)) for i in range(10)]
    assert write_results(tmp_path, "long", found, shown=4) == 10
    assert len(list((tmp_path / "detections").iterdir())) == 10
    assert [f.name for f in open_scene(tmp_path / "scene").frames] == ["0", "2", "5", "7"]


def test_two_frames_of_one_file_are_refused(tmp_path: Path) -> None:
    found = [DetectedFrame(_frame(name), _boxes(AHEAD)) for name in ("a?b", "a_b")]
    with pytest.raises(DataError, match=r"a_b\.txt: two frames would have this file \(a_b\)"):
        write_results(tmp_path / "out", "twice", found)
    assert list(tmp_path.iterdir()) == []


def test_files_are_named_without_the_part_of_the_data_set_where_that_is_clear(
    tmp_path: Path,
) -> None:
    for names, wanted in (
        (("testing/000001", "testing/000002"), ["000001.txt", "000002.txt"]),
        (("000001", "testing/000001"), ["000001.txt", "testing_000001.txt"]),
    ):
        found = [DetectedFrame(_frame(name), _boxes(AHEAD)) for name in names]
        write_results(tmp_path, "parts", found)
        assert sorted(path.name for path in (tmp_path / "detections").iterdir()) == wanted


def test_a_scene_that_cannot_be_read_leaves_the_earlier_one(tmp_path: Path) -> None:
    write_results(tmp_path, "first", [DetectedFrame(_frame("1"), _boxes(AHEAD))])

    def fail(path: Path) -> PointCloud:
        raise DataError(path, "is damaged")

    broken = replace(_frame("2"), points=Stored(tmp_path / "gone.bin", fail))
    with pytest.raises(DataError, match=r"gone\.bin: is damaged"):
        write_results(tmp_path, "second", [DetectedFrame(broken, _boxes(AHEAD))])
    assert open_scene(tmp_path / "scene").name == "first"
    assert [path.name for path in (tmp_path / "detections").iterdir()] == ["1.txt"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["detections", "scene"]


def test_numbers_of_files_are_plain(tmp_path: Path) -> None:
    """Other programs read the files as 16 columns, nothing but numbers after the first."""
    write_results(tmp_path, "plain", [DetectedFrame(_frame("1"), _boxes(AHEAD, AHEAD))])
    table = np.loadtxt(tmp_path / "detections" / "1.txt", dtype=str)
    assert table.shape == (2, 16)
    assert np.isfinite(table[:, 1:].astype(float)).all()
