"""Score the result files of any detector."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from rich import box
from rich.console import Console
from rich.table import Table

from sparse3d.cli.arguments import parse
from sparse3d.cli.results import write_json
from sparse3d.errors import ConfigError

if TYPE_CHECKING:  # which imports torch
    from sparse3d.detect.scores.frames import FrameObjects
    from sparse3d.detect.scores.result import DetectionScores, MetricScore

__all__ = ["Arguments", "main"]

_KITTI = ("Car", "Pedestrian", "Cyclist")
_METRICS = {
    "detection": "2D",
    "orientation": "AOS",
    "detection_ground": "BEV",
    "detection_3d": "3D",
}


@dataclass(frozen=True)
class Arguments:
    """Score the result files of any detector: average precision, 2D, AOS, BEV and 3D."""

    labels: Path
    """Folder of label files."""
    detections: Path
    """Folder of result files, named as the label files; a frame without one has no detections."""
    frames: Path | None = None
    """List of the frames that count, such as ImageSets/val.txt; by default all of --labels."""
    metric: Literal["kitti"] = "kitti"
    """Whose files and rules they are."""
    classes: tuple[str, ...] | None = None
    """Classes to score; by default Car, Pedestrian and Cyclist."""
    json: Path | None = None
    """Write the scores to this file, too (``-``: print them in place of the tables)."""


def main(arguments: Sequence[str]) -> int:
    """Run ``sparse3d eval-files``."""
    given = parse(Arguments, "eval-files", arguments)
    from sparse3d.detect.scores import evaluate_objects, frames_of_files
    from sparse3d.detect.scores.files import results_missing
    from sparse3d.train.progress import showing

    frames = frames_of_files(given.labels, given.detections, given.frames)
    classes = _classes(frames, given.classes, given.labels)
    missing = results_missing(given.labels, given.detections, given.frames)
    if missing:
        print(
            f"warning: {missing} of {len(frames)} label files have no result file; all their"
            " objects count as missed (--frames LIST leaves frames out)",
            file=sys.stderr,
        )
    with showing("scoring") as progress:
        scores = evaluate_objects(frames, classes, progress.show)
    if given.json is not None:
        write_json(given.json, scores.to_json())
    if given.json != Path("-"):
        _print(scores)
    return 0


def _classes(
    frames: Sequence["FrameObjects"], given: tuple[str, ...] | None, labels: Path
) -> tuple[str, ...]:
    """The classes to score: those that were asked for must be there, of the usual ones some."""
    names = sorted({name for frame in frames for name in frame.truth.names})
    known = {name.lower() for name in names}
    there = f"the label files in {labels} have {', '.join(names) or 'no objects'}"
    if given is None:
        if not any(name.lower() in known for name in _KITTI):
            raise ConfigError(f"{there}: say with --classes which to score")
        return _KITTI
    for name in given:
        if name.lower() not in known:
            raise ConfigError(f"--classes: there is no {name}; {there}")
    if not given or len({name.lower() for name in given}) < len(given):
        raise ConfigError(f"--classes: different names expected, got {' '.join(given) or 'none'}")
    return given


def _print(scores: "DetectionScores") -> None:
    console = Console()
    for name in scores.classes:
        console.print(_table(scores, name))
    console.print(f"AP in percent at {' / '.join(scores.difficulties)}, {scores.frames} frames")
    for warning in scores.warnings():
        console.print(f"[yellow]warning:[/] {warning}")


def _table(scores: "DetectionScores", name: str) -> Table:
    from sparse3d.detect.scores.result import ENOUGH

    rows = [one for one in scores.metrics if one.name == name]
    counts = [level.counted for level in rows[0].levels]
    table = Table(
        title=f"{name} ({' / '.join(map(str, counts))} objects)",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    few = min(counts) < ENOUGH
    for column in ("metric, IoU", "R40", "R11", *(["all-point"] if few else [])):
        table.add_column(column, justify="left" if column.startswith("metric") else "center")
    for one in rows:
        table.add_row(*_row(one, all_point=few))
    return table


def _row(one: "MetricScore", *, all_point: bool) -> list[str]:
    columns = [[level.ap_r40 for level in one.levels], [level.ap_r11 for level in one.levels]]
    if all_point:
        columns.append([level.all_point for level in one.levels])
    texts = [" ".join("     -" if v is None else f"{v:6.2f}" for v in column) for column in columns]
    return [f"{_METRICS[one.metric]:<3} {one.overlap:.2f}", *texts]
