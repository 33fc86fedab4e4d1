"""Label and result files in KITTI's text format, frame by frame."""

from pathlib import Path

from sparse3d.detect.scores.frames import FrameObjects, frame_of_labels
from sparse3d.errors import DataError
from sparse3d.scene.formats.arrays import read_all
from sparse3d.scene.formats.kitti_labels import KittiLabel, read_labels

__all__ = ["frames_of_files", "results_missing"]


def frames_of_files(
    labels: Path, detections: Path, frames: Path | None = None
) -> tuple[FrameObjects, ...]:
    """The frames of a folder of label files, with the detections of files of the same names.

    A frame without result file has no detections.

    Args:
        labels: Folder of ``*.txt`` with annotations.
        detections: Folder of ``*.txt`` with detections, each with a score.
        frames: List of the names of the frames that count, such as ``ImageSets/val.txt``; by
            default all.

    Raises:
        DataError: If a folder is missing or has no such file, no file of one has its counterpart
            in the other, a result file has no label file, a row does not parse, or a detection
            has no score.
    """
    known, results = _text_files(labels), _text_files(detections)
    if frames is not None:
        known = _listed(frames, known, labels)
        results = {name: path for name, path in results.items() if name in known}
    if not known.keys() & results.keys():
        problem = f"no result file has the name of a label file in {labels}"
        raise DataError(detections, f"{problem}, such as {min(known)}")
    for name in sorted(results.keys() - known.keys()):
        raise DataError(results[name], f"there is no label file {name} in {labels}")
    return tuple(
        frame_of_labels(
            path.stem, read_labels(path), _read_results(results[name]) if name in results else ()
        )
        for name, path in sorted(known.items())
    )


def results_missing(labels: Path, detections: Path, frames: Path | None = None) -> int:
    """How many of the frames of :func:`frames_of_files` have no result file."""
    known = _text_files(labels)
    if frames is not None:
        known = _listed(frames, known, labels)
    return len(known.keys() - _text_files(detections).keys())


def _listed(frames: Path, known: dict[str, Path], labels: Path) -> dict[str, Path]:
    names = [f"{word}.txt" for word in read_all(frames).decode("utf-8", "replace").split()]
    for name in names:
        if name not in known:
            raise DataError(frames, f"names {name[:-4]}, but there is no {name} in {labels}")
    if not names:
        raise DataError(frames, "names of frames expected, it has none")
    return {name: known[name] for name in names}


def _text_files(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise DataError(folder, "a folder of .txt files expected, there is none")
    files = {path.name: path for path in folder.glob("*.txt")}
    if not files:
        raise DataError(folder, "a folder of .txt files expected, it has none")
    return files


def _read_results(path: Path) -> tuple[KittiLabel, ...]:
    rows = read_labels(path)
    for number, row in enumerate(rows):
        if row.score is None:
            line = _filled_lines(path)[number]
            raise DataError(path, f"line {line}: a detection needs a score in column 16")
    return rows


def _filled_lines(path: Path) -> list[int]:
    """Numbers of the lines that hold a row."""
    lines = read_all(path).decode("utf-8", "replace").splitlines()
    return [number for number, line in enumerate(lines, 1) if line.strip()]
