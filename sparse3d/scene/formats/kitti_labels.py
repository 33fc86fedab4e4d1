"""KITTI label rows, and boxes in the LiDAR frame from them and back.

A row has the bottom centre of a box in the frame of the rectified camera 0 (x right, y down, z
forward), height, width and length, and ``rotation_y`` about the camera's y axis. That frame is
tilted a little against the LiDAR, whose boxes stand upright: the geometric centre is carried over
exactly, and the yaw is that of the box's heading, seen from above in the LiDAR frame.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from sparse3d.errors import DataError
from sparse3d.geometry.rotations import wrap_angle
from sparse3d.geometry.transforms import invert_rigid, transform_points
from sparse3d.scene.atomic import writing
from sparse3d.scene.boxes import Boxes3D, ImageBoxes
from sparse3d.scene.formats.arrays import read_all
from sparse3d.scene.formats.headings import turn_problem
from sparse3d.scene.formats.kitti_calibration import NOMINAL_SIZE, KittiCalibration

__all__ = [
    "DONT_CARE",
    "KittiLabel",
    "boxes_from_labels",
    "format_labels",
    "labels_from_boxes",
    "read_labels",
    "write_labels",
]

DONT_CARE = "DontCare"
"""Type of the rows that mark image regions without annotation."""


@dataclass(frozen=True, slots=True)
class KittiLabel:
    """One row of a label or result file, as it stands there."""

    name: str
    """Type, such as ``Car``, or ``DontCare``."""
    truncated: float
    """Share outside the image, 0 to 1; -1 where unknown."""
    occluded: int
    """0 to 3; -1 where unknown."""
    alpha: float
    """Observation angle, radians."""
    rectangle: tuple[float, float, float, float]
    """Left, top, right, bottom, pixels."""
    size: tuple[float, float, float]
    """Height, width, length, metres."""
    location: tuple[float, float, float]
    """Bottom centre in the frame of the rectified camera 0, metres."""
    rotation_y: float
    """Radians."""
    score: float | None = None
    """Confidence of a detection."""

    def text(self) -> str:
        """The row without line end."""
        numbers = (self.alpha, *self.rectangle, *self.size, *self.location, self.rotation_y)
        words = [self.name, f"{self.truncated:.2f}", str(self.occluded)]
        words += [f"{value:.4f}" for value in numbers]
        return " ".join(words if self.score is None else [*words, f"{self.score:.6f}"])


def read_labels(path: Path) -> tuple[KittiLabel, ...]:
    """All rows of a label or result file, ``DontCare`` included.

    Raises:
        DataError: If a row is not 15 columns (16 with a score), has something else than finite
            numbers, a size that is not positive, or a rotation_y beyond a full turn; file and line
            are named.
    """
    lines = read_all(path).decode("utf-8", "replace").splitlines()
    return tuple(_parse(path, i, line.split()) for i, line in enumerate(lines, 1) if line.strip())


def write_labels(path: Path, labels: Sequence[KittiLabel]) -> None:
    """Write rows to a file."""
    with writing(path) as draft:
        draft.write_text(format_labels(labels), encoding="utf-8")


def format_labels(labels: Sequence[KittiLabel]) -> str:
    """The text of a label file."""
    return "".join(f"{label.text()}\n" for label in labels)


def boxes_from_labels(labels: Sequence[KittiLabel], calibration: KittiCalibration) -> Boxes3D:
    """The objects of a frame as upright boxes in the LiDAR frame, without ``DontCare`` rows.

    Args:
        labels: Rows of one file.
        calibration: Of the same frame.

    Returns:
        Boxes, float32, with what the rows say about the image; scores where all rows have one.
    """
    rows = [label for label in labels if label.name != DONT_CARE]
    height, width, length = _columns([label.size for label in rows], 3).unbind(1)
    bottoms = _columns([label.location for label in rows], 3)
    centers = bottoms - torch.stack([torch.zeros_like(height), height / 2, height * 0], dim=1)
    rotation = _columns([(label.rotation_y,) for label in rows], 1)[:, 0]
    scores = [(label.score,) for label in rows if label.score is not None]
    has_scores = bool(rows) and len(scores) == len(rows)
    return Boxes3D(
        transform_points(invert_rigid(calibration.rect_from_lidar), centers).float(),
        torch.stack([length, width, height], dim=1).float(),
        _turned(rotation, _yaw_map(calibration)).float(),
        tuple(label.name for label in rows),
        scores=_columns(scores, 1)[:, 0].float() if has_scores else None,
        image=_image_boxes(rows),
    )


def labels_from_boxes(
    boxes: Boxes3D, calibration: KittiCalibration, size: tuple[int, int] = NOMINAL_SIZE
) -> tuple[KittiLabel, ...]:
    """Rows of boxes in the LiDAR frame.

    What the boxes do not say about the image is worked out: the rectangle is that of the projected
    box cut to the image (-1 where it is not in it), alpha is that of its centre; truncation and
    occlusion are -1.

    Args:
        boxes: Annotations or detections of one frame; their names lose white space.
        calibration: Of the same frame.
        size: Width and height of the image.
    """
    length, width, height = boxes.sizes.double().unbind(1)
    centers = transform_points(calibration.rect_from_lidar, boxes.centers.double())
    bottoms = centers + torch.stack([height * 0, height / 2, height * 0], dim=1)
    rotation = _turned(boxes.yaws.double(), torch.linalg.inv(_yaw_map(calibration)))
    alphas = wrap_angle(rotation - torch.atan2(bottoms[:, 0], bottoms[:, 2]))
    image = boxes.image or ImageBoxes(
        rectangles=calibration.rectangles(boxes.rows(), size),
        alphas=alphas,
        truncations=torch.full_like(alphas, -1),
        occlusions=torch.full_like(alphas, -1).to(torch.int32),
    )
    scores = [None] * len(boxes) if boxes.scores is None else boxes.scores.tolist()
    columns = zip(
        boxes.names,
        image.truncations.tolist(),
        image.occlusions.tolist(),
        image.alphas.tolist(),
        map(tuple, image.rectangles.tolist()),
        zip(height.tolist(), width.tolist(), length.tolist(), strict=True),
        map(tuple, bottoms.tolist()),
        rotation.tolist(),
        scores,
        strict=True,
    )
    return tuple(KittiLabel("_".join(row[0].split()), *row[1:]) for row in columns)


def _parse(path: Path, number: int, words: list[str]) -> KittiLabel:
    where = f"line {number}"
    if len(words) not in (15, 16):
        raise DataError(path, f"{where}: 15 columns expected, 16 with a score, got {len(words)}")
    try:
        values = [float(word) for word in words[1:]]
    except ValueError as error:
        raise DataError(path, f"{where}: numbers expected after the type ({error})") from None
    if not all(map(math.isfinite, values)) or values[1] != int(values[1]):
        raise DataError(path, f"{where}: finite numbers and a whole occlusion expected")
    truncated, occluded, alpha, *rest = values
    if words[0] != DONT_CARE and min(rest[4:7]) <= 0:
        raise DataError(path, f"{where}: height, width, length must be positive, got {rest[4:7]}")
    turned_too_far = None if words[0] == DONT_CARE else turn_problem(rest[10])
    if turned_too_far:
        raise DataError(path, f"{where}: rotation_y {turned_too_far}")
    return KittiLabel(
        name=words[0],
        truncated=truncated,
        occluded=int(occluded),
        alpha=alpha,
        rectangle=(rest[0], rest[1], rest[2], rest[3]),
        size=(rest[4], rest[5], rest[6]),
        location=(rest[7], rest[8], rest[9]),
        rotation_y=rest[10],
        score=rest[11] if len(rest) > 11 else None,
    )


def _columns(rows: Sequence[Sequence[float]], width: int) -> Float64[Tensor, "n k"]:
    return torch.tensor(rows, dtype=torch.float64).reshape(len(rows), width)


def _image_boxes(rows: Sequence[KittiLabel]) -> ImageBoxes:
    return ImageBoxes(
        rectangles=_columns([label.rectangle for label in rows], 4).float(),
        alphas=_columns([(label.alpha,) for label in rows], 1)[:, 0].float(),
        truncations=_columns([(label.truncated,) for label in rows], 1)[:, 0].float(),
        occlusions=torch.tensor([label.occluded for label in rows], dtype=torch.int32),
    )


def _yaw_map(calibration: KittiCalibration) -> Float64[Tensor, "2 2"]:
    """Takes (cos, sin) of ``rotation_y`` to the heading's x and y in the LiDAR frame."""
    heading = torch.tensor([[1.0, 0.0], [0.0, 0.0], [0.0, -1.0]], dtype=torch.float64)
    return calibration.rect_from_lidar[:3, :2].T @ heading


def _turned(angles: Float[Tensor, " n"], linear: Float64[Tensor, "2 2"]) -> Float[Tensor, " n"]:
    directions = torch.stack([torch.cos(angles), torch.sin(angles)], dim=1) @ linear.T
    return torch.atan2(directions[:, 1], directions[:, 0])
