"""KITTI frames: real counts, boxes against points, images and a second derivation, bad input."""

import math
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from sparse3d.errors import DataError
from sparse3d.geometry.boxes import points_in_boxes
from sparse3d.scene import Boxes3D, Frame, PointCloud, Scene
from sparse3d.scene.formats import kitti, kitti_labels
from sparse3d.scene.formats.kitti_calibration import KittiCalibration, read_calibration

WITH_IMAGE = ("000000", "000001", "000002", "000003", "000005", "000007", "000008", "000010")
ALL = (*WITH_IMAGE, "004139")


def open_kitti(path: Path) -> Scene:
    assert kitti.FORMAT.recognises(path)
    assert kitti.FORMAT.read
    return kitti.FORMAT.read(path)


@pytest.fixture(scope="module")
def mini(shared_data: Path) -> Path:
    return shared_data / "kitti_mini"


def boxes_of(frame: Frame) -> Boxes3D:
    boxes = frame.read_boxes()
    assert boxes is not None
    return boxes


def corners_by_hand(label: kitti_labels.KittiLabel) -> np.ndarray:
    """Corners in the rectified frame as KITTI's development kit has them."""
    h, w, length = label.size
    x = np.array([1, 1, -1, -1, 1, 1, -1, -1]) * length / 2
    y = np.array([0, 0, 0, 0, -1, -1, -1, -1]) * h
    z = np.array([1, -1, -1, 1, 1, -1, -1, 1]) * w / 2
    c, s = math.cos(label.rotation_y), math.sin(label.rotation_y)
    return np.stack([c * x + s * z, y, -s * x + c * z], 1) + np.array(label.location)


def matrix(path: Path, key: str, rows: int) -> np.ndarray:
    line = next(line for line in path.read_text().splitlines() if line.startswith(key))
    values = np.array(line.split()[1:], dtype=float).reshape(rows, -1)
    out = np.eye(4)
    out[: values.shape[0], : values.shape[1]] = values
    return out


@pytest.mark.parametrize("inner", ["", "training"])
def test_real_counts(mini: Path, inner: str) -> None:
    scene = open_kitti(mini / inner)
    assert [frame.name for frame in scene.frames] == list(ALL)
    assert sum(camera.image_path is not None for camera in scene.cameras) == 8
    counts = [len(boxes_of(frame)) for frame in scene.frames]
    assert (sum(counts[:8]), counts[8]) == (27, 22)
    assert counts == [getattr(frame.boxes, "count", None) for frame in scene.frames]
    for frame in scene.frames:
        points = frame.read_points()
        assert points is not None
        assert len(points) == getattr(frame.points, "count", None)
    assert scene.metric


@pytest.mark.parametrize("name", ALL)
def test_boxes_hold_points_and_lie_where_the_labels_say(mini: Path, name: str) -> None:
    frame = next(frame for frame in open_kitti(mini).frames if frame.name == name)
    boxes, points = boxes_of(frame), frame.read_points()
    assert points is not None
    inside = points_in_boxes(points.positions, boxes.rows()).sum(1)
    assert int(inside.min()) >= 3
    calib = mini / "training/calib" / f"{name}.txt"
    rect_from_lidar = matrix(calib, "R0_rect", 3) @ matrix(calib, "Tr_velo_to_cam", 3)
    labels = kitti_labels.read_labels(mini / "training/label_2" / f"{name}.txt")
    labels = [label for label in labels if label.name != "DontCare"]
    assert tuple(label.name for label in labels) == boxes.names
    for row, label in zip(boxes.rows().double().numpy(), labels, strict=True):
        corners = np.c_[corners_by_hand(label), np.ones(8)]
        lidar = (corners @ np.linalg.inv(rect_from_lidar).T)[:, :3]
        np.testing.assert_allclose(row[:3], lidar.mean(0), atol=1e-4)
        ahead = lidar[[0, 1, 4, 5]].mean(0) - lidar.mean(0)
        assert math.cos(math.atan2(ahead[1], ahead[0]) - row[6]) > 1 - 1e-9
        np.testing.assert_allclose(row[3:6], [label.size[2], label.size[1], label.size[0]])


def iou(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    low, high = torch.maximum(a[:, :2], b[:, :2]), torch.minimum(a[:, 2:], b[:, 2:])
    both = (high - low).clamp_min(0).prod(1)
    areas = [(x[:, 2:] - x[:, :2]).prod(1) for x in (a, b)]
    return both / (areas[0] + areas[1] - both)


@pytest.mark.parametrize("name", WITH_IMAGE)
def test_projected_boxes_match_the_annotated_rectangles(mini: Path, name: str) -> None:
    frame = next(frame for frame in open_kitti(mini).frames if frame.name == name)
    boxes, camera = boxes_of(frame), frame.cameras[0]
    size = camera.intrinsics.width, camera.intrinsics.height
    assert camera.read_image().shape[:2] == size[::-1]
    calibration = KittiCalibration.of_camera(camera, frame.pose())
    assert boxes.image is not None
    overlap = iou(calibration.rectangles(boxes.rows(), size), boxes.image.rectangles.double())
    for value, kind in zip(overlap.tolist(), boxes.names, strict=True):
        assert value > (0.6 if kind in ("Pedestrian", "Cyclist", "Misc") else 0.93), kind


def test_camera_projects_as_the_calibration_does(mini: Path) -> None:
    for frame in open_kitti(mini).frames:
        calib = mini / "training/calib" / f"{frame.name}.txt"
        chain = matrix(calib, "P2", 3) @ matrix(calib, "R0_rect", 3) @ matrix(calib, "Tr_velo", 3)
        points = torch.tensor([[10.0, 2.0, -1.0], [40.0, -11.0, 0.5]], dtype=torch.float64)
        expected = np.c_[points.numpy(), np.ones(2)] @ chain.T
        camera = frame.cameras[0]
        seen = (points - camera.world_from_camera[:3, 3]) @ camera.world_from_camera[:3, :3]
        pixels, front = camera.intrinsics.project(seen)
        assert bool(front.all())
        np.testing.assert_allclose(pixels.numpy(), expected[:, :2] / expected[:, 2:3], atol=2e-3)


@pytest.mark.parametrize("name", ALL)
def test_labels_come_back_from_boxes(mini: Path, name: str) -> None:
    calibration = read_calibration(mini / "training/calib" / f"{name}.txt")
    labels = kitti_labels.read_labels(mini / "training/label_2" / f"{name}.txt")
    boxes = kitti_labels.boxes_from_labels(labels, calibration)
    again = kitti_labels.labels_from_boxes(boxes, calibration)
    for new, old in zip(again, (x for x in labels if x.name != "DontCare"), strict=True):
        assert (new.name, new.occluded) == (old.name, old.occluded)
        numbers = [(*x.rectangle, *x.size, *x.location, x.alpha, x.truncated) for x in (new, old)]
        assert numbers[0] == pytest.approx(numbers[1], abs=2e-4)
        assert math.cos(new.rotation_y - old.rotation_y) > 1 - 1e-9


def test_a_whole_scene_comes_back(mini: Path, tmp_path: Path) -> None:
    scene = open_kitti(mini)
    assert kitti.FORMAT.write
    kitti.FORMAT.write(scene, tmp_path / "out")
    again = open_kitti(tmp_path / "out")
    for a, b in zip(scene.frames, again.frames, strict=True):
        assert a.name == b.name
        points = [frame.read_points() for frame in (a, b)]
        assert points[0] is not None
        assert points[1] is not None
        assert torch.equal(points[0].positions, points[1].positions)
        torch.testing.assert_close(points[0].intensities, points[1].intensities, rtol=0, atol=0)
        torch.testing.assert_close(boxes_of(a).rows(), boxes_of(b).rows(), rtol=0, atol=2e-4)
        assert boxes_of(a).names == boxes_of(b).names
        poses = [frame.cameras[0].world_from_camera for frame in (a, b)]
        torch.testing.assert_close(*poses, rtol=0, atol=1e-9)
        assert (a.cameras[0].image_path is None) == (b.cameras[0].image_path is None)
        assert a.cameras[0].intrinsics == b.cameras[0].intrinsics


def tilted() -> KittiCalibration:
    angle = torch.tensor([0.02, -0.03, 0.01], dtype=torch.float64)
    nominal = KittiCalibration.nominal()
    tilt = torch.linalg.matrix_exp(
        torch.tensor([[0, -angle[2], angle[1]], [angle[2], 0, -angle[0]], [-angle[1], angle[0], 0]])
    ).double()
    pose = nominal.rect_from_lidar.clone()
    pose[:3, :3] = tilt @ pose[:3, :3]
    pose[:3, 3] = torch.tensor([0.1, -0.2, 0.3])
    return KittiCalibration(nominal.matrix, torch.tensor([0.06, 0.0, 0.001]).double(), pose)


def detections(n: int = 40) -> Boxes3D:
    rng = torch.Generator().manual_seed(4)
    return Boxes3D(
        torch.randn(n, 3, generator=rng) * torch.tensor([20.0, 20.0, 2.0]),
        torch.rand(n, 3, generator=rng) * 4 + 0.1,
        (torch.rand(n, generator=rng) * 2 - 1) * math.pi,
        tuple(("Car", "traffic cone")[i % 2] for i in range(n)),
        scores=torch.rand(n, generator=rng),
    )


def test_detections_come_back_through_a_tilted_camera(tmp_path: Path) -> None:
    boxes, calibration, path = detections(), tilted(), tmp_path / "a.txt"
    kitti_labels.write_labels(path, kitti_labels.labels_from_boxes(boxes, calibration))
    again = kitti_labels.boxes_from_labels(kitti_labels.read_labels(path), calibration)
    torch.testing.assert_close(again.rows()[:, :6], boxes.rows()[:, :6], rtol=0, atol=2e-4)
    assert float(torch.cos(again.yaws - boxes.yaws).min()) > 1 - 1e-6
    torch.testing.assert_close(again.scores, boxes.scores, rtol=0, atol=1e-6)
    assert again.names == tuple("_".join(name.split()) for name in boxes.names)


def test_rectangles_of_boxes_around_and_behind_the_camera() -> None:
    rows = torch.tensor(
        [
            [-20.0, 0, 0, 4, 2, 2, 0.3],
            [0.0, 0, 0, 4, 2, 2, 0.3],
            [20.0, 0, 0, 4, 2, 2, 0],
            [5.0, 90, 0, 1, 1, 1, 0],
        ]
    )
    found = KittiCalibration.nominal().rectangles(rows, (1242, 375))
    assert found[0].tolist() == [-1] * 4
    assert found[1].tolist() == [0, 0, 1241, 374]
    left = 609.5593 - 721.5377 / 18
    assert found[2, 0].item() == pytest.approx(left)
    assert found[3].tolist() == [-1] * 4


def make(folder: Path, calib: str | None = None, name: str = "000001") -> Path:
    part = folder / "training"
    for kind in ("velodyne", "calib", "label_2", "image_2"):
        (part / kind).mkdir(parents=True, exist_ok=True)
    np.ones((3, 4), "<f4").tofile(part / "velodyne" / f"{name}.bin")
    text = KittiCalibration.nominal().text() if calib is None else calib
    (part / "calib" / f"{name}.txt").write_text(text)
    (part / "label_2" / f"{name}.txt").write_text("")
    return folder


def test_splits_and_testing_folder(tmp_path: Path) -> None:
    root = make(make(tmp_path / "k"), name="000002")
    shutil.copytree(root / "training", root / "testing")
    shutil.rmtree(root / "testing/label_2")
    (root / "ImageSets").mkdir()
    (root / "ImageSets/train.txt").write_text("000002\n")
    (root / "ImageSets/val.txt").write_text("000001\n")
    (root / "ImageSets/test.txt").write_text("000001\n000002\n")
    found = {frame.name: (frame.split, frame.boxes is None) for frame in open_kitti(root).frames}
    assert found == {
        "000001": ("val", False),
        "000002": ("train", False),
        "testing/000001": ("test", True),
        "testing/000002": ("test", True),
    }
    (root / "ImageSets/val.txt").write_text("000002\n")
    with pytest.raises(DataError, match=r"000002 is in train\.txt and in val\.txt"):
        open_kitti(root)


def test_splits_come_back(tmp_path: Path) -> None:
    cloud = PointCloud(torch.ones(2, 3))
    frames = tuple(
        Frame(f"{i}", points=cloud, split=s) for i, s in enumerate(("train", "test", None))
    )
    assert kitti.FORMAT.write
    kitti.FORMAT.write(Scene("x", frames), tmp_path / "out")
    again = open_kitti(tmp_path / "out")
    assert [frame.split for frame in again.frames] == ["train", "test", None]
    assert all(frame.boxes is None for frame in again.frames)


GOOD = "Car 0.00 0 1.85 387.63 181.54 423.81 203.12 1.67 1.87 3.69 -16.53 2.39 58.49 1.57"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (GOOD.rsplit(" ", 1)[0], "line 2: 15 columns expected"),
        (GOOD + " 0.5 0.5", "line 2: 15 columns expected"),
        (GOOD.replace("58.49", "far"), "line 2: numbers expected"),
        (GOOD.replace("58.49", "nan"), "line 2: finite numbers"),
        (GOOD.replace("1.87", "-1.87"), "line 2: height, width, length must be positive"),
        (GOOD.replace("1.87", "0"), "line 2: height, width, length must be positive"),
        (GOOD.replace("0.00 0 ", "0.00 0.5 "), "line 2: finite numbers and a whole"),
        (GOOD.replace("1.57", "90"), "line 2: rotation_y 90 looks like degrees"),
        (GOOD.replace("1.57", "-6.5") + " 0.9", "line 2: rotation_y -6.5 looks like degrees"),
    ],
)
def test_bad_label_lines_are_named(tmp_path: Path, line: str, message: str) -> None:
    root = make(tmp_path)
    (root / "training/label_2/000001.txt").write_text(f"{GOOD}\n{line}\n")
    frame = open_kitti(root).frames[0]
    with pytest.raises(DataError, match=rf"000001\.txt: {message}"):
        frame.read_boxes()


def test_filler_angles_and_a_full_turn_are_fine(tmp_path: Path) -> None:
    filler = "DontCare -1 -1 -10 503.89 169.71 590.61 190.13 -1 -1 -1 -1000 -1000 -1000 -10"
    full = [GOOD.replace("1.57", angle) for angle in ("6.2832", "-6.29")]
    (tmp_path / "a.txt").write_text("\n".join([filler, *full]))
    found = kitti_labels.read_labels(tmp_path / "a.txt")
    assert [label.rotation_y for label in found] == [-10, 6.2832, -6.29]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("P2:", "P9:", "no P2"),
        ("R0_rect: 1.0", "R0_rect: 2.0", "rotations"),
        ("R0_rect: 1.000000000000e+00", "R0_rect:", "must be 9"),
        ("R0_rect: 1.000000000000e+00", "R0_rect: nan", "must be 9 finite"),
        ("R0_rect: 1.000000000000e+00", "R0_rect: one", "must be numbers"),
        ("P2: 7.2", "P2: -7.2", "pinhole"),
    ],
)
def test_bad_calibrations_are_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    text = KittiCalibration.nominal().text()
    assert old in text
    root = make(tmp_path, text.replace(old, new))
    with pytest.raises(DataError, match=rf"000001\.txt.*{message}"):
        open_kitti(root)


def test_damaged_folders_are_refused(tmp_path: Path) -> None:
    root = make(tmp_path / "k")
    (root / "training/calib/000001.txt").unlink()
    with pytest.raises(DataError, match=r"calib/000001\.txt"):
        open_kitti(root)
    sweep = make(root) / "training/velodyne/000001.bin"
    sweep.write_bytes(bytes(47))
    with pytest.raises(DataError, match=r"000001\.bin.*cut short"):
        open_kitti(root)
    sweep.write_bytes(b"")
    with pytest.raises(DataError, match=r"000001\.bin.*empty"):
        open_kitti(root)
    sweep.unlink()
    with pytest.raises(DataError, match="found none"):
        open_kitti(root)
    assert not kitti.FORMAT.recognises(tmp_path)
    assert kitti.FORMAT.write
    with pytest.raises(DataError, match="sweeps or boxes"):
        kitti.FORMAT.write(Scene("x"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_empty_label_files_are_no_boxes(tmp_path: Path) -> None:
    boxes = boxes_of(open_kitti(make(tmp_path)).frames[0])
    assert len(boxes) == 0
