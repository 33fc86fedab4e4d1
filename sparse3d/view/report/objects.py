"""What was found in one frame: its pictures, and each true object beside its detection."""

from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from sparse3d.geometry.boxes import points_in_boxes
from sparse3d.ops.iou3d import box_iou
from sparse3d.scene import Boxes3D, Camera, Frame, PointCloud
from sparse3d.view.bev import bev_picture
from sparse3d.view.camera_boxes import camera_boxes_picture
from sparse3d.view.report.markup import Markup, fill, joined
from sparse3d.view.report.numbers import count
from sparse3d.view.report.pictures import write_picture

__all__ = ["ShownFrame"]

_BEV_WIDTH = 640
_BEHIND = 3.0
"""Metres that are shown behind a range that begins at the LiDAR, so that it is seen."""
_MOST_ROWS = 12
_NONE = "\N{EN DASH}"


@dataclass(frozen=True, slots=True)
class ShownFrame:
    """One frame, what is in it and what was found."""

    title: str
    """Such as ``Held-out frame 000003``; other frames have others."""
    frame: Frame
    """With points."""
    truth: Boxes3D
    """True objects of the classes to detect, in the ego frame."""
    detections: Boxes3D
    """With scores, in the ego frame."""

    @property
    def camera(self) -> Camera | None:
        """The main camera."""
        return self.frame.cameras[0] if self.frame.cameras else None

    def confident(self, least: float) -> "ShownFrame":
        """The frame with the detections of at least this score."""
        scores = self.detections.scores
        if scores is None:
            raise ValueError(f"the detections of {self.title} must have scores")
        kept = self.detections.select(scores >= least)
        return ShownFrame(self.title, self.frame, self.truth, kept)

    def draw_above(self, path: Path, low: tuple[float, float], high: tuple[float, float]) -> None:
        """Write the picture from above.

        Args:
            path: File to write.
            low: Least x and y, metres.
            high: Largest x and y, metres.
        """
        first = min(low[0], -_BEHIND) if abs(low[0]) < _BEHIND else low[0]
        shown = (self._points(), self.truth, self.detections)
        write_picture(path, bev_picture(*shown, (first, low[1]), high, _BEV_WIDTH))

    def draw_camera(self, camera: Camera, path: Path) -> None:
        """Write the picture through a camera: its photo, else the points.

        Raises:
            DataError: If the photo cannot be read.
        """
        photo = None if camera.image_path is None else camera.read_image()
        points = self._points() if photo is None else None
        shown = (photo, self.truth, self.detections, points)
        write_picture(path, camera_boxes_picture(camera, self.frame.pose(), *shown))

    def table(self) -> Markup:
        """True objects, the nearest first, each with the detection that overlaps it most."""
        distances = self.truth.centers[:, :2].norm(dim=1)
        order = distances.argsort(stable=True).tolist()
        counts = _returns(self._points(), self.truth)
        matches = _matches(self.truth, self.detections)
        rows = [
            fill(
                "object",
                name=self.truth.names[i],
                distance=f"{float(distances[i]):.0f} m",
                points=count(counts[i]),
                score=_NONE if match is None else f"{match[0]:.2f}",
                overlap="missed" if match is None else f"{match[1]:.2f}",
            )
            for i in order[:_MOST_ROWS]
            for match in [matches[i]]
        ]
        return fill("objects", rows=joined(rows), more=self._more(), extra=self._extra())

    def _more(self) -> str:
        """What the table leaves out."""
        left = len(self.truth) - _MOST_ROWS
        return f"{left} more are farther away." if left > 0 else ""

    def _extra(self) -> str:
        """How many detections overlap no true object of their class."""
        pairs = _overlaps(self.detections, self.truth)
        alone = int((pairs.amax(1) == 0).sum()) if pairs.shape[1] else len(pairs)
        if not alone:
            return "Nothing else was detected."
        return f"{alone} more detection{'s' * (alone > 1)}, where no such object is."

    def _points(self) -> PointCloud:
        cloud = self.frame.read_points()
        return PointCloud(torch.zeros(0, 3)) if cloud is None else cloud


def _returns(cloud: PointCloud, boxes: Boxes3D) -> list[int]:
    """Points in each box."""
    return points_in_boxes(cloud.positions.double(), boxes.rows().double()).sum(1).tolist()


def _matches(truth: Boxes3D, detections: Boxes3D) -> list[tuple[float, float] | None]:
    """Score and overlap of the detection that overlaps each true object most, if any does."""
    overlaps = _overlaps(truth, detections)
    if detections.scores is None or not len(detections):
        return [None] * len(truth)
    best = overlaps.max(1)
    found = zip(detections.scores[best.indices].tolist(), best.values.tolist(), strict=True)
    return [pair if pair[1] > 0 else None for pair in found]


def _overlaps(first: Boxes3D, second: Boxes3D) -> Float[Tensor, "n m"]:
    """3D IoU of boxes of the same class, 0 for those of others."""
    same = torch.tensor([[a == b for b in second.names] for a in first.names], dtype=torch.bool)
    pairs = box_iou(first.rows().double(), second.rows().double())
    return torch.where(same.reshape(pairs.shape), pairs, 0.0)
