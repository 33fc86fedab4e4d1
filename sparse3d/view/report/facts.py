"""The numbers of a run, read from its ``metrics.json`` and checked."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sparse3d.scene.formats.json_fields import Fields, read_json

__all__ = ["Facts", "Scores", "read_facts"]


@dataclass(frozen=True, slots=True)
class Scores:
    """How well one held-out view was met; None where there is no value."""

    name: str
    """Name of its camera."""
    psnr: float | None
    """dB."""
    ssim: float | None
    lpips: float | None


@dataclass(frozen=True, slots=True)
class Facts:
    """A run in numbers; None where there is no value."""

    train_views: tuple[str, ...]
    """Names of cameras."""
    mean: Scores
    """Over all held-out views."""
    per_view: tuple[Scores, ...]
    """In the order of the evaluation."""
    gaussians: int | None
    iterations: int | None
    seconds: float | None
    """Of the training."""
    seconds_per_iteration: float | None
    step_seconds: Mapping[str, float]
    """Where the time of a step went, in the order of the step."""


def read_facts(path: Path) -> Facts:
    """Read ``metrics.json`` of a reconstruction.

    Raises:
        DataError: If it is missing, does not parse or does not hold views and numbers.
    """
    metrics = read_json(path)
    views = [_object(metrics, value, f"view {i}") for i, value in enumerate(_list(metrics))]
    split = metrics.values.get("step_seconds")
    seconds = _object(metrics, {} if split is None else split, "step_seconds")
    return Facts(
        train_views=tuple(str(name) for name in metrics.items("train_views")),
        mean=_scores(metrics, "mean"),
        per_view=tuple(_scores(view, view.text("name")) for view in views),
        gaussians=metrics.count("gaussians"),
        iterations=metrics.count("iterations"),
        seconds=metrics.number("seconds"),
        seconds_per_iteration=metrics.number("seconds_per_iteration"),
        step_seconds={name: seconds.number(name) or 0.0 for name in seconds.values},
    )


def _list(metrics: Fields) -> list[object]:
    if "per_view" not in metrics.values:
        raise metrics.error("the metrics of a reconstruction expected, but per_view is missing")
    return metrics.items("per_view")


def _object(metrics: Fields, value: object, where: str) -> Fields:
    if not isinstance(value, dict):
        raise metrics.error(f"{where} must be an object")
    return Fields(metrics.source, value, where)


def _scores(fields: Fields, name: str | None) -> Scores:
    if name is None:
        raise fields.error("name is missing")
    numbers = (fields.number(key) for key in ("psnr", "ssim", "lpips"))
    return Scores(name, *numbers)
