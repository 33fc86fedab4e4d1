"""Average precision against KITTI's own program, and in cases that can be told by hand."""

import itertools
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest
import torch

from sparse3d.detect.scores import FrameObjects, evaluate_objects, frame_of_labels, frames_of_files
from sparse3d.detect.scores.result import DetectionScores, LevelScore, Metric
from sparse3d.train.task import Evaluation

KITTI = ("Car", "Pedestrian", "Cyclist")


@pytest.fixture(scope="module")
def oracle(shared_oracles: Path) -> Path:
    return shared_oracles / "kitti_eval"


@pytest.fixture(scope="module")
def oracle_frames(oracle: Path) -> tuple[FrameObjects, ...]:
    return frames_of_files(oracle / "label_2", oracle / "detections")


def level(
    scores: DetectionScores, metric: Metric = "detection_3d", difficulty: int = 0, name: str = "Car"
) -> LevelScore:
    return scores.metric(name, metric).levels[difficulty]


def test_equals_the_numbers_of_the_benchmarks_program(oracle: Path, oracle_frames) -> None:
    wanted = json.loads((oracle / "expected.json").read_text())
    got = evaluate_objects(oracle_frames, KITTI).to_json()
    assert got["difficulties"] == wanted["difficulties"]
    assert got["min_overlap"] == wanted["min_overlap"]
    assert len(wanted["expected"]) == 12
    for key, numbers in wanted["expected"].items():
        assert got[key]["AP_R11"] == pytest.approx(numbers["AP_R11"], abs=1e-3), key
        assert got[key]["AP_R40"] == pytest.approx(numbers["AP_R40"], abs=1e-3), key
        for curve, other in zip(got[key]["precision_41"], numbers["precision_41"], strict=True):
            assert curve == pytest.approx(other, abs=1e-5), key  # the program prints 6 digits


def test_only_the_order_of_scores_matters_and_that_of_frames_does_not(oracle_frames) -> None:
    def without_intervals(frames) -> dict:
        values = evaluate_objects(frames, ("Cyclist",)).to_json()
        for key in values:
            if "detection" in key or "orientation" in key:
                values[key].pop("AP_all_point_interval")
        return values

    def stretched(frame: FrameObjects) -> FrameObjects:
        found = frame.detections
        assert found.scores is not None
        return replace(frame, detections=replace(found, scores=found.scores**3 * 5 - 9))

    wanted = without_intervals(oracle_frames)
    assert without_intervals([stretched(frame) for frame in oracle_frames]) == wanted
    got = without_intervals(oracle_frames[::-1])
    for key in ("cyclist_detection", "cyclist_orientation", "cyclist_detection_3d_0.25"):
        assert got[key]["AP_all_point"] == pytest.approx(wanted[key]["AP_all_point"])
        assert got[key]["AP_R40"] == pytest.approx(wanted[key]["AP_R40"])


def perfect(row, frames: int, cars: int, **changes) -> list[FrameObjects]:
    """Cars in a row, all of them found where they are."""
    score = itertools.count(1)
    result = []
    for number in range(frames):
        truth = [row(x=9.0 * i - 20, z=20.0 + i, **changes) for i in range(cars)]
        found = [replace(one, score=1 / next(score)) for one in truth]
        result.append(frame_of_labels(str(number), truth, found))
    return result


def test_a_perfect_detector_on_twelve_cars(row) -> None:
    scores = evaluate_objects(perfect(row, 3, 4), ("Car",))
    assert isinstance(scores, Evaluation)
    for metric in get_args(Metric):
        for difficulty in range(3):
            got = level(scores, metric, difficulty)
            assert got.counted == 12
            assert got.ap_r40 == pytest.approx(27.5)  # 12 of 41 slots, the first not looked at
            assert got.ap_r11 == pytest.approx(300 / 11)
            assert got.all_point == pytest.approx(100)
            assert got.recall == 1
    assert level(scores).interval == pytest.approx((100, 100))
    (warning,) = scores.warnings()
    assert "fewer than 100 objects count (Car 12/12/12 easy/moderate/hard)" in warning
    assert "Car 100.00 (all-point, 12 objects)" in scores.headline()
    assert warning in scores.headline()
    assert scores.to_json()["warnings"] == [warning]


def test_a_hundred_objects_need_no_warning(row) -> None:
    scores = evaluate_objects(perfect(row, 25, 4), ("Car",))
    assert scores.warnings() == ()
    assert level(scores).ap_r40 == pytest.approx(100)
    assert level(scores).interval is None
    assert scores.headline() == "3D AP (moderate) of 25 frames: Car 100.00 (R40)"


def test_all_point_ap_by_hand(row) -> None:
    """Right, wrong, right, wrong, one never found: precision 1, 2/3 at a third of recall each."""
    truth = [row(x=0.0), row(x=10.0), row(x=20.0)]
    found = [
        row(x=0.0, score=0.9),
        row(x=-10.0, score=0.8),
        row(x=10.0, score=0.7),
        row(x=-20.0, score=0.6),
    ]
    scores = evaluate_objects([frame_of_labels("a", truth, found)], ("Car",))
    assert level(scores).all_point == pytest.approx(100 * (1 + 2 / 3) / 3)
    assert level(scores).recall == pytest.approx(2 / 3)  # one false alarm in one frame
    worse = [*found[:1], row(x=-15.0, score=0.85), *found[1:]]
    assert level(
        evaluate_objects([frame_of_labels("a", truth, worse)], ("Car",))
    ).recall == pytest.approx(1 / 3)


def counts(
    row, truth: list, found: list, name="Car", metric: Metric = "detection_3d", difficulty=1
):
    """Objects that count; all-point AP of one car that is found at last, after what is given."""
    sure = row(name, x=30.0, z=40.0)
    frame = frame_of_labels("a", [*truth, sure], [*found, replace(sure, score=0.1)])
    got = level(evaluate_objects([frame], (name,)), metric, difficulty, name)
    return got.counted, got.all_point


@pytest.mark.parametrize(
    ("truth", "found", "wanted"),
    [
        ([], [{"score": 0.9}], (1, 50)),  # a false alarm
        ([{"name": "Van"}], [{"score": 0.9}], (1, 100)),  # a van is ignored
        ([{"name": "Truck"}], [{"score": 0.9}], (1, 50)),  # a truck is not
        ([], [{"name": "Van", "score": 0.9}], (1, 100)),  # nobody asked for vans
        ([{"name": "CAR"}], [{"name": "car", "score": 0.9}], (2, 100)),
        ([{"occluded": 1}], [{"score": 0.9}], (2, 100)),
        ([{"occluded": 2}], [{"score": 0.9}], (1, 100)),  # too hard: ignored
        ([{"truncated": 0.3}], [{"score": 0.9}], (2, 100)),
        ([{"truncated": 0.31}], [{"score": 0.9}], (1, 100)),
        ([{"rectangle": (0.0, 10.0, 9.0, 35.0)}], [{"score": 0.9}], (2, 100)),  # 25 px are enough
        ([{"rectangle": (0.0, 10.0, 9.0, 34.9)}], [{"score": 0.9}], (1, 100)),
        ([], [{"rectangle": (0.0, 10.0, 9.0, 34.9), "score": 0.9}], (1, 100)),  # a low detection
        ([], [{"rectangle": (0.0, 10.0, 9.0, 35.0), "score": 0.9}], (1, 50)),
        ([{}], [{"rectangle": (0.0, 10.0, 9.0, 20.0), "score": 0.9}], (2, 50)),  # finds nothing
        ([{}], [{"score": 0.9}, {"score": 0.8}], (2, 250 / 3)),  # the second is a false alarm
    ],
)
def test_what_counts_and_what_is_ignored(row, truth, found, wanted) -> None:
    got = counts(row, [row(**one) for one in truth], [row(**one) for one in found])
    assert got == (wanted[0], pytest.approx(wanted[1]))


def test_persons_who_sit_are_ignored_where_pedestrians_are_scored(row) -> None:
    found = [row("Pedestrian", score=0.9)]
    assert counts(row, [row("Person_sitting")], found, "Pedestrian") == (1, pytest.approx(100))
    assert counts(row, [row("Cyclist")], found, "Pedestrian") == (1, pytest.approx(50))


def test_regions_without_annotation_forgive_in_the_image_only(row) -> None:
    alarm = row(score=0.9)
    left, top, right, bottom = alarm.rectangle
    region = row("DontCare", rectangle=(left, top, left + 0.8 * (right - left), bottom))
    narrow = row("DontCare", rectangle=(left, top, left + 0.6 * (right - left), bottom))
    assert counts(row, [region], [alarm], metric="detection") == (1, pytest.approx(100))
    assert counts(row, [narrow], [alarm], metric="detection") == (1, pytest.approx(50))
    spatial: tuple[Metric, ...] = ("detection_ground", "detection_3d")
    for metric in spatial:
        assert counts(row, [region], [alarm], metric=metric) == (1, pytest.approx(50))


def test_overlap_must_exceed_that_of_the_class(row) -> None:
    def all_points(name: str, offset: float, *, loose: bool) -> float | None:
        shifted = row(name, x=offset, rotation_y=0.0, score=0.9)
        frame = frame_of_labels("a", [row(name, rotation_y=0.0)], [shifted])
        scores = evaluate_objects([frame], (name,))
        return scores.metric(name, "detection_3d", loose=loose).levels[0].all_point

    for name, loose, least in (
        ("Car", False, 0.7),
        ("Car", True, 0.5),
        ("Pedestrian", False, 0.5),
        ("Cyclist", True, 0.25),
        ("Forklift", False, 0.5),
    ):
        limit = 4 * (1 - least) / (1 + least)  # of a shift along the length
        assert all_points(name, limit - 0.01, loose=loose) == pytest.approx(100)
        assert all_points(name, limit + 0.01, loose=loose) == 0


def test_orientation_similarity_weighs_precision(row) -> None:
    truth = [row(alpha=0.5)]
    for turn, wanted in ((0.0, 100), (math.pi / 2, 50), (math.pi, 0), (2 * math.pi, 100)):
        frame = frame_of_labels("a", truth, [row(alpha=0.5 + turn, score=0.5)])
        scores = evaluate_objects([frame], ("Car",))
        assert level(scores, "orientation").all_point == pytest.approx(wanted, abs=1e-9)
        assert level(scores, "detection").all_point == pytest.approx(100)


def test_without_images_there_is_one_level(row) -> None:
    def blind(frame: FrameObjects) -> FrameObjects:
        return replace(
            frame,
            truth=replace(frame.truth, image=None),
            detections=replace(frame.detections, image=None),
        )

    seen = perfect(row, 2, 3, occluded=3, rectangle=(0.0, 0.0, 1.0, 1.0))
    assert level(evaluate_objects(seen, ("Car",)), difficulty=2).counted == 0
    scores = evaluate_objects([blind(frame) for frame in seen], ("Car",))
    assert scores.difficulties == ("all",)
    assert level(scores).counted == 6
    assert level(scores).all_point == pytest.approx(100)
    assert not {
        key for key in scores.to_json() if key.startswith(("car_orient", "car_detection_2"))
    }
    assert "car_detection" not in scores.to_json()
    assert scores.note is None
    mixed = evaluate_objects([seen[0], blind(seen[1])], ("Car",))
    assert mixed.difficulties == ("all",)
    assert mixed.warnings()[0] == "1 frames lack image boxes: no difficulties, 2D or orientation"


def test_nothing_found_and_nothing_there(row) -> None:
    missed = evaluate_objects([frame_of_labels("a", [row()], [])], KITTI)
    got = level(missed)
    assert (got.counted, got.ap_r11, got.ap_r40, got.all_point, got.recall) == (1, 0, 0, 0, 0)
    assert got.precision_41 == (0.0,) * 41
    assert level(missed, name="Cyclist").all_point is None
    assert "Cyclist has no objects" in missed.headline()
    empty = evaluate_objects([frame_of_labels("a", [], [row(score=0.5)])], ("Car",))
    got = level(empty)
    assert (got.counted, got.ap_r40, got.all_point, got.interval, got.recall) == (0, *[None] * 4)
    json.dumps(empty.to_json(), allow_nan=False)
    nothing = evaluate_objects([frame_of_labels("a", [], [])], ("Car",))
    json.dumps(nothing.to_json(), allow_nan=False)


def test_intervals_are_those_of_resampled_frames(row) -> None:
    good, bad = perfect(row, 2, 3)
    bad = replace(bad, detections=bad.detections.select(torch.tensor([0])))
    scores = evaluate_objects([good, bad], ("Car",))
    got = level(scores)
    assert got.all_point == pytest.approx(400 / 6)
    assert got.interval == pytest.approx((100 / 3, 100))  # only bad ones, only good ones
    same = level(evaluate_objects([bad] * 5, ("Car",)))
    assert same.interval == pytest.approx((same.all_point, same.all_point))
    many = [good] * 4 + [bad] * 5
    first, again, other = (
        level(evaluate_objects(many, ("Car",), bootstrap_seed=seed)).interval for seed in (1, 1, 2)
    )
    assert first == again
    assert first is not None
    assert other is not None
    middle = level(evaluate_objects(many, ("Car",))).all_point
    assert middle is not None
    assert 100 / 3 <= first[0] < middle < first[1] <= 100
    assert first == pytest.approx(other, abs=5)  # both are of a thousand sets


def test_errors_of_matches_are_detection_minus_truth(row) -> None:
    truth = [row(x=0.0, rotation_y=0.2), row(x=9.0, rotation_y=3.1), row(x=-9.0)]
    found = [
        row(x=0.1, size=(1.6, 1.5, 4.2), location=(0.1, 1.5, 20.0), rotation_y=0.15, score=0.9),
        row(x=9.1, location=(9.1, 1.4, 20.0), rotation_y=3.05 - math.pi, score=0.8),
    ]
    scores = evaluate_objects([frame_of_labels("a", truth, found)], ("Car",))
    (errors,) = scores.errors
    got = errors.levels[1]
    assert got.count == 2
    assert got.distance == pytest.approx(0.1)
    assert got.z == pytest.approx((0.15 + 0.2) / 2)  # y is down, to the bottom of the box
    assert (got.length, got.width, got.height) == pytest.approx((0.1, -0.05, 0.05))
    assert got.yaw == pytest.approx(math.degrees(0.05))  # rotation_y turns the other way
    assert got.turned == 0.5
    assert 0.5 < got.iou < got.bev_iou < 1
    plain = scores.to_json()["car_matches"]
    assert plain["moderate"]["bias_z_m"] == got.z
    assert plain["overlap_bev"] == 0.5


def test_progress_and_mistakes(row) -> None:
    frames, calls = perfect(row, 1, 1), []
    evaluate_objects(frames, ("Car", "Van"), lambda done, total: calls.append((done, total)))
    assert calls == [(i, 10) for i in range(1, 11)]
    for wrong in ((), ("Car", "car")):
        with pytest.raises(ValueError, match=r"frames and different classes expected"):
            evaluate_objects(frames, wrong)
    with pytest.raises(ValueError, match=r"frames and different classes expected"):
        evaluate_objects([], ("Car",))
    with pytest.raises(KeyError, match=r"no scores of Boat"):
        evaluate_objects(frames, ("Car",)).metric("Boat", "detection")
