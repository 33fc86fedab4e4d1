"""Samples of real KITTI frames against their known counts; made frames for the rest."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from sparse3d.data.detection.classes import ClassMap
from sparse3d.data.detection.config import DataConfig, View
from sparse3d.data.detection.load import load_points, load_sample, resolve_view
from sparse3d.errors import DataError
from sparse3d.geometry.boxes import points_in_boxes
from sparse3d.geometry.intrinsics import Intrinsics
from sparse3d.geometry.transforms import rigid
from sparse3d.scene import Boxes3D, Camera, Frame, PointCloud, Scene, Stored
from sparse3d.scene.formats.registry import open_scene

EVERYWHERE = DataConfig(low=(-200.0, -200.0, -50.0), high=(200.0, 200.0, 50.0))
NAN = float("nan")


@pytest.fixture(scope="module")
def mini(shared_data: Path) -> Scene:
    return open_scene(shared_data / "kitti_mini")


def made_frame(**changes: object) -> Frame:
    """Two cars and a van ahead, points in and around them, a camera that looks ahead."""
    positions = torch.tensor([[10.0, 0, 0], [10, 0.5, 0], [20, 1, 0], [-5, 0, 0], [10, 30, 0]])
    centers = torch.tensor([[10.0, 0, 0], [20, 1, 0], [-5, 0, 0]])
    boxes = Boxes3D(centers, torch.full((3, 3), 2.0), torch.zeros(3), ("Sedan", "Car", "Van"))
    axes = torch.tensor([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]], dtype=torch.float64)
    pose = rigid(axes, torch.zeros(3, dtype=torch.float64))
    camera = Camera("main", Intrinsics(100, 50, 50.0, 50.0, 50.0, 25.0), pose)
    points = PointCloud(positions, intensities=torch.tensor([0.0, 64, 255, 510, 51]))
    return replace(Frame("made", (camera,), points, boxes), **changes)


def projected_by_hand(folder: Path, frame: Frame) -> tuple[int, int]:
    """How many points KITTI's matrices put in front of the left colour camera, in its image."""
    lines = (folder / "calib" / f"{frame.name}.txt").read_text().splitlines()
    rows = {line.split(":")[0]: np.array(line.split()[1:], float) for line in lines if line.strip()}
    rectify, rect_from_lidar = np.eye(4), np.eye(4)
    rectify[:3, :3] = rows["R0_rect"].reshape(3, 3)
    rect_from_lidar[:3] = rows["Tr_velo_to_cam"].reshape(3, 4)
    data = np.fromfile(folder / "velodyne" / f"{frame.name}.bin", "<f4").reshape(-1, 4)
    points = np.c_[data[:, :3].astype(float), np.ones(len(data))]
    u, v, w = rows["P2"].reshape(3, 4) @ rectify @ rect_from_lidar @ points.T
    lens = frame.cameras[0].intrinsics
    inside = (u >= 0) & (u < w * lens.width) & (v >= 0) & (v < w * lens.height)
    return int((w > 0).sum()), int((inside & (w > 0)).sum())


def test_views_of_the_real_frames_hold_the_points_that_project(
    mini: Scene, shared_data: Path
) -> None:
    for frame in mini.frames:
        in_front, inside = projected_by_hand(shared_data / "kitti_mini/training", frame)
        kept = len(load_points(frame, EVERYWHERE, "camera"))
        assert abs(kept - inside) <= 2, frame.name  # of some 20000, at the image's very border
        assert 0.29 <= kept / in_front <= 0.40
        assert len(load_points(frame, EVERYWHERE, "all")) == getattr(frame.points, "count", None)


def test_objects_of_the_real_frames_keep_their_points(mini: Scene) -> None:
    cars = 0
    for frame in mini.frames:
        sample, cloud = load_sample(frame, DataConfig(), "camera"), frame.read_points()
        labels = frame.read_boxes()
        assert cloud is not None
        assert labels is not None
        assert len(sample.boxes) + len(sample.ignored) == len(labels)
        rows = sample.boxes.rows()
        before = points_in_boxes(cloud.positions, rows).sum(1)
        after = points_in_boxes(sample.points.positions, rows).sum(1)
        cars += sample.boxes.names.count("Car")
        for row, name in enumerate(sample.boxes.names):
            assert sample.boxes.image is not None
            truncation = float(sample.boxes.image.truncations[row])
            least = 0.75 * (1 - truncation) if truncation else 0.99
            assert after[row] >= max(least * before[row], 3), (frame.name, row, name)
    assert cars == 20 + 5


def test_real_frames_have_ignored_classes_and_sound_values(mini: Scene) -> None:
    samples = {f.name: load_sample(f, DataConfig(), "camera") for f in mini.frames}
    ignored = {name: s.ignored.names for name, s in samples.items() if len(s.ignored)}
    assert ignored == {"000001": ("Truck",), "000002": ("Misc",)}
    low, high = torch.tensor(DataConfig().low), torch.tensor(DataConfig().high)
    for sample in samples.values():
        positions, intensities = sample.points.positions, sample.points.intensities
        assert intensities is not None
        assert positions.dtype == intensities.dtype == torch.float32
        assert bool(((positions >= low) & (positions < high)).all())
        assert 0 <= float(intensities.min()) < float(intensities.max()) <= 1
    assert len(samples["000008"].boxes) == 6


def test_auto_view_is_the_camera_for_kitti_only(mini: Scene) -> None:
    assert resolve_view(mini, DataConfig()) == "camera"
    assert resolve_view(mini, DataConfig(view="all")) == "all"
    other = replace(mini, format="scene")
    assert resolve_view(other, DataConfig()) == "all"
    assert resolve_view(other, DataConfig(view="camera")) == "camera"


def test_views_and_names_of_a_made_frame() -> None:
    config = replace(EVERYWHERE, renamed=("Sedan=Car",))
    everything = load_sample(made_frame(), config, "all")
    assert len(everything.points) == 5
    assert everything.boxes.names == ("Car", "Car")
    assert everything.ignored.names == ("Van",)
    ahead = load_sample(made_frame(), config, "camera")
    assert ahead.points.positions[:, 0].tolist() == [10, 10, 20]
    assert len(ahead.ignored) == 0, "what is behind the camera is neither"
    plain = load_sample(made_frame(), EVERYWHERE, "all")
    assert plain.boxes.names == ("Car",), "an unknown name is background"


def test_a_renamed_name_no_longer_stands_for_itself() -> None:
    boxes = made_frame().read_boxes()
    assert boxes is not None
    config = DataConfig(renamed=("Car=Van", "Sedan=Car"))
    wanted, ignored = ClassMap.of(config).apply(boxes)
    assert (wanted.names, ignored.names) == (("Car",), ("Van", "Van"))
    assert wanted.centers[0].tolist() == [10, 0, 0]
    assert not ClassMap.of(DataConfig()).wants("car"), "names are compared exactly"


def test_intensities_are_scaled_cut_or_left_out() -> None:
    scaled = load_points(made_frame(), replace(EVERYWHERE, intensity_scale=255.0), "all")
    assert scaled.intensities is not None
    assert torch.allclose(scaled.intensities, torch.tensor([0, 64 / 255, 1, 1, 0.2]))
    none = load_points(made_frame(), replace(EVERYWHERE, intensity=False), "all")
    bare = PointCloud(torch.ones(3, 3))
    missing = load_points(made_frame(points=bare), EVERYWHERE, "all")
    for points, count in ((none, 5), (missing, 3)):
        assert points.intensities is not None
        assert points.intensities.tolist() == [0] * count


def test_points_that_are_not_finite_are_dropped() -> None:
    positions = torch.tensor([[1.0, 1, 1], [NAN, 0, 0], [0, float("inf"), 0], [2, 2, 2]])
    cloud = PointCloud(positions, intensities=torch.tensor([0.5, 0, 0, NAN]))
    loaded = load_points(made_frame(points=cloud), EVERYWHERE, "all")
    assert loaded.positions.tolist() == [[1, 1, 1]]
    without = replace(EVERYWHERE, intensity=False)
    assert len(load_points(made_frame(points=cloud), without, "all")) == 2


@pytest.mark.parametrize("view", ["all", "camera"])
def test_nothing_left_is_empty_for_detection_and_an_error_for_training(view: View) -> None:
    for positions in (torch.zeros(0, 3), torch.full((2, 3), NAN), torch.full((2, 3), 1e4)):
        frame = made_frame(points=PointCloud(positions))
        points = load_points(frame, EVERYWHERE, view)
        assert len(points) == 0
        assert points.intensities is not None
        with pytest.raises(DataError, match=r"frame made: finite points in the range .* none"):
            load_sample(frame, EVERYWHERE, view)


def test_errors_name_the_frame_and_the_fault(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="made: a frame with points expected"):
        load_sample(made_frame(points=None), EVERYWHERE, "all")
    with pytest.raises(DataError, match="made: a frame with boxes expected"):
        load_sample(made_frame(boxes=None), EVERYWHERE, "all")
    with pytest.raises(DataError, match="made: the view is that of the main camera"):
        load_sample(made_frame(cameras=()), EVERYWHERE, "camera")
    good = made_frame().read_boxes()
    assert good is not None
    bad = replace(good, yaws=torch.tensor([0.0, NAN, 0]))
    stored = Stored(tmp_path / "boxes.json", lambda _: bad)
    with pytest.raises(DataError, match=r"boxes\.json: box 2 \(Car\) has values that are not fin"):
        load_sample(made_frame(boxes=stored), EVERYWHERE, "all")


def test_a_real_frame_out_of_range_names_its_file(mini: Scene) -> None:
    far = DataConfig(low=(1e3, 1e3, 1e3), high=(2e3, 2e3, 2e3))
    with pytest.raises(DataError, match=r"velodyne/000000\.bin: finite points"):
        load_sample(mini.frames[0], far, "camera")


def test_no_boxes_at_all_are_background(shared_data: Path, tmp_path: Path) -> None:
    for kind, suffix in (("velodyne", "bin"), ("calib", "txt")):
        source = shared_data / "kitti_mini/training" / kind / f"000000.{suffix}"
        (tmp_path / "training" / kind).mkdir(parents=True)
        shutil.copy(source, tmp_path / "training" / kind)
    (tmp_path / "training/label_2").mkdir()
    dont_care = "DontCare -1 -1 -10 503.89 169.71 590.61 190.13 -1 -1 -1 -1000 -1000 -1000 -10\n"
    (tmp_path / "training/label_2/000000.txt").write_text(dont_care)
    sample = load_sample(open_scene(tmp_path).frames[0], DataConfig(), "camera")
    assert len(sample.boxes) == len(sample.ignored) == 0
    assert len(sample.points) > 10_000
