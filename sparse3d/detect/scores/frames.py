"""What is compared in one frame: annotations, detections, and regions that count for nothing."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from sparse3d.scene.boxes import Boxes3D, ImageBoxes
from sparse3d.scene.formats.kitti_calibration import KittiCalibration
from sparse3d.scene.formats.kitti_labels import (
    DONT_CARE,
    KittiLabel,
    labels_from_boxes,
    read_labels,
)
from sparse3d.scene.scene import Frame
from sparse3d.scene.stored import Stored

__all__ = ["FrameObjects", "frame_of_labels", "frame_of_scene"]


@dataclass(frozen=True, slots=True)
class FrameObjects:
    """Annotations and detections of one frame, in one upright frame of reference (z up)."""

    name: str
    """Name of the frame."""
    truth: Boxes3D
    """Annotations; with ``image`` where difficulties, 2D and orientation are wanted."""
    detections: Boxes3D
    """Detections with scores; with ``image`` where the truth has it."""
    dont_care: Float[Tensor, "d 4"]
    """Image rectangles (left, top, right, bottom) without annotation, pixels."""

    def __post_init__(self) -> None:
        if len(self.detections) and self.detections.scores is None:
            raise ValueError(f"frame {self.name}: detections must have scores")

    @property
    def has_image(self) -> bool | None:
        """Whether it is known how all boxes appear in an image; None where there are no boxes."""
        sides = [boxes.image is not None for boxes in (self.truth, self.detections) if len(boxes)]
        return all(sides) if sides else None


def frame_of_labels(
    name: str, truth: Sequence[KittiLabel], detections: Sequence[KittiLabel]
) -> FrameObjects:
    """A frame from rows of KITTI label and result files, with every digit that they have.

    The boxes stand upright in the frame of the labels, whose axes x, z and -y become x, y and z.

    Args:
        name: Name of the frame.
        truth: Rows of the label file, ``DontCare`` included.
        detections: Rows of the result file; each has a score.

    Raises:
        ValueError: If a detection has no score.
    """
    regions = [label.rectangle for label in truth if label.name.lower() == DONT_CARE.lower()]
    return FrameObjects(name, _boxes(truth), _boxes(detections), _table(regions, 4))


def frame_of_scene(frame: Frame, detections: Boxes3D, truth: Boxes3D | None = None) -> FrameObjects:
    """A frame from a scene and the detections in it, both in its LiDAR/ego frame.

    Where the annotations say how they appear in an image and the frame has a camera, the
    detections are projected into it. ``DontCare`` regions, which matter to 2D and orientation only,
    are read from the label file where the boxes are those of one; a scene keeps none.

    Args:
        frame: The frame.
        detections: Boxes with scores.
        truth: Annotations to compare with, such as those whose names were mapped; without them,
            those of the frame.
    """
    if truth is None:
        truth = frame.read_boxes()
    if truth is None:
        raise ValueError(f"frame {frame.name} has no annotations to compare with")
    if truth.image is None or not frame.cameras:
        truth, detections = replace(truth, image=None), replace(detections, image=None)
    elif detections.image is None:
        detections = _projected(frame, detections)
    return FrameObjects(frame.name, truth, detections, _regions(frame))


def _regions(frame: Frame) -> Float64[Tensor, "d 4"]:
    stored = frame.boxes
    if not isinstance(stored, Stored) or stored.path.parent.name != "label_2":
        return _table([], 4)
    rows = read_labels(stored.path)
    return _table([row.rectangle for row in rows if row.name.lower() == DONT_CARE.lower()], 4)


def _projected(frame: Frame, boxes: Boxes3D) -> Boxes3D:
    camera = frame.cameras[0]
    calibration = KittiCalibration.of_camera(camera, frame.pose())
    size = camera.intrinsics.width, camera.intrinsics.height
    return replace(boxes, image=_image(labels_from_boxes(boxes, calibration, size)))


def _boxes(labels: Sequence[KittiLabel]) -> Boxes3D:
    rows = [label for label in labels if label.name.lower() != DONT_CARE.lower()]
    height, width, length = _table([label.size for label in rows], 3).unbind(1)
    x, y, z = _table([label.location for label in rows], 3).unbind(1)
    scores = [label.score for label in rows if label.score is not None]
    return Boxes3D(
        torch.stack([x, z, height / 2 - y], dim=1),
        torch.stack([length, width, height], dim=1),
        -torch.tensor([label.rotation_y for label in rows], dtype=torch.float64),
        tuple(label.name for label in rows),
        scores=torch.tensor(scores, dtype=torch.float64) if len(scores) == len(rows) else None,
        image=_image(rows),
    )


def _image(labels: Sequence[KittiLabel]) -> ImageBoxes:
    return ImageBoxes(
        rectangles=_table([label.rectangle for label in labels], 4),
        alphas=torch.tensor([label.alpha for label in labels], dtype=torch.float64),
        truncations=torch.tensor([label.truncated for label in labels], dtype=torch.float64),
        occlusions=torch.tensor([label.occluded for label in labels], dtype=torch.int32),
    )


def _table(rows: Sequence[Sequence[float]], width: int) -> Float64[Tensor, "n k"]:
    return torch.tensor(rows, dtype=torch.float64).reshape(len(rows), width)
