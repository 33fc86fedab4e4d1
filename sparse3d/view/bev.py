"""A sweep and its boxes from above: x, forward, is up in the picture, and y to the left."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from sparse3d.geometry.boxes import box_corners
from sparse3d.scene import Boxes3D, PointCloud
from sparse3d.view.box_rows import best_first, captions, finite_rows
from sparse3d.view.canvas import DETECTION, TRUTH, Canvas, Stroke
from sparse3d.view.colormap import DEPTH

__all__ = ["Above", "bev_picture"]

_GROUND = (0.035, 0.060, 0.068)
_RING = Stroke((150, 180, 188, 95), 0.8, casing=None)
_EGO = (255, 255, 255, 255)
_EGO_LENGTH = 2.4
_FOOTER = 30
_DIMMEST = 0.16
"""Share of the colour map that is too dark for the ground of the picture."""


@dataclass(frozen=True, slots=True)
class Above:
    """Which part of the ground a picture shows, and how large."""

    low: tuple[float, float]
    """Least x and y, metres."""
    high: tuple[float, float]
    """Largest x and y, metres."""
    width: int
    """Of the picture, pixels."""

    def __post_init__(self) -> None:
        numbers = (*self.low, *self.high)
        if not all(map(math.isfinite, numbers)) or self.width < 1:
            raise ValueError(f"a finite range and a positive width expected, got {self}")
        if self.low[0] >= self.high[0] or self.low[1] >= self.high[1]:
            raise ValueError(f"low must be below high, got {self.low} and {self.high}")

    @property
    def scale(self) -> float:
        """Pixels a metre."""
        return self.width / (self.high[1] - self.low[1])

    @property
    def height(self) -> int:
        """Of the picture, pixels."""
        return max(1, math.ceil(self.scale * (self.high[0] - self.low[0]) - 1e-6))

    def pixels(self, places: Float[Tensor, "*batch 2"]) -> Float[Tensor, "*batch 2"]:
        """Where x and y, metres, are in the picture: to the right and down, pixels."""
        corner = places.new_tensor((self.high[1], self.high[0]))
        return (corner - places.flip(-1)) * self.scale


def bev_picture(
    points: PointCloud,
    truth: Boxes3D | None,
    detections: Boxes3D | None,
    low: tuple[float, float],
    high: tuple[float, float],
    width: int,
) -> UInt8[Tensor, "h w 3"]:
    """Draw points by their height, circles of equal range, and boxes with their headings.

    True boxes are white and dashed, detections pink and whole, with their scores.

    Args:
        points: The sweep in the frame of the boxes, x forward, y left, z up; metres.
        truth: Annotations, None if there are none to show.
        detections: Detections, None if there are none to show.
        low: Least x and y that are shown, metres.
        high: Largest x and y that are shown, metres.
        width: Of the picture, pixels; a metre is as long upwards as sideways.

    Returns:
        RGB, with a legend below.

    Raises:
        ValueError: If the range is empty or a box is not finite.
    """
    above = Above(low, high, width)
    ground = torch.tensor(_GROUND).expand(above.height, above.width, 3)
    canvas = Canvas(ground, footer=_FOOTER)
    spacing = _ring_spacing(above)
    _rings(canvas, above, spacing)
    heights = _points(canvas, above, points)
    _ring_labels(canvas, above, spacing)
    _ego(canvas, above)
    if detections is not None:
        _boxes(canvas, above, detections, DETECTION, tick=1.5)
    if truth is not None:
        _boxes(canvas, above, truth, TRUTH, tick=1.0)
    if detections is not None:
        _labels(canvas, above, detections)
    _legend(canvas, truth is not None, detections is not None, heights)
    return canvas.finished()


def _points(canvas: Canvas, above: Above, cloud: PointCloud) -> tuple[float, float] | None:
    """Draw the points, the higher in front; heights of the darkest and the lightest colour."""
    positions = cloud.positions.double()
    known = positions[torch.isfinite(positions).all(1)]
    low, high = known.new_tensor(above.low), known.new_tensor(above.high)
    shown = known[((known[:, :2] >= low) & (known[:, :2] <= high)).all(1)]
    if not len(shown):
        return None
    ordered = shown[shown[:, 2].argsort(stable=True)]
    ends = [float(ordered[round(share * (len(ordered) - 1)), 2]) for share in (0.02, 0.98)]
    share = (ordered[:, 2] - ends[0]) / max(ends[1] - ends[0], 1e-9)
    canvas.dots(above.pixels(ordered[:, :2]), _shade(share.float()), 1.0)
    return ends[0], ends[1]


def _shade(share: Float[Tensor, " n"]) -> Float[Tensor, "n 3"]:
    return DEPTH(_DIMMEST + (1 - _DIMMEST) * share.clamp(0, 1))


def _boxes(canvas: Canvas, above: Above, boxes: Boxes3D, stroke: Stroke, tick: float) -> None:
    """Outlines, and a line from each centre ``tick`` times as far as its front."""
    for outline in _outlines(above, boxes):
        canvas.line([_place(corner) for corner in (*outline, outline[0])], stroke)
        front, middle = (outline[0] + outline[1]) / 2, outline.mean(0)
        canvas.line([_place(middle), _place(middle + tick * (front - middle))], stroke.whole())


def _labels(canvas: Canvas, above: Above, boxes: Boxes3D) -> None:
    outlines = _outlines(above, boxes)
    for outline in outlines:
        canvas.reserve(outline)
    for i in best_first(boxes):
        (left, top), (right, _) = outlines[i].amin(0).tolist(), outlines[i].amax(0).tolist()
        texts = captions(boxes, i)
        canvas.label([(right + 3, top + 6), (left, top - 2), (right + 3, top + 20)], texts)


def _outlines(above: Above, boxes: Boxes3D) -> Float[Tensor, "n 4 2"]:
    """Front left, front right, rear right, rear left, pixels."""
    return above.pixels(box_corners(finite_rows(boxes))[:, :4, :2])


def _ring_spacing(above: Above) -> int:
    extent = max(abs(value) for value in (*above.low, *above.high))
    return 10 if extent <= 60 else 20


def _radii(above: Above, spacing: int) -> range:
    farthest = math.hypot(
        max(abs(above.low[0]), abs(above.high[0])), max(abs(above.low[1]), abs(above.high[1]))
    )
    return range(spacing, math.ceil(farthest), spacing)


def _rings(canvas: Canvas, above: Above, spacing: int) -> None:
    angles = torch.linspace(0, 2 * math.pi, 241, dtype=torch.float64)
    circle = torch.stack([angles.cos(), angles.sin()], dim=1)
    for radius in _radii(above, spacing):
        canvas.line([_place(place) for place in above.pixels(radius * circle)], _RING)


def _ring_labels(canvas: Canvas, above: Above, spacing: int) -> None:
    """Where the circles cross a ray to the front right, or the axes where that is not shown."""
    for radius in _radii(above, spacing):
        for angle in (-35.0, -90.0, 0.0):
            turn = math.radians(angle)
            place = (radius * math.cos(turn), radius * math.sin(turn))
            if all(above.low[i] < place[i] < above.high[i] for i in (0, 1)):
                x, y = _place(above.pixels(torch.tensor(place, dtype=torch.float64)))
                canvas.label([(x, y)], [f"{radius} m"], (170, 190, 196, 255), 10.0)
                break


def _ego(canvas: Canvas, above: Above) -> None:
    """An arrow head at the origin, forwards."""
    outline = [(1.0, 0.0), (-0.6, 0.6), (-0.25, 0.0), (-0.6, -0.6)]
    size = max(_EGO_LENGTH, 9 / above.scale)
    places = above.pixels(torch.tensor(outline, dtype=torch.float64) * size / 1.6)
    canvas.polygon([_place(place) for place in places], _EGO)


def _legend(
    canvas: Canvas, truth: bool, detections: bool, heights: tuple[float, float] | None
) -> None:
    entries: Sequence[tuple[str, Stroke, bool]] = (
        ("truth", TRUTH, truth),
        ("detected, with score", DETECTION, detections),
    )
    x = canvas.legend([(name, stroke) for name, stroke, there in entries if there])
    if heights is not None and x + 190 < canvas.width:
        y = canvas.height + _FOOTER / 2
        x = canvas.note((x, y), f"height {heights[0]:.1f} m") + 7
        canvas.ramp((x, y), _shade(torch.linspace(0, 1, 40)), (56.0, 8.0))
        canvas.note((x + 63, y), f"{heights[1]:.1f} m")


def _place(pixel: Tensor) -> tuple[float, float]:
    x, y = pixel.tolist()
    return x, y
