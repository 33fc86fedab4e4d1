"""Detect objects with a trained run in scenes and sweeps."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal

import tyro

from sparse3d.cli.arguments import parse
from sparse3d.cli.sweeps import frames_with_points
from sparse3d.detect.config import SecondConfig
from sparse3d.errors import ConfigError

if TYPE_CHECKING:
    from sparse3d.detect.detector import Detector
    from sparse3d.detect.results import DetectedFrame
    from sparse3d.train.run import Run

__all__ = ["Arguments", "DetectionSummary", "detect_into", "main"]


@dataclass(frozen=True)
class Arguments:
    """Detect objects with the newest checkpoint of a run; its training data is not needed."""

    run: tyro.conf.Positional[Path]
    """Folder of the run."""
    paths: tyro.conf.Positional[tuple[Path, ...]]
    """Scenes, data sets, folders of clouds, or single sweeps."""
    out: Path
    """Folder for detections/ (KITTI result files) and scene/, new or empty."""
    json: Path | None = None
    """Write the counts to this file, too (``-``: print them in place of the text)."""
    score_threshold: float | None = None
    """Detections below it are dropped; by default as the run has it."""
    view: Literal["auto", "camera", "all"] | None = None
    """camera: only what the main camera sees; by default as the run has it."""


@dataclass(frozen=True, slots=True)
class DetectionSummary:
    """What was found."""

    counts: dict[str, int]
    """Detections by class, in the order of the configuration."""
    frames: int
    """Number of frames."""
    files: int
    """Number of KITTI result files."""
    seconds_per_frame: float
    """Reading a sweep and detecting in it."""

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "frames": self.frames,
            "detections": sum(self.counts.values()),
            "per_class": self.counts,
            "seconds_per_frame": self.seconds_per_frame,
            "kitti_files": self.files,
        }

    def headline(self) -> str:
        """One line for people."""
        found = ", ".join(f"{count} {name}" for name, count in self.counts.items())
        return f"{found} in {self.frames} frames ({self.seconds_per_frame:.2f} s a frame)"

    def places(self, out: Path) -> str:
        """One line on what was written."""
        if self.files == 0:
            return f"{out}: scene/; no KITTI files, as no frame has an undistorted camera"
        left = self.frames - self.files
        missing = f" ({left} of {self.frames} frames have no undistorted camera)" if left else ""
        return f"{out}: scene/, {self.files} KITTI files in detections/{missing}"


def main(arguments: Sequence[str]) -> int:
    """Run ``sparse3d detect``."""
    given = parse(Arguments, "detect", arguments)
    from sparse3d.cli.results import write_json
    from sparse3d.train.allocator import keep_freed_memory
    from sparse3d.train.run import Run

    keep_freed_memory()
    run = Run.open(given.run)
    summary = detect_into(given.out, run, given.paths, given.score_threshold, given.view)
    if given.json is not None:
        write_json(given.json, summary.to_json())
    if given.json != Path("-"):
        print(f"{summary.headline()}\n{summary.places(given.out)}")
    return 0


def detect_into(
    out: Path,
    run: "Run",
    paths: Sequence[Path],
    score_threshold: float | None = None,
    view: Literal["auto", "camera", "all"] | None = None,
) -> DetectionSummary:
    """Detect in every frame with points and write the results, whole or not at all.

    Args:
        out: New or empty folder.
        run: Of a detector, with a checkpoint.
        paths: What :func:`~sparse3d.scene.formats.registry.open_scene` opens.
        score_threshold: In place of that of the run.
        view: In place of that of the run.

    Raises:
        ConfigError: If the run is none of a detector, no path is given, or a value is out of range.
        DataError: If there is no checkpoint, a path has no frame with points, two frames have the
            same name, or something cannot be read or written.
    """
    from sparse3d.data.detection.load import resolve_view
    from sparse3d.detect.results import DetectedFrame, write_results
    from sparse3d.scene.atomic import writing
    from sparse3d.train.progress import showing

    if not paths:
        raise ConfigError("nothing to look at: sparse3d detect RUN PATH... --out DIR")
    with writing(out) as draft:
        detector = _detector(run, score_threshold, view)
        work = frames_with_points(paths)
        found: list[DetectedFrame] = []
        start = perf_counter()
        with showing("detecting") as progress:
            for scene, frame in work:
                seen = resolve_view(scene, detector.config.dataset)
                found.append(DetectedFrame(frame, detector.detect(frame, seen)))
                progress.show(len(found), len(work))
        seconds = (perf_counter() - start) / len(work)
        files = write_results(draft, out.resolve().name, found)
    return DetectionSummary(_counts(found, detector), len(found), files, seconds)


def _detector(
    run: "Run", threshold: float | None, view: Literal["auto", "camera", "all"] | None
) -> "Detector":
    from sparse3d.detect.detector import Detector
    from sparse3d.detect.task import load_detector

    config = run.config
    if not isinstance(config, SecondConfig):
        raise ConfigError(f"{run.folder}: is a run of {run.method.name}, which detects no objects")
    if threshold is not None:
        config = replace(config, decode=replace(config.decode, score_threshold=threshold))
    if view is not None:
        config = replace(config, dataset=replace(config.dataset, view=view))
    detector = Detector(config)
    load_detector(detector, run.checkpoints().load(run.method.name).task)
    return detector


def _counts(found: Sequence["DetectedFrame"], detector: "Detector") -> dict[str, int]:
    counts = Counter(name for one in found for name in one.boxes.names)
    return {name: counts[name] for name in detector.config.dataset.classes}
