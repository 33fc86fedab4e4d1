"""Detections on disk: KITTI result files, and a scene folder to look at."""

import re
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from sparse3d.errors import DataError
from sparse3d.scene import Boxes3D, Frame, Scene
from sparse3d.scene.atomic import writing
from sparse3d.scene.formats.kitti_calibration import KittiCalibration, read_calibration
from sparse3d.scene.formats.kitti_labels import KittiLabel, labels_from_boxes, write_labels
from sparse3d.scene.formats.scene_folder import write_scene
from sparse3d.scene.stored import Stored

__all__ = ["DetectedFrame", "kitti_results", "write_results"]

_UNSAFE = re.compile(r"[^\w.-]")  # what file names are spared


@dataclass(frozen=True, slots=True)
class DetectedFrame:
    """A frame and what was found in it."""

    frame: Frame
    """The frame, with points."""
    boxes: Boxes3D
    """Detections with scores in the frame's LiDAR/ego frame."""


def kitti_results(detected: DetectedFrame) -> tuple[KittiLabel, ...] | None:
    """Detections as rows of a KITTI result file, in the order that they have.

    The rows are in the frame of the labels: where the sweep lies in a KITTI folder, that is the
    rectified camera 0 of its own calibration file, else the main camera itself. Boxes that the
    image does not show have no row.

    Returns:
        None if the frame has no camera without lens distortion.

    Raises:
        DataError: If the calibration file cannot be read.
    """
    frame = detected.frame
    if not frame.cameras or not frame.cameras[0].intrinsics.is_pinhole:
        return None
    lens = frame.cameras[0].intrinsics
    boxes = replace(detected.boxes, image=None)  # so that the rectangles are those of this image
    rows = labels_from_boxes(boxes, _calibration(frame), (lens.width, lens.height))
    return tuple(row for row in rows if row.rectangle[0] >= 0)


def write_results(
    folder: Path, name: str, detected: Sequence[DetectedFrame], shown: int | None = None
) -> int:
    """Write ``detections/FRAME.txt`` and ``scene/``; those of earlier detections are replaced.

    Args:
        folder: Where to.
        name: Of the scene.
        detected: Frames of distinct names.
        shown: Frames that the scene folder holds at most, spread evenly; None: all.

    Returns:
        The number of result files; frames without an undistorted camera get none.

    Raises:
        DataError: If the points or the calibration of a frame cannot be read, two frames would
            have the same file, or the disk is full or not writable.
    """
    rows = _rows_by_file(folder / "detections", detected)
    frames = tuple(replace(one.frame, boxes=one.boxes) for one in _spread(detected, shown))
    with ExitStack() as both:
        scene = both.enter_context(writing(folder / "scene", replace_folder=True))
        write_scene(Scene(name, frames, metric=True), scene)
        if rows:
            files = both.enter_context(writing(folder / "detections", replace_folder=True))
            for file, labels in rows.items():
                write_labels(files / file, labels)
    return len(rows)


def _calibration(frame: Frame) -> KittiCalibration:
    if isinstance(frame.points, Stored) and frame.points.path.parent.name == "velodyne":
        sweep = frame.points.path
        file = sweep.parent.with_name("calib") / f"{sweep.stem}.txt"
        if file.is_file():
            return read_calibration(file)
    return KittiCalibration.of_camera(frame.cameras[0], frame.pose())


def _rows_by_file(
    folder: Path, detected: Sequence[DetectedFrame]
) -> dict[str, tuple[KittiLabel, ...]]:
    found: dict[str, tuple[KittiLabel, ...]] = {}
    for one, file in zip(detected, _files([one.frame.name for one in detected]), strict=True):
        rows = kitti_results(one)
        if file in found:
            raise DataError(folder / file, f"two frames would have this file ({one.frame.name})")
        if rows is not None:
            found[file] = rows
    return found


def _files(names: Sequence[str]) -> list[str]:
    """A file for each frame, without the part of the data set where it is clear without."""
    last = [name.rpartition("/")[2] for name in names]
    unique = last if len(set(last)) == len(last) else names
    return [_UNSAFE.sub("_", name) + ".txt" for name in unique]


def _spread(detected: Sequence[DetectedFrame], most: int | None) -> Sequence[DetectedFrame]:
    if most is None or len(detected) <= most:
        return detected
    return [detected[i * len(detected) // most] for i in range(most)]
