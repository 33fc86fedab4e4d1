"""Boxes drawn over a photo, or over the points that its camera would see."""

import torch
from jaxtyping import Bool, Float, Float64, UInt8
from torch import Tensor

from sparse3d.geometry.boxes import BOX_EDGES, box_corners
from sparse3d.geometry.intrinsics import Intrinsics
from sparse3d.geometry.transforms import invert_rigid, transform_points
from sparse3d.scene import Boxes3D, Camera, PointCloud
from sparse3d.view.box_rows import best_first, captions, finite_rows
from sparse3d.view.canvas import DETECTION, TRUTH, Canvas, Stroke
from sparse3d.view.colormap import DEPTH

__all__ = ["camera_boxes_picture", "cut_to_view"]

_GROUND = (0.035, 0.060, 0.068)
_FOOTER = 30
_NEAR = 0.1
"""z-depth, metres, from which lines are drawn."""
_MARGIN = 1.05
"""How far lines go on beyond the edge of the picture, of its half width."""
_BENDS = 16
"""Straight pieces of an edge behind a lens that bends lines."""
_DIMMEST = 0.16


def camera_boxes_picture(
    camera: Camera,
    world_from_ego: Float[Tensor, "4 4"],
    image: Float[Tensor, "h w 3"] | None,
    truth: Boxes3D | None,
    detections: Boxes3D | None,
    points: PointCloud | None = None,
) -> UInt8[Tensor, "_ w 3"]:
    """Draw boxes as the camera sees them, a line on the ground towards their front.

    True boxes are white and dashed, detections pink and whole, with their scores. What is behind
    the camera is cut off.

    Args:
        camera: Lens and place.
        world_from_ego: Pose of the frame that has the boxes and points.
        image: Its photo, RGB in [0, 1]; None if there is none.
        truth: Annotations in the ego frame, None if there are none to show.
        detections: Detections in the ego frame, None if there are none to show.
        points: The sweep in the ego frame, drawn by depth, near light, where there is no photo.

    Returns:
        RGB of the camera's size, with a legend below.

    Raises:
        ValueError: If the photo is not of the camera's size, or a box is not finite.
    """
    camera_from_ego = invert_rigid(camera.world_from_camera) @ world_from_ego.double()
    canvas = Canvas(_ground(camera.intrinsics, image), footer=_FOOTER)
    if image is None and points is not None:
        _points(canvas, camera.intrinsics, transform_points(camera_from_ego, _finite(points)))
    if detections is not None:
        _boxes(canvas, camera.intrinsics, camera_from_ego, detections, DETECTION, tick=1.5)
    if truth is not None:
        _boxes(canvas, camera.intrinsics, camera_from_ego, truth, TRUTH, tick=1.0)
    if detections is not None:
        _labels(canvas, camera.intrinsics, camera_from_ego, detections)
    entries = (("truth", TRUTH, truth), ("detected, with score", DETECTION, detections))
    canvas.legend([(name, stroke) for name, stroke, boxes in entries if boxes is not None])
    return canvas.finished()


def cut_to_view(
    segments: Float64[Tensor, "n 2 3"], lens: Intrinsics
) -> tuple[Float64[Tensor, "n 2 3"], Bool[Tensor, " n"]]:
    """Cut segments to what a camera sees: before its near plane, within its picture.

    Args:
        segments: Both ends in the camera frame, x right, y down, z forward.
        lens: Of the camera.

    Returns:
        The segments with their ends moved, and of which there is anything left.
    """
    normals, offset = _planes(lens)
    heights = segments @ normals.T + offset  # [n, 2, planes], positive inside
    first, last = heights.unbind(1)
    crossing = first / torch.where(first == last, 1.0, first - last)
    enter = torch.where((first < 0) & (last >= 0), crossing, 0.0).amax(1)
    leave = torch.where((first >= 0) & (last < 0), crossing, 1.0).amin(1)
    seen = ~((first < 0) & (last < 0)).any(1) & (enter <= leave)
    shares = torch.stack([enter, leave], dim=1)[..., None]
    start, end = segments.unbind(1)
    return start[:, None] + shares * (end - start)[:, None], seen


def _planes(lens: Intrinsics) -> tuple[Float64[Tensor, "5 3"], Float64[Tensor, " 5"]]:
    """Normals inwards and offsets of the near plane and of the sides of the viewing pyramid."""
    low, high = _field(lens)
    sides = [[1.0, 0, -low[0]], [-1, 0, high[0]], [0, 1, -low[1]], [0, -1, high[1]]]
    normals = torch.tensor([[0.0, 0, 1], *sides], dtype=torch.float64)
    return normals, torch.tensor([-_NEAR, 0, 0, 0, 0], dtype=torch.float64)


def _field(lens: Intrinsics) -> tuple[list[float], list[float]]:
    """Least and largest x / z and y / z of the picture and a margin around it."""
    width, height = float(lens.width), float(lens.height)
    steps = torch.linspace(0, 1, 33, dtype=torch.float64)
    none, whole = torch.zeros_like(steps), torch.ones_like(steps)
    sides = ((steps, none), (steps, whole), (none, steps), (whole, steps))
    border = torch.cat([torch.stack(side, dim=1) for side in sides])
    rays = lens.unproject(border * border.new_tensor([width, height]))[:, :2]
    low, high = rays.amin(0), rays.amax(0)
    middle, half = (low + high) / 2, (high - low) / 2 * _MARGIN
    return (middle - half).tolist(), (middle + half).tolist()


def _ground(lens: Intrinsics, image: Float[Tensor, "h w 3"] | None) -> Float[Tensor, "_ _ 3"]:
    if image is None:
        return torch.tensor(_GROUND).expand(lens.height, lens.width, 3)
    if image.shape[:2] != (lens.height, lens.width):
        size = f"{image.shape[1]}x{image.shape[0]}"
        raise ValueError(f"the photo is {size}, its camera {lens.width}x{lens.height}")
    return image


def _finite(cloud: PointCloud) -> Float64[Tensor, "n 3"]:
    positions = cloud.positions.double()
    return positions[torch.isfinite(positions).all(1)]


def _points(canvas: Canvas, lens: Intrinsics, points: Float64[Tensor, "n 3"]) -> None:
    """Near points light and in front of the far ones, on a scale of the logarithm of depth."""
    (left, top), (right, bottom) = _field(lens)
    ratios = points[:, :2] / points[:, 2:].clamp_min(_NEAR)
    low, high = points.new_tensor((left, top)), points.new_tensor((right, bottom))
    inside = ((ratios >= low) & (ratios <= high)).all(1)
    shown = points[(points[:, 2] >= _NEAR) & inside]
    if not len(shown):
        return
    ordered = shown[shown[:, 2].argsort(descending=True, stable=True)]
    logs = ordered[:, 2].log()
    near, far = (float(logs[round(share * (len(logs) - 1))]) for share in (0.98, 0.02))
    share = ((far - logs) / max(far - near, 1e-9)).clamp(0, 1).float()
    canvas.dots(lens.project(ordered)[0], DEPTH(_DIMMEST + (1 - _DIMMEST) * share), 1.5)


def _boxes(
    canvas: Canvas,
    lens: Intrinsics,
    camera_from_ego: Float64[Tensor, "4 4"],
    boxes: Boxes3D,
    stroke: Stroke,
    tick: float,
) -> None:
    """Edges, and a line on the ground from each centre ``tick`` times as far as its front."""
    corners = transform_points(camera_from_ego, box_corners(finite_rows(boxes)))
    front, middle = corners[:, :2].mean(1), corners[:, :4].mean(1)
    ticks = torch.stack([middle, middle + tick * (front - middle)], dim=1)
    for box in corners[:, torch.tensor(BOX_EDGES)]:
        for path in _paths(box, lens):
            canvas.line(path, stroke)
    for path in _paths(ticks, lens):
        canvas.line(path, stroke.whole())


def _labels(
    canvas: Canvas, lens: Intrinsics, camera_from_ego: Float64[Tensor, "4 4"], boxes: Boxes3D
) -> None:
    corners = transform_points(camera_from_ego, box_corners(finite_rows(boxes)))
    for i in best_first(boxes):
        places = [p for path in _paths(corners[i][torch.tensor(BOX_EDGES)], lens) for p in path]
        if places:
            left, top = min(x for x, _ in places), min(y for _, y in places)
            above = [(left, top - 2), (left, top - 16), (left, top + 14)]
            canvas.label(above, captions(boxes, i))


def _paths(segments: Float64[Tensor, "n 2 3"], lens: Intrinsics) -> list[list[tuple[float, float]]]:
    """What is seen of segments in the camera frame, in pixels."""
    cut, seen = cut_to_view(segments, lens)
    return [_path(segment, lens) for segment in cut[seen]]


def _path(segment: Float64[Tensor, "2 3"], lens: Intrinsics) -> list[tuple[float, float]]:
    """A segment before the camera in pixels, in many pieces where the lens bends it."""
    shares = torch.linspace(0, 1, 2 if lens.is_pinhole else _BENDS + 1, dtype=torch.float64)
    along = segment[0] + shares[:, None] * (segment[1] - segment[0])
    pixels, _ = lens.project(along)
    return [(x, y) for x, y in pixels.tolist()]
