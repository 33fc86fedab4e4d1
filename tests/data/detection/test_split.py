"""Splits by name, by even spread and by nothing; errors that say what the data does have."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest
import torch

from sparse3d.data.detection.config import DataConfig
from sparse3d.data.detection.split import labelled_frames, require_objects, split_frames
from sparse3d.errors import DataError
from sparse3d.scene import Boxes3D, Frame, PointCloud, Scene, Stored
from sparse3d.scene.scene import Split

CLOUD = PointCloud(torch.ones(1, 3))


def boxes_named(*names: str) -> Boxes3D:
    n = len(names)
    return Boxes3D(torch.zeros(n, 3), torch.ones(n, 3), torch.zeros(n), names)


def frame(name: str, split: Split | None = None, *names: str) -> Frame:
    return Frame(name, points=CLOUD, boxes=boxes_named(*(names or ("Car",))), split=split)


def scene_of(frames: Sequence[Frame]) -> Scene:
    return Scene("made", tuple(frames), source=Path("/some/set"))


def names_of(frames: Sequence[Frame]) -> str:
    return " ".join(frame.name for frame in frames)


@pytest.mark.parametrize(
    ("named", "train", "val", "held_out"),
    [
        ("a:train b:val c:test d:train e:", "a d", "b", True),
        ("a:train b:test c:train d:test", "a c", "b d", True),
        ("a: b:val c:", "a c", "b", True),
        ("a:train b: c:train", "a c", "a c", False),
    ],
)
def test_named_splits_are_heeded(named: str, train: str, val: str, held_out: bool) -> None:
    known: dict[str, Split | None] = {"train": "train", "val": "val", "test": "test", "": None}
    pairs = [word.split(":") for word in named.split()]
    split = split_frames(scene_of([frame(n, known[s]) for n, s in pairs]), DataConfig())
    assert (names_of(split.train), names_of(split.val)) == (train, val)
    assert (split.note is None) == held_out
    assert held_out or "on the same frames" in (split.note or "")


def test_test_frames_without_boxes_do_not_count_as_a_split() -> None:
    unlabelled = [Frame(f"t{i}", points=CLOUD, split="test") for i in range(3)]
    frames = [*(frame(str(i)) for i in range(20)), *unlabelled]
    split = split_frames(scene_of(frames), DataConfig(val_fraction=0.2))
    assert (len(split.train), names_of(split.val)) == (16, "2 7 12 17")


@pytest.mark.parametrize("total", [20, 23, 101])
@pytest.mark.parametrize("fraction", [0.01, 0.2, 0.5, 0.99])
def test_held_out_frames_are_spread_evenly(total: int, fraction: float) -> None:
    frames = [frame(f"{i}") for i in range(total)]
    split = split_frames(scene_of(frames), DataConfig(val_fraction=fraction))
    assert sorted([*split.train, *split.val], key=frames.index) == frames
    assert split.train
    assert len(split.val) == min(max(round(total * fraction), 1), total - 1)
    places = [frames.index(each) for each in split.val]
    gaps = [b - a for a, b in pairwise(places)]
    assert not gaps or max(gaps) - min(gaps) <= 1
    assert split.note is not None
    assert f"{len(split.val)} of {total} frames" in split.note


@pytest.mark.parametrize(("total", "fraction"), [(1, 0.2), (19, 0.5), (40, 0.0)])
def test_nothing_held_out_is_said(total: int, fraction: float) -> None:
    frames = [frame(f"{i}") for i in range(total)]
    split = split_frames(scene_of(frames), DataConfig(val_fraction=fraction))
    assert split.train == split.val == tuple(frames)
    assert split.note is not None
    assert "on the same frames" in split.note


def test_no_labelled_frame_is_an_error() -> None:
    points_only, boxes_only = Frame("p", points=CLOUD), Frame("b", boxes=boxes_named("Car"))
    for frames in ([], [points_only, boxes_only]):
        problem = f"/some/set: frames with points and boxes expected, none of {len(frames)}"
        with pytest.raises(DataError, match=problem):
            labelled_frames(scene_of(frames))


def test_data_to_be_judged_by_only_has_no_training_frame() -> None:
    split = split_frames(scene_of([frame("a", "val"), frame("b", "test")]), DataConfig())
    assert (split.train, names_of(split.val)) == ((), "a")


def test_classes_that_no_frame_has_are_an_error_that_lists_those_there_are() -> None:
    frames = [frame("a", None, "Sedan", "Bus"), frame("b", None, "Sedan")]
    with pytest.raises(DataError) as caught:
        split_frames(scene_of(frames), DataConfig(val_fraction=0.0))
    text = str(caught.value)
    assert text.startswith("/some/set: objects of Car, Pedestrian, Cyclist expected")
    assert "Sedan (2), Bus (1)" in text
    assert "renamed, such as Sedan=Car" in text
    config = DataConfig(val_fraction=0.0, renamed=("Sedan=Car",))
    assert split_frames(scene_of(frames), config).train


def test_many_names_are_cut_short_and_no_objects_are_said() -> None:
    many = [frame("a", None, *(f"kind{i:02d}" for i in range(30)))]
    with pytest.raises(DataError, match=r"kind00 \(1\), .*kind11 \(1\), \.\.\.;"):
        require_objects(scene_of(many), many, DataConfig())
    none = [Frame("a", points=CLOUD, boxes=boxes_named())]
    with pytest.raises(DataError, match=r"there are no objects at all$"):
        require_objects(scene_of(none), none, DataConfig())


def test_reading_stops_at_the_first_wanted_object(tmp_path: Path) -> None:
    read: list[str] = []

    def stored(name: str, count: int, *names: str) -> Frame:
        def reader(path: Path) -> Boxes3D:
            read.append(path.name)
            return boxes_named(*names)

        return Frame(name, points=CLOUD, boxes=Stored(tmp_path / name, reader, count))

    frames = [stored("empty", 0), stored("bus", 1, "Bus"), stored("car", 1, "Car")]
    frames += [stored(f"more{i}", 1, "Car") for i in range(50)]
    split_frames(scene_of(frames), DataConfig(val_fraction=0.0))
    assert read == ["bus", "car"]
