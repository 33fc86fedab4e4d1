"""Folders of clouds with boxes: layouts, what comes back, what is left to others, bad input."""

import json
import math
import struct
from pathlib import Path

import numpy as np
import pytest
import torch

from sparse3d.errors import DataError
from sparse3d.scene import Boxes3D, Frame, PointCloud, Scene, Stored
from sparse3d.scene.formats import clouds, ply
from sparse3d.scene.formats.registry import is_recognised, open_scene, recognise, save_scene

CAR = "1.5 -2.25 0.5 4.0 1.75 1.5 0.25 Car"
WALKER = "10 3 -0.5 0.5 0.75 1.75 -3 Pedestrian"
POINTS = np.array([[1.5, -2.0, 0.5, 0.25], [9.0, 8.0, 7.0, 1.0], [3.0, 2.0, 1.0, 0.0]], "<f4")
ENTRY = {"center": [1.5, -2.25, 0.5], "size": [4, 1.75, 1.5], "yaw": 0.25, "class": "Car"}


def save_cloud(path: Path) -> Path:
    """The three points in the format of the suffix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    cloud = PointCloud(
        torch.from_numpy(POINTS[:, :3].copy()), intensities=torch.from_numpy(POINTS[:, 3].copy())
    )
    if path.suffix == ".npy":
        np.save(path, POINTS)
    elif path.suffix == ".bin":
        POINTS.tofile(path)
    elif path.suffix == ".ply":
        ply.write_points(path, cloud)
    elif path.suffix == ".pcd":
        rows = "\n".join(" ".join(map(str, row)) for row in POINTS)
        path.write_text(
            "VERSION 0.7\nFIELDS x y z intensity\nSIZE 4 4 4 4\nTYPE F F F F\nCOUNT 1 1 1 1\n"
            f"WIDTH 3\nHEIGHT 1\nPOINTS 3\nDATA ascii\n{rows}\n"
        )
    else:
        save_las(path)
    return path


def save_las(path: Path) -> None:
    import laspy

    las = laspy.LasData(laspy.LasHeader(point_format=0, version="1.2"))
    las.header.scales = np.full(3, 0.25)
    las.xyz = POINTS[:, :3].astype(np.float64)
    las.intensity = POINTS[:, 3].astype(np.uint16)
    las.write(str(path))


def save_text(path: Path, *lines: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three clouds: two boxes, an empty label file, none."""
    root = tmp_path / "mine"
    for name in ("a", "b", "c"):
        save_cloud(root / "points" / f"{name}.npy")
    save_text(root / "labels/a.txt", "# x y z dx dy dz heading class", CAR, "", WALKER)
    save_text(root / "labels/b.txt")
    return root


def boxes_of(frame: Frame) -> Boxes3D:
    boxes = frame.read_boxes()
    assert boxes is not None
    return boxes


def points_of(frame: Frame) -> PointCloud:
    points = frame.read_points()
    assert points is not None
    return points


def count_of(value: object) -> int | None:
    assert isinstance(value, Stored)
    return value.count


def intensities_of(frame: Frame) -> list[float]:
    values = points_of(frame).intensities
    assert values is not None
    return values.tolist()


def test_clouds_and_labels_become_frames(folder: Path) -> None:
    save_text(folder / "ImageSets/train.txt", "a", "c")
    save_text(folder / "ImageSets/val.txt", "b")
    scene = open_scene(folder)
    assert (scene.format, scene.metric, scene.name) == ("clouds", True, "mine")
    assert [(f.name, f.split) for f in scene.frames] == [
        ("a", "train"),
        ("b", "val"),
        ("c", "train"),
    ]
    boxes = boxes_of(scene.frames[0])
    expected = [[1.5, -2.25, 0.5, 4, 1.75, 1.5, 0.25], [10, 3, -0.5, 0.5, 0.75, 1.75, -3]]
    torch.testing.assert_close(boxes.rows(), torch.tensor(expected))
    assert boxes.names == ("Car", "Pedestrian")
    assert boxes.scores is None
    assert len(boxes_of(scene.frames[1])) == 0
    assert scene.frames[2].boxes is None
    assert [count_of(frame.points) for frame in scene.frames] == [3, 3, 3]
    assert [count_of(frame.boxes) for frame in scene.frames[:2]] == [2, 0]


@pytest.mark.parametrize("suffix", [".npy", ".bin", ".pcd", ".ply", ".las"])
def test_every_kind_of_cloud_is_read(tmp_path: Path, suffix: str) -> None:
    save_cloud(tmp_path / "points" / f"a{suffix}")
    save_text(tmp_path / "labels/a.txt", CAR)
    frame = open_scene(tmp_path).frames[0]
    np.testing.assert_array_equal(points_of(frame).positions.numpy(), POINTS[:, :3])
    whole = suffix == ".las"  # which has intensities from 0 to 65535
    assert intensities_of(frame) == (np.floor(POINTS[:, 3]) if whole else POINTS[:, 3]).tolist()
    assert count_of(frame.points) == 3


def test_json_labels_are_the_same_boxes(folder: Path) -> None:
    text = boxes_of(open_scene(folder).frames[0]).select(torch.tensor([0]))
    (folder / "labels/a.txt").unlink()
    (folder / "labels/a.json").write_text(json.dumps([ENTRY | {"score": 0.5}]))
    one = boxes_of(open_scene(folder).frames[0])
    assert torch.equal(one.rows(), text.rows())
    assert one.names == text.names
    assert one.scores is not None
    assert one.scores.tolist() == [0.5]


def test_one_json_file_for_all_frames(folder: Path) -> None:
    (folder / "labels/a.txt").unlink()
    (folder / "labels/b.txt").unlink()
    (folder / "labels").rmdir()
    (folder / "boxes.json").write_text(json.dumps({"c": [ENTRY, ENTRY], "a": []}))
    frames = open_scene(folder).frames
    assert [frame.boxes and len(boxes_of(frame)) for frame in frames] == [0, None, 2]
    assert boxes_of(frames[2]).names == ("Car", "Car")


@pytest.mark.parametrize("suffix", [".txt", ".json"])
def test_labels_may_lie_beside_the_clouds(tmp_path: Path, suffix: str) -> None:
    for name in ("a", "b"):
        save_cloud(tmp_path / f"{name}.bin")
    text = CAR if suffix == ".txt" else json.dumps([ENTRY])
    save_text(tmp_path / f"b{suffix}", text)
    save_text(tmp_path / "notes.txt", "taken on a sunny day")
    (tmp_path / "settings.json").write_text('{"rate": 10}')
    frames = open_scene(tmp_path).frames
    assert [frame.name for frame in frames] == ["a", "b"]
    assert frames[0].boxes is None
    assert boxes_of(frames[1]).names == ("Car",)


def test_what_is_not_labelled_is_left_to_others(tmp_path: Path, shared_data: Path) -> None:
    save_cloud(tmp_path / "plain/a.npy")
    save_text(tmp_path / "plain/a.txt", "recorded by hand", "1 2 3 4 5 6 7 8")
    (tmp_path / "plain/b.json").write_text("[1, 2]")
    assert not is_recognised(tmp_path / "plain")
    save_cloud(tmp_path / "points/a.npy")
    assert not is_recognised(tmp_path)
    (tmp_path / "nothing/points").mkdir(parents=True)
    (tmp_path / "nothing/labels").mkdir()
    assert not is_recognised(tmp_path / "nothing")
    for name, form in (("kitti_mini", "kitti"), ("llff_fern", "colmap"), ("fox", "nerfstudio")):
        assert recognise(shared_data / name).name == form
    for name in ("meshes", "splats"):
        assert not clouds.FORMAT.recognises(shared_data / name)


def test_a_scene_folder_stays_one(folder: Path, tmp_path: Path) -> None:
    save_scene(open_scene(folder), tmp_path / "out", "scene")
    (tmp_path / "out/points").mkdir(exist_ok=True)
    (tmp_path / "out/labels").mkdir()
    save_cloud(tmp_path / "out/points/a.npy")
    assert recognise(tmp_path / "out").name == "scene"


def detections(n: int, *, scores: bool) -> Boxes3D:
    rng = torch.Generator().manual_seed(n)
    return Boxes3D(
        torch.randn(n, 3, generator=rng) * 40,
        torch.rand(n, 3, generator=rng) * 4 + 1e-3,
        (torch.rand(n, generator=rng) * 2 - 1) * math.pi,
        tuple(("Car", "traffic cone")[i % 2] for i in range(n)),
        scores=torch.rand(n, generator=rng) if scores else None,
    )


@pytest.mark.parametrize("scores", [False, True])
def test_what_was_written_comes_back(tmp_path: Path, scores: bool) -> None:
    rng = torch.Generator().manual_seed(8)
    clouds_ = [PointCloud(torch.randn(n, 3, generator=rng)) for n in (1, 9, 4)]
    bright = PointCloud(clouds_[0].positions, intensities=torch.tensor([0.75]))
    frames = (
        Frame("one.2", points=bright, boxes=detections(7, scores=scores), split="val"),
        Frame("two", points=clouds_[1], boxes=detections(0, scores=False), split="train"),
        Frame("zebra-3", points=clouds_[2]),
    )
    save_scene(Scene("x", frames), tmp_path / "out", "clouds")
    again = open_scene(tmp_path / "out")
    assert again.format == "clouds"
    for new, old in zip(again.frames, frames, strict=True):
        assert (new.name, new.split) == (old.name, old.split)
        assert torch.equal(points_of(new).positions, points_of(old).positions)
        assert (new.boxes is None) == (old.boxes is None)
    boxes, expected = boxes_of(again.frames[0]), boxes_of(frames[0])
    torch.testing.assert_close(boxes.rows(), expected.rows(), rtol=0, atol=1e-6)
    assert boxes.names == tuple("_".join(name.split()) for name in expected.names)
    assert (boxes.scores is not None) == scores
    if scores:
        torch.testing.assert_close(boxes.scores, expected.scores, rtol=0, atol=0)
    assert intensities_of(again.frames[0]) == [0.75]
    assert intensities_of(again.frames[1]) == [0.0] * 9


def test_names_that_are_no_file_names_become_numbers(tmp_path: Path) -> None:
    cloud = PointCloud(torch.ones(2, 3))
    frames = tuple(Frame(name, points=cloud) for name in ("testing/7", "../b", "c"))
    save_scene(Scene("x", frames), tmp_path / "out", "clouds")
    names = [path.name for path in sorted((tmp_path / "out/points").iterdir())]
    assert names == ["000000.npy", "000001.npy", "000002.npy"]


def test_real_frames_become_clouds(shared_data: Path, tmp_path: Path) -> None:
    scene = open_scene(shared_data / "kitti_mini")
    save_scene(scene, tmp_path / "out", "clouds")
    for new, old in zip(open_scene(tmp_path / "out").frames, scene.frames, strict=True):
        torch.testing.assert_close(boxes_of(new).rows(), boxes_of(old).rows(), rtol=0, atol=1e-6)
        assert torch.equal(points_of(new).positions, points_of(old).positions)


def test_scenes_without_sweeps_are_not_written(tmp_path: Path) -> None:
    for frames, problem in (
        ((), "a scene with sweeps expected"),
        ((Frame("a", boxes=detections(1, scores=False)),), "frame a has boxes, but no points"),
    ):
        with pytest.raises(DataError, match=problem):
            save_scene(Scene("x", frames), tmp_path / "out", "clouds")
    assert not (tmp_path / "out").exists()


KITTI = "Car 0.00 0 1.85 387.63 181.54 423.81 203.12 1.67 1.87 3.69 -16.53 2.39 58.49 1.57"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (KITTI, "line 2: 8 columns.*got 15; it looks like a row of a KITTI label file"),
        (f"{KITTI} 0.9", "line 2: .*got 16; it looks like a row of a KITTI"),
        (KITTI.rsplit(" ", 1)[0], "line 2: 8 columns.*got 14$"),
        (CAR.rsplit(" ", 1)[0], "line 2: 8 columns.*got 7$"),
        (f"{CAR} 0.5 0.5", "line 2: 8 columns.*got 10$"),
        (f"{CAR} parked", "line 2: score must be a number, got 'parked'"),
        ("Car 1 2 3 4 5 6 0", "line 2: x must be a number, got 'Car'"),
        (CAR.replace("1.75", "-1.75"), r"line 2: dx, dy, dz must be positive, got \[4.0, -1.75"),
        (CAR.replace("1.75", "0"), "line 2: dx, dy, dz must be positive"),
        (CAR.replace("-2.25", "nan"), "line 2: finite numbers"),
        (CAR.replace("-2.25", "inf"), "line 2: finite numbers"),
        (f"{CAR} nan", "line 2: finite numbers"),
        (CAR.replace("0.25 Car", "90 Car"), "line 2: heading 90 looks like degrees"),
        (CAR.replace("0.25 Car", "-6.4 Car"), "line 2: heading -6.4 looks like degrees"),
        (f"{CAR} 0.5", "some boxes have a score"),
    ],
)
def test_bad_rows_are_named(folder: Path, line: str, message: str) -> None:
    save_text(folder / "labels/a.txt", CAR, line)
    with pytest.raises(DataError, match=rf"labels/a\.txt: {message}"):
        open_scene(folder).frames[0].read_boxes()


def test_a_full_turn_is_no_degrees(folder: Path) -> None:
    save_text(folder / "labels/a.txt", CAR.replace("0.25 Car", "6.2832 Car"))
    assert boxes_of(open_scene(folder).frames[0]).yaws.item() == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"boxes": []}, "a list of boxes expected"),
        ([ENTRY, 3], "box 1: a JSON object"),
        ([ENTRY | {"yaw": 90}], "box 0: heading 90 looks like degrees"),
        ([ENTRY | {"yaw": None}], "box 0: no yaw"),
        ([ENTRY | {"class": ""}], "box 0: class must be a text"),
        ([ENTRY | {"size": [4, -1, 2]}], "box 0: dx, dy, dz must be positive"),
        ([ENTRY | {"size": [4, 1]}], "box 0: size must be three numbers"),
        ([ENTRY | {"center": [1, 2, "far"]}], "box 0, center: 2 must be a finite number"),
        ([ENTRY | {"rotation": 1}], "box 0: unknown key 'rotation'"),
        ([ENTRY | {"yaw": math.nan}], "box 0: yaw must be a finite number"),
    ],
)
def test_bad_entries_are_named(folder: Path, entries: object, message: str) -> None:
    (folder / "labels/a.txt").unlink()
    (folder / "labels/a.json").write_text(json.dumps(entries))
    with pytest.raises(DataError, match=rf"labels/a\.json: {message}"):
        open_scene(folder).frames[0].read_boxes()
    (folder / "labels/a.json").unlink()
    (folder / "labels/b.txt").unlink()
    (folder / "boxes.json").write_text(json.dumps({"b": entries}))
    with pytest.raises(DataError, match=rf"boxes\.json: frame b(:|,) {message}"):
        open_scene(folder).frames[1].read_boxes()


def test_files_that_do_not_go_together_are_named(folder: Path) -> None:
    (folder / "labels/a.json").write_text("{")
    with pytest.raises(DataError, match=r"a\.txt: frame a has a\.json, too"):
        open_scene(folder)
    (folder / "labels/a.txt").unlink()
    with pytest.raises(DataError, match=r"a\.json: not valid JSON"):
        open_scene(folder).frames[0].read_boxes()
    (folder / "labels/a.json").rename(folder / "labels/z.json")
    with pytest.raises(DataError, match=r"z\.json: label file without a cloud z"):
        open_scene(folder)
    (folder / "labels/z.json").unlink()
    (folder / "boxes.json").write_text('{"a": []}')
    with pytest.raises(DataError, match=r"boxes\.json: boxes are in label files, too.*b\.txt"):
        open_scene(folder)
    (folder / "labels/b.txt").unlink()
    (folder / "boxes.json").write_text('{"a": [], "q": []}')
    with pytest.raises(DataError, match=r"boxes\.json: frame 'q' has no cloud"):
        open_scene(folder)
    (folder / "boxes.json").unlink()
    save_cloud(folder / "points/b.bin")
    with pytest.raises(DataError, match=r"frame b has b\.bin, too"):
        open_scene(folder)


def test_a_label_beside_no_cloud_is_named(tmp_path: Path) -> None:
    save_cloud(tmp_path / "a.npy")
    save_text(tmp_path / "a.txt", CAR)
    save_text(tmp_path / "b.txt", WALKER)
    with pytest.raises(DataError, match=r"b\.txt: label file without a cloud"):
        open_scene(tmp_path)


def test_bad_splits_are_named(folder: Path) -> None:
    train = save_text(folder / "ImageSets/train.txt", "a", "", "d")
    with pytest.raises(DataError, match=r"train\.txt: line 3: there is no cloud of frame 'd'"):
        open_scene(folder)
    save_text(train, "a", "b")
    save_text(folder / "ImageSets/val.txt", "c", "b")
    with pytest.raises(DataError, match=r"val\.txt: line 2: frame b is in train\.txt, too"):
        open_scene(folder)


def test_bad_clouds_are_named(folder: Path) -> None:
    np.save(folder / "points/b.npy", np.zeros((0, 4), "f4"))
    with pytest.raises(DataError, match=r"b\.npy: point cloud is empty"):
        open_scene(folder)
    (folder / "points/b.npy").write_bytes(struct.pack("<f", 1))
    with pytest.raises(DataError, match=r"b\.npy"):
        open_scene(folder)
