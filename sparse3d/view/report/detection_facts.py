"""The numbers of a detector's run, read from its ``metrics.json`` and checked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sparse3d.scene.formats.json_fields import Fields, read_json

__all__ = ["DetectionFacts", "Precision", "read_detection_facts"]


@dataclass(frozen=True, slots=True)
class Precision:
    """How well the objects of one class were found, by one overlap; None where unknown."""

    name: str
    """Class."""
    metric: str
    """``BEV`` or ``3D``."""
    overlap: float
    """Least intersection over union."""
    average: float | None
    """All-point average precision, per cent."""
    interval: tuple[float, float] | None
    """Of the average precision, by drawing frames anew, per cent."""
    recall: float | None
    """At one false alarm a frame, per cent."""
    counted: int
    """Objects that count."""


@dataclass(frozen=True, slots=True)
class DetectionFacts:
    """A run in numbers; None where there is no value."""

    level: str
    """The difficulty that is told of, ``all`` where there are none."""
    strict: tuple[Precision, ...]
    """By class, from above and in space, at the overlap of the benchmark."""
    loose: tuple[Precision, ...]
    """The same at a lower overlap, rows correspond."""
    warnings: tuple[str, ...]
    """Sentences."""
    frames: int | None
    """That were held out."""
    iterations: int | None
    seconds: float | None
    """Of the training."""
    seconds_per_iteration: float | None
    step_seconds: Mapping[str, float]
    """Where the time of a step went, in the order of the step."""


_METRICS = {"detection_ground": "BEV", "detection_3d": "3D"}


def read_detection_facts(path: Path, classes: Sequence[str]) -> DetectionFacts:
    """Read ``metrics.json`` of a detector.

    Args:
        path: The file.
        classes: Names of the classes that were to be detected.

    Raises:
        DataError: If it is missing, does not parse or does not hold the scores of these classes.
    """
    metrics = read_json(path)
    levels = [str(level) for level in metrics.items("difficulties")]
    if not levels:
        raise metrics.error("the metrics of a detector expected, but difficulties is missing")
    level = min(1, len(levels) - 1)
    keys = [(name, metric) for name in classes for metric in _METRICS]
    seconds = _object(metrics, "step_seconds") if metrics.values.get("step_seconds") else None
    return DetectionFacts(
        level=levels[level],
        strict=tuple(_precision(metrics, *key, "", level) for key in keys),
        loose=tuple(_precision(metrics, *key, _loose_suffix(metrics, *key), level) for key in keys),
        warnings=tuple(str(text) for text in metrics.items("warnings")),
        frames=metrics.count("frames"),
        iterations=metrics.count("iterations"),
        seconds=metrics.number("seconds"),
        seconds_per_iteration=metrics.number("seconds_per_iteration"),
        step_seconds={key: seconds.number(key) or 0.0 for key in seconds.values} if seconds else {},
    )


def _loose_suffix(metrics: Fields, name: str, metric: str) -> str:
    """Such as ``_0.50``: what follows the key of the benchmark's overlap."""
    key = f"{name.lower()}_{metric}"
    suffixes = [k[len(key) :] for k in metrics.values if k.startswith(f"{key}_0.")]
    if len(suffixes) != 1:
        raise metrics.error(f"{key} expected at one looser overlap, got {len(suffixes)}")
    return suffixes[0]


def _precision(metrics: Fields, name: str, metric: str, suffix: str, level: int) -> Precision:
    fields = _object(metrics, f"{name.lower()}_{metric}{suffix}")
    interval = _at(fields, "AP_all_point_interval", level)
    ends = Fields(fields.source, {}, fields.where)
    if isinstance(interval, list) and len(interval) == 2:
        ends = Fields(fields.source, dict(zip(("low", "high"), interval, strict=True)), ends.where)
    low, high = ends.number("low"), ends.number("high")
    recall = _number(fields, "recall_at_one_false_alarm_a_frame", level)
    return Precision(
        name=name,
        metric=_METRICS[metric],
        overlap=fields.number("overlap") or 0.0,
        average=_number(fields, "AP_all_point", level),
        interval=None if low is None or high is None else (low, high),
        recall=None if recall is None else 100 * recall,
        counted=round(_number(fields, "counted", level) or 0),
    )


def _number(fields: Fields, key: str, level: int) -> float | None:
    return Fields(fields.source, {key: _at(fields, key, level)}, fields.where).number(key)


def _at(fields: Fields, key: str, level: int) -> object:
    values = fields.items(key)
    if len(values) <= level:
        raise fields.error(f"{key} must have a value for each difficulty, got {values}")
    return values[level]


def _object(metrics: Fields, key: str) -> Fields:
    value = metrics.values.get(key)
    if not isinstance(value, dict):
        raise metrics.error(f"an object {key} expected")
    return Fields(metrics.source, value, key)
