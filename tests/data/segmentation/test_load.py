"""Frames as samples: ranges, intensities, labels, counts, splits; and what is no labelled frame."""

import dataclasses
import math
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from sparse3d.data.segmentation.config import DataConfig
from sparse3d.data.segmentation.load import load_sample, load_sweep
from sparse3d.data.segmentation.split import count_classes, labelled_frames, split_frames
from sparse3d.errors import DataError
from sparse3d.scene import Frame, PointCloud, Scene
from sparse3d.scene.formats.registry import open_scene, save_scene
from sparse3d.scene.stored import Stored

CONFIG = DataConfig(low=(-1.0, -1.0, -1.0), high=(1.0, 1.0, 1.0))


def frame_of(
    positions: list[list[float]], labels: list[int] | None, intensities: list[float] | None = None
) -> Frame:
    cloud = PointCloud(
        torch.tensor(positions, dtype=torch.float64),
        intensities=None if intensities is None else torch.tensor(intensities),
        labels=None if labels is None else torch.tensor(labels, dtype=torch.int32),
    )
    return Frame("05/000001", points=cloud)


def test_what_a_network_sees() -> None:
    rows = [[0.0, 0, 0], [1.0, 0, 0], [math.nan, 0, 0], [0.5, 0.5, -1], [0, 0, 0.1]]
    frame = frame_of(rows, [10, 40, 40, 0, 260 - 1], [0.5, 0.1, 0.1, 2.0, math.inf])
    sweep = load_sweep(frame, CONFIG)
    assert sweep.seen.tolist() == [True, False, False, True, False]
    assert sweep.numbers is not None
    assert sweep.numbers.tolist() == [1, 9, 9, 0, 5]
    sample = load_sample(frame, CONFIG)
    assert sample.name == "05/000001"
    assert sample.numbers.tolist() == [1, 0]
    assert sample.points.positions.dtype == torch.float32
    assert sample.points.intensities is not None
    assert sample.points.intensities.tolist() == [0.5, 1.0]
    assert sample.points.labels is None


def test_frames_without_labels_can_be_looked_at_but_not_trained_on() -> None:
    frame = frame_of([[0.0, 0, 0]], None)
    assert load_sweep(frame, CONFIG).numbers is None
    with pytest.raises(DataError, match="frame 05/000001: a frame with labels expected"):
        load_sample(frame, CONFIG)
    with pytest.raises(DataError, match="frame none: a frame with points expected"):
        load_sweep(Frame("none"), CONFIG)
    far = frame_of([[5.0, 0, 0]], [10])
    with pytest.raises(DataError, match="finite points in the range"):
        load_sample(far, CONFIG)


def test_unknown_labels_name_the_file(tmp_path: Path) -> None:
    folder = tmp_path / "sequences" / "01"
    for kind in ("velodyne", "labels"):
        (folder / kind).mkdir(parents=True)
    np.zeros((3, 4), "<f4").tofile(folder / "velodyne" / "000000.bin")
    np.array([40, 77, 77], "<u4").tofile(folder / "labels" / "000000.label")
    (frame,) = open_scene(tmp_path).frames
    with pytest.raises(DataError, match=r"000000\.bin: labels: ids .* expected, got 77") as e:
        load_sample(frame, CONFIG)
    assert "\n" not in str(e.value)


def test_counts_of_classes() -> None:
    frames = [frame_of([[0.0, 0, 0]] * 3, [10, 252, 0]), frame_of([[9.0, 0, 0]], [81])]
    counts = count_classes(frames, CONFIG)
    assert (counts[0].item(), counts[1].item(), counts[19].item()) == (1, 2, 1)
    assert int(counts.sum()) == 4
    assert int(count_classes([frames[0]] * 250, CONFIG).sum()) == 300  # of 100 frames


def refuse(path: Path) -> PointCloud:
    raise AssertionError(f"{path} was read")


def test_labels_are_looked_for_without_reading_where_that_can_be() -> None:
    path = Path("x")
    known = [
        Stored(path, refuse, 3, frozenset({"labels"})),
        Stored(path, refuse, 3, frozenset({"intensities"})),
    ]
    frames = [Frame(str(i), points=points) for i, points in enumerate(known)]
    clouds = [frame_of([[0.0, 0, 0]], labels).points for labels in ([1], None)]
    read = [Stored(path, partial(lambda cloud, _: cloud, cloud)) for cloud in clouds]
    frames += [Frame(f"r{i}", points=points) for i, points in enumerate(read)]
    found = labelled_frames(Scene("made", (*frames, Frame("none"))))
    assert [frame.name for frame in found] == ["0", "r0"]


def test_splits_by_name_else_spread() -> None:
    named = [
        dataclasses.replace(frame_of([[0.0, 0, 0]], [10]), name=name, split=split)
        for name, split in (("a", "train"), ("b", "val"), ("c", "test"))
    ]
    split = split_frames(Scene("made", tuple(named)), CONFIG)
    assert ([f.name for f in split.train], [f.name for f in split.val]) == (["a"], ["b"])
    plain = tuple(dataclasses.replace(named[0], name=str(i), split=None) for i in range(20))
    spread = split_frames(Scene("made", plain), CONFIG)
    assert (len(spread.train), len(spread.val)) == (16, 4)


def test_labels_survive_in_a_scene_folder(tmp_path: Path) -> None:
    labelled, bare = frame_of([[0.0, 0, 0]] * 2, [10, 40]), frame_of([[0.0, 0, 0]], None)
    frames = (labelled, dataclasses.replace(bare, name="bare"))
    save_scene(Scene("made", frames), tmp_path / "out", "scene")
    again = open_scene(tmp_path / "out")
    stored = [frame.points for frame in again.frames]
    assert all(isinstance(one, Stored) and one.attributes is not None for one in stored)
    (found,) = labelled_frames(again)
    assert load_sample(found, CONFIG).numbers.tolist() == [1, 9]
