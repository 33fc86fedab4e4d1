"""Name every point of scenes and sweeps with a trained run."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import tyro

from sparse3d.cli.arguments import parse
from sparse3d.cli.sweeps import frames_with_points
from sparse3d.errors import ConfigError, DataError
from sparse3d.segment.config import SegmentConfig

if TYPE_CHECKING:
    from sparse3d.segment.segmenter import Segmenter
    from sparse3d.train.run import Run

__all__ = ["Arguments", "SegmentSummary", "main", "segment_into"]


@dataclass(frozen=True)
class Arguments:
    """Name every point with the newest checkpoint of a run; its training data is not needed."""

    run: tyro.conf.Positional[Path]
    """Folder of the run."""
    paths: tyro.conf.Positional[tuple[Path, ...]]
    """Scenes, data sets, folders of clouds, or single sweeps."""
    out: Path
    """Folder for sequences/XX/predictions/*.label (SemanticKITTI's layout), new or empty."""
    json: Path | None = None
    """Write the counts to this file, too (``-``: print them in place of the text)."""


@dataclass(frozen=True, slots=True)
class SegmentSummary:
    """What was found."""

    counts: dict[str, int]
    """Points by class, in the order of the configuration."""
    unseen: int
    """Points that are not finite or out of range."""
    frames: int
    """Number of frames, each with a file of labels."""
    seconds_per_frame: float
    """Reading a sweep, naming its points and writing the labels."""

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "frames": self.frames,
            "points": sum(self.counts.values()) + self.unseen,
            "per_class": self.counts,
            "unseen": self.unseen,
            "seconds_per_frame": self.seconds_per_frame,
        }

    def headline(self) -> str:
        """One line for people."""
        found = ", ".join(f"{count:,} {name}" for name, count in self.counts.items() if count)
        unseen = f", {self.unseen:,} out of range" if self.unseen else ""
        pace = f"{self.frames} frames ({self.seconds_per_frame:.2f} s a frame)"
        return f"{found or 'no point named'}{unseen} in {pace}"


def main(arguments: Sequence[str]) -> int:
    """Run ``sparse3d segment``."""
    given = parse(Arguments, "segment", arguments)
    from sparse3d.cli.results import write_json
    from sparse3d.train.allocator import keep_freed_memory
    from sparse3d.train.run import Run

    keep_freed_memory()
    summary = segment_into(given.out, Run.open(given.run), given.paths)
    if given.json is not None:
        write_json(given.json, summary.to_json())
    if given.json != Path("-"):
        print(f"{summary.headline()}\n{given.out}: {summary.frames} files of labels")
    return 0


def segment_into(out: Path, run: "Run", paths: Sequence[Path]) -> SegmentSummary:
    """Name the points of every frame and write the labels, whole or not at all.

    Args:
        out: New or empty folder.
        run: Of ``sparse-unet``, with a checkpoint.
        paths: What :func:`~sparse3d.scene.formats.registry.open_scene` opens.

    Raises:
        ConfigError: If the run is of another method, or no path is given.
        DataError: If there is no checkpoint, a path has no frame with points, two frames would
            have the same file, or something cannot be read or written.
    """
    import torch

    from sparse3d.data.segmentation.load import load_sweep
    from sparse3d.scene.atomic import writing
    from sparse3d.segment.results import write_prediction
    from sparse3d.train.progress import showing

    if not paths:
        raise ConfigError("nothing to look at: sparse3d segment RUN PATH... --out DIR")
    segmenter = _segmenter(run)
    names = segmenter.classes.names
    counts = torch.zeros(len(names) + 1, dtype=torch.int64)
    files: set[Path] = set()
    with writing(out) as draft, showing("naming points") as progress:
        work, start = frames_with_points(paths), perf_counter()
        for _, frame in work:
            numbers = segmenter.numbers(load_sweep(frame, segmenter.config.dataset))
            file = write_prediction(draft, frame, segmenter.classes.to_ids(numbers))
            if file in files:
                raise DataError(out / file.relative_to(draft), "two frames would have this file")
            files.add(file)
            counts += torch.bincount(numbers, minlength=len(counts))
            progress.show(len(files), len(work))
        seconds = (perf_counter() - start) / len(work)
    unseen, *named = counts.tolist()
    return SegmentSummary(dict(zip(names, named, strict=True)), unseen, len(work), seconds)


def _segmenter(run: "Run") -> "Segmenter":
    from sparse3d.segment.segmenter import Segmenter
    from sparse3d.segment.task import load_segmenter

    if not isinstance(run.config, SegmentConfig):
        raise ConfigError(f"{run.folder}: is a run of {run.method.name}, which names no points")
    segmenter = Segmenter(run.config)
    load_segmenter(segmenter, run.checkpoints().load(run.method.name).task)
    return segmenter
