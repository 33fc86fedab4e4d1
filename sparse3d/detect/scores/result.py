"""The scores of a set of frames, as numbers, as plain data and in a line."""

from dataclasses import dataclass
from typing import Any, Literal

from sparse3d.detect.scores.errors import MatchErrors

__all__ = ["ENOUGH", "ClassErrors", "DetectionScores", "LevelScore", "Metric", "MetricScore"]

Metric = Literal["detection", "orientation", "detection_ground", "detection_3d"]
"""2D, orientation similarity, BEV and 3D, under the names of KITTI's program."""

ENOUGH = 100
"""With fewer objects that count, the official AP says little, and other numbers stand beside it."""


@dataclass(frozen=True, slots=True)
class LevelScore:
    """One class, metric and difficulty; None where no object counts."""

    counted: int
    """Objects that count."""
    ap_r11: float | None
    """Official average precision over 11 recall points, percent."""
    ap_r40: float | None
    """Official average precision over 40 recall points, percent."""
    precision_41: tuple[float, ...]
    """The curve that both are sampled from, 0 to 1."""
    all_point: float | None
    """Area under the curve of all detections, percent."""
    interval: tuple[float, float] | None
    """95 % interval of ``all_point`` over resampled frames, where few objects count."""
    recall: float | None
    """Share of objects found at one false alarm a frame."""


@dataclass(frozen=True, slots=True)
class MetricScore:
    """One class and metric at one overlap."""

    name: str
    """The class."""
    metric: Metric
    """What is compared."""
    overlap: float
    """What the intersection over union must exceed."""
    loose: bool
    """Whether the overlap is less strict than the benchmark's."""
    levels: tuple[LevelScore, ...]
    """By difficulty."""

    @property
    def key(self) -> str:
        """Name in plain data, such as ``car_detection_3d`` and ``car_detection_3d_0.50``."""
        official = f"{self.name.lower()}_{self.metric}"
        return f"{official}_{self.overlap:.2f}" if self.loose else official

    def to_json(self) -> dict[str, Any]:
        """Columns by difficulty."""
        return {
            "AP_R11": [level.ap_r11 for level in self.levels],
            "AP_R40": [level.ap_r40 for level in self.levels],
            "precision_41": [list(level.precision_41) for level in self.levels],
            "AP_all_point": [level.all_point for level in self.levels],
            "AP_all_point_interval": [
                None if level.interval is None else list(level.interval) for level in self.levels
            ],
            "recall_at_one_false_alarm_a_frame": [level.recall for level in self.levels],
            "counted": [level.counted for level in self.levels],
            "overlap": self.overlap,
        }


@dataclass(frozen=True, slots=True)
class ClassErrors:
    """Errors of the matches of one class, by difficulty."""

    name: str
    """The class."""
    overlap: float
    """What the BEV intersection over union of a match exceeds."""
    levels: tuple[MatchErrors, ...]
    """By difficulty."""


@dataclass(frozen=True, slots=True)
class DetectionScores:
    """Average precision and what belongs to it, of all classes."""

    classes: tuple[str, ...]
    """As they were asked for."""
    difficulties: tuple[str, ...]
    """``easy``, ``moderate``, ``hard``; or ``all`` where no image is known."""
    frames: int
    """Number of frames compared."""
    metrics: tuple[MetricScore, ...]
    """By class, then metric."""
    errors: tuple[ClassErrors, ...]
    """By class."""
    note: str | None = None
    """What could not be scored, and why."""

    def metric(self, name: str, metric: Metric, *, loose: bool = False) -> MetricScore:
        """The scores of one class and metric.

        Raises:
            KeyError: If they were not worked out.
        """
        for one in self.metrics:
            if (one.name.lower(), one.metric, one.loose) == (name.lower(), metric, loose):
                return one
        raise KeyError(f"no scores of {name} {metric}")

    @property
    def main_level(self) -> int:
        """Number of the difficulty that headlines are about: moderate, or all."""
        return min(1, len(self.difficulties) - 1)

    def warnings(self) -> tuple[str, ...]:
        """What to know before the numbers are believed."""
        few = []
        for name in self.classes:
            counts = [level.counted for level in self.metric(name, "detection_3d").levels]
            if min(counts) < ENOUGH:
                few.append(f"{name} {'/'.join(map(str, counts))}")
        notes = [] if self.note is None else [self.note]
        if few:
            notes.append(
                f"fewer than {ENOUGH} objects count ({', '.join(few)} {'/'.join(self.difficulties)}"
                "): R11 and R40 fill at most one of 41 slots an object, so that even a perfect"
                " detector on 12 objects gets 27.5; compare the all-point AP"
            )
        return tuple(notes)

    def to_json(self) -> dict[str, Any]:
        """Plain data, under the names of KITTI's program where it has one."""
        official = [one for one in self.metrics if one.metric == "detection_3d" and not one.loose]
        return {
            "frames": self.frames,
            "difficulties": list(self.difficulties),
            "min_overlap": {one.name.lower(): one.overlap for one in official},
            "warnings": list(self.warnings()),
            **{one.key: one.to_json() for one in self.metrics},
            **{
                f"{one.name.lower()}_matches": {
                    "overlap_bev": one.overlap,
                    **{
                        difficulty: level.to_json()
                        for difficulty, level in zip(self.difficulties, one.levels, strict=True)
                    },
                }
                for one in self.errors
            },
        }

    def headline(self) -> str:
        """One line: 3D AP of each class, and the warnings."""
        difficulty = self.difficulties[self.main_level]
        parts = ", ".join(self._part(name) for name in self.classes)
        text = f"3D AP ({difficulty}) of {self.frames} frames: {parts}"
        return "; ".join((text, *self.warnings()))

    def _part(self, name: str) -> str:
        level = self.metric(name, "detection_3d").levels[self.main_level]
        if level.all_point is None or level.ap_r40 is None:
            return f"{name} has no objects"
        if level.counted >= ENOUGH:
            return f"{name} {level.ap_r40:.2f} (R40)"
        return f"{name} {level.all_point:.2f} (all-point, {level.counted} objects)"
