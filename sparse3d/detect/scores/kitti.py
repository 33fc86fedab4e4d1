"""Scores of detections by the rules of the KITTI object benchmark."""

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float64, Int8, Int64
from torch import Tensor

from sparse3d.detect.scores.curve import (
    Curve,
    bootstrap_interval,
    make_curve,
    official_thresholds,
)
from sparse3d.detect.scores.errors import match_errors
from sparse3d.detect.scores.frames import FrameObjects
from sparse3d.detect.scores.matching import Changes, match
from sparse3d.detect.scores.result import (
    ENOUGH,
    ClassErrors,
    DetectionScores,
    LevelScore,
    Metric,
    MetricScore,
)
from sparse3d.detect.scores.rules import (
    ALL,
    COUNTS,
    KITTI_LEVELS,
    Level,
    detection_states,
    loose_overlap,
    min_overlap,
    truth_states,
)
from sparse3d.detect.scores.table import Table, make_table

__all__ = ["evaluate_objects"]


def evaluate_objects(
    frames: Iterable[FrameObjects],
    classes: Sequence[str],
    on_progress: Callable[[int, int], None] | None = None,
    bootstrap_seed: int = 0,
    ignored: Collection[str] = (),
) -> DetectionScores:
    """Score detections: 2D, orientation, BEV and 3D, by class and difficulty.

    Where all boxes of all frames say how they appear in an image, the difficulties are KITTI's and
    the numbers those of its program. Else there are BEV and 3D only, in which all objects count.

    Args:
        frames: Annotations and detections.
        classes: Names of the classes to score, in any case. Objects of other classes are neither
            right nor wrong; vans (persons sitting) are ignored when cars (pedestrians) are scored.
        on_progress: Called with the number of curves done and in all.
        bootstrap_seed: Of the intervals.
        ignored: Classes that are neither right nor wrong where a detection lies on them; only where
            no image is known, as KITTI's program has rules of its own.

    Raises:
        ValueError: If there is no frame or class, or a class is named twice.
    """
    gathered = tuple(frames)
    if not gathered or not classes or len({name.lower() for name in classes}) < len(classes):
        raise ValueError(f"frames and different classes expected, got {classes}")
    known = [frame.has_image for frame in gathered if frame.has_image is not None]
    images = bool(known) and all(known)
    levels = KITTI_LEVELS if images else (ALL,)
    table = make_table(gathered, images=images)
    left_out = () if images else tuple(ignored)
    wanted = [_Wanted(name, *kind, left_out) for name in classes for kind in _kinds(name, images)]
    metrics: list[MetricScore] = []
    for done, one in enumerate(wanted, 1):
        metrics += _score(table, one, levels, bootstrap_seed)
        if on_progress is not None:
            on_progress(done, len(wanted))
    note = None
    if any(known) and not images:
        note = f"{known.count(False)} frames lack image boxes: no difficulties, 2D or orientation"
    return DetectionScores(
        tuple(classes),
        tuple(level.name for level in levels),
        len(gathered),
        tuple(metrics),
        tuple(_errors(table, name, levels) for name in classes),
        note,
    )


class _Wanted(NamedTuple):
    name: str
    metric: Metric
    overlap: float
    loose: bool
    ignored: tuple[str, ...]


def _kinds(name: str, images: bool) -> tuple[tuple[Metric, float, bool], ...]:
    strict, loose = min_overlap(name), loose_overlap(name)
    boxes: tuple[tuple[Metric, float, bool], ...] = (
        ("detection_ground", strict, False),
        ("detection_3d", strict, False),
        ("detection_ground", loose, True),
        ("detection_3d", loose, True),
    )
    return (("detection", strict, False), *boxes) if images else boxes


class _Matched(NamedTuple):
    changes: Changes
    counted: Int64[Tensor, " f"]
    """Objects that count, by frame."""


def _match(table: Table, wanted: _Wanted, level: Level) -> _Matched:
    truth = truth_states(table.truth, wanted.name, level, wanted.ignored)
    detections = detection_states(table.detections, wanted.name, level)
    uncared = table.uncared > wanted.overlap
    if wanted.metric != "detection":
        uncared = torch.zeros_like(uncared)  # regions without annotation have no place in space
    overlaps = _overlaps(table, wanted.metric)
    changes = match(table, overlaps, wanted.overlap, truth, detections, uncared)
    return _Matched(changes, _counted(table, truth))


def _overlaps(table: Table, metric: Metric) -> Float64[Tensor, " p"]:
    if metric == "detection":
        return table.pairs.image
    return table.pairs.bev if metric == "detection_ground" else table.pairs.space


def _counted(table: Table, states: Int8[Tensor, " n"]) -> Int64[Tensor, " f"]:
    return torch.bincount(table.truth.frames[states == COUNTS], minlength=table.frame_count)


def _score(table: Table, wanted: _Wanted, levels: Sequence[Level], seed: int) -> list[MetricScore]:
    """Scores of one metric; those of the orientation come with the 2D ones."""
    matched = [_match(table, wanted, level) for level in levels]
    scores = [MetricScore(*wanted[:4], tuple(_level_score(one, seed) for one in matched))]
    if wanted.metric == "detection":
        turned = tuple(_level_score(one, None, column=2) for one in matched)
        scores.append(MetricScore(wanted.name, "orientation", wanted.overlap, False, turned))
    return scores


def _level_score(matched: _Matched, seed: int | None, column: int = 0) -> LevelScore:
    """Scores of one curve; no interval without a seed."""
    counted = int(matched.counted.sum())
    curve = make_curve(matched.changes, counted)
    sampled = curve.sampled(official_thresholds(matched.changes.found_scores, counted), column)
    interval = None
    if seed is not None and counted < ENOUGH:
        interval = bootstrap_interval(matched.changes, matched.counted, seed)
    return LevelScore(
        counted,
        _mean(sampled[::4], curve),
        _mean(sampled[1:], curve),
        tuple(sampled.tolist()),
        curve.all_point(column),
        interval,
        curve.recall_at(len(matched.counted)),
    )


def _mean(precision: Float64[Tensor, " k"], curve: Curve) -> float | None:
    return 100 * float(precision.mean()) if curve.counted else None


def _errors(table: Table, name: str, levels: Sequence[Level]) -> ClassErrors:
    """Of the matches at the loose overlap, seen from above."""
    wanted = _Wanted(name, "detection_ground", loose_overlap(name), True, ())
    matched = [_match(table, wanted, level).changes for level in levels]
    errors = [match_errors(table, one.matched_truth, one.matched_detections) for one in matched]
    return ClassErrors(name, wanted.overlap, tuple(errors))
