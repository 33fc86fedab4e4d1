"""The sweep down the scores against matching anew at every threshold, object by object."""

import math
import random

import pytest
import torch

from sparse3d.detect.scores.curve import make_curve
from sparse3d.detect.scores.frames import FrameObjects, frame_of_labels
from sparse3d.detect.scores.matching import Changes, match
from sparse3d.detect.scores.rules import KITTI_LEVELS, Level, detection_states, truth_states
from sparse3d.detect.scores.table import make_table

OVERLAP = 0.3  # low, so that objects compete
CLASSES = ("Car", "Car", "Car", "Van", "Pedestrian")


def crowded_frame(seed: int, row) -> FrameObjects:
    """Rectangles in a heap: several of each overlap each other, scores are often equal."""
    rng = random.Random(seed)

    def one(score: float | None):
        left, top = rng.uniform(0, 50), rng.uniform(0, 10)
        width, height = rng.uniform(40, 60), rng.choice([24.7, 25.0, 39.5, 40.0, *[50.0] * 4])
        return row(
            rng.choice(CLASSES),
            rectangle=(left, top, left + width, top + height),
            occluded=rng.choice([0, 0, 0, 0, 1, 2, 3]),
            truncated=rng.choice([0.0, 0.0, 0.0, 0.3, 0.6]),
            alpha=rng.uniform(-3, 3),
            score=score,
        )

    truth = [one(None) for _ in range(rng.randint(0, 6))]
    regions = [row("DontCare", rectangle=(0.0, 0.0, 40.0, 60.0))] if seed % 3 == 0 else []
    found = [one(rng.choice([0.1, 0.3, 0.5, 0.7, 0.71])) for _ in range(rng.randint(0, 9))]
    return frame_of_labels(str(seed), [*truth, *regions], found)


def overlap(a: list[float], b: list[float], *, of_first: bool = False) -> float:
    width, height = (min(a[i + 2], b[i + 2]) - max(a[i], b[i]) for i in (0, 1))
    if width <= 0 or height <= 0:
        return 0.0
    one, other = ((r[2] - r[0]) * (r[3] - r[1]) for r in (a, b))
    return width * height / (one if of_first else one + other - width * height)


def state(name: str, hard: bool, low: bool, *, detection: bool) -> int:
    if detection:
        return 1 if low else 0 if name == "Car" else -1
    if name == "Car":
        return 1 if hard or low else 0
    return 1 if name == "Van" else -1


class Plain:
    """One frame as the benchmark's rules tell it, in plain loops."""

    def __init__(self, frame: FrameObjects, level: Level) -> None:
        truth, found = frame.truth.image, frame.detections.image
        assert truth is not None
        assert found is not None
        self.truth, self.found = truth.rectangles.tolist(), found.rectangles.tolist()
        self.truth_alphas, self.alphas = truth.alphas.tolist(), found.alphas.tolist()
        scores = frame.detections.scores
        self.scores = [] if scores is None else scores.tolist()
        self.regions = frame.dont_care.tolist()
        hard = [
            o > level.max_occlusion or t > level.max_truncation
            for o, t in zip(truth.occlusions.tolist(), truth.truncations.tolist(), strict=True)
        ]
        self.truth_states = [
            state(name, is_hard, r[3] - r[1] < level.min_height, detection=False)
            for name, is_hard, r in zip(frame.truth.names, hard, self.truth, strict=True)
        ]
        self.states = [
            state(name, False, int(r[3] - r[1]) < level.min_height, detection=True)
            for name, r in zip(frame.detections.names, self.found, strict=True)
        ]

    def rivals(self, i: int, taken: set[int], least: float) -> list[tuple[int, float]]:
        """Detections that an annotation may take, and their overlaps."""
        if self.truth_states[i] == -1:
            return []
        return [
            (j, overlap(other, self.truth[i]))
            for j, other in enumerate(self.found)
            if self.states[j] != -1
            and j not in taken
            and self.scores[j] >= least
            and overlap(other, self.truth[i]) > OVERLAP
        ]

    def found_scores(self) -> list[float]:
        """Of the matching by score."""
        taken: set[int] = set()
        result = []
        for i in range(len(self.truth)):
            best, best_score = -1, -1.0
            for j, _ in self.rivals(i, taken, 0.0):
                if self.scores[j] > best_score:
                    best, best_score = j, self.scores[j]
            taken.add(best)
            if best >= 0 and self.truth_states[i] == self.states[best] == 0:
                result.append(best_score)
        return result

    def matched(self, least: float) -> dict[int, int]:
        """Detection by annotation, of the matching by overlap."""
        result: dict[int, int] = {}
        for i in range(len(self.truth)):
            best, largest, is_spare = -1, 0.0, False
            for j, value in self.rivals(i, set(result.values()), least):
                if self.states[j] == 0 and (value > largest or is_spare):
                    best, largest, is_spare = j, value, False
                elif self.states[j] == 1 and best < 0:
                    best, is_spare = j, True
            if best >= 0:
                result[i] = best
        return result

    def counts(self, least: float) -> tuple[float, float, float]:
        """Right detections, false alarms, orientation similarity."""
        pairs = self.matched(least)
        right = [(i, j) for i, j in pairs.items() if self.truth_states[i] == self.states[j] == 0]
        turns = [self.truth_alphas[i] - self.alphas[j] for i, j in right]
        alarms = [
            rectangle
            for j, rectangle in enumerate(self.found)
            if self.states[j] == 0 and j not in pairs.values() and self.scores[j] >= least
        ]
        blamed = [
            rectangle
            for rectangle in alarms
            if not any(overlap(rectangle, r, of_first=True) > OVERLAP for r in self.regions)
        ]
        return len(right), len(blamed), sum((1 + math.cos(turn)) / 2 for turn in turns)


def swept(frames: list[FrameObjects], level: Level) -> Changes:
    table = make_table(frames, images=True)
    return match(
        table,
        table.pairs.image,
        OVERLAP,
        truth_states(table.truth, "Car", level),
        detection_states(table.detections, "Car", level),
        table.uncared > OVERLAP,
    )


@pytest.mark.parametrize("level", KITTI_LEVELS, ids=lambda level: level.name)
def test_one_sweep_equals_matching_at_every_threshold(row, level: Level) -> None:
    frames = [crowded_frame(seed, row) for seed in range(100)]
    changes, plain = swept(frames, level), [Plain(frame, level) for frame in frames]
    curve = make_curve(changes, 1)
    assert len(curve.scores) == 5  # and every score stands there once
    for score, counts in zip(curve.scores.tolist(), curve.counts.tolist(), strict=True):
        wanted = [sum(column) for column in zip(*(p.counts(score) for p in plain), strict=True)]
        assert counts == pytest.approx(wanted, abs=1e-5)
    assert curve.counts[-1, :2].min() > 10  # right ones and false alarms: not an empty contest
    found = sorted(score for p in plain for score in p.found_scores())
    assert sorted(changes.found_scores.tolist()) == found


def test_matches_are_those_that_count_at_the_lowest_threshold(row) -> None:
    frames = [crowded_frame(seed, row) for seed in range(100)]
    changes = swept(frames, KITTI_LEVELS[1])
    right = make_curve(changes, 1).counts[-1, 0]
    assert len(changes.matched_truth) == right > 15
    assert len(set(changes.matched_truth.tolist())) == right
    assert len(set(changes.matched_detections.tolist())) == right


def test_changes_belong_to_their_frames(row) -> None:
    frames = [crowded_frame(seed, row) for seed in range(12)]
    together = swept(frames, KITTI_LEVELS[2])
    for number, frame in enumerate(frames):
        wanted = swept([frame], KITTI_LEVELS[2]).counts.sum(0)
        assert torch.allclose(together.counts[together.frames == number].sum(0), wanted)
