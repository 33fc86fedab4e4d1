"""Which points and boxes are within a range, and which are within the image of a camera."""

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Bool, Float, Float64, Int64
from torch import Tensor

from sparse3d.data.detection.classes import joined
from sparse3d.data.detection.config import DataConfig
from sparse3d.data.detection.sample import Sample
from sparse3d.geometry.boxes import box_corners, in_range, points_in_boxes
from sparse3d.geometry.intrinsics import Intrinsics
from sparse3d.geometry.rotations import matrix_from_yaw
from sparse3d.geometry.transforms import invert_rigid, transform_points
from sparse3d.scene import Boxes3D, Camera

__all__ = ["boxes_in_view", "crop_to_range", "overlaps_range", "points_in_view"]

_BOX_SAMPLES = (17, 9, 9)  # points of a box along length, width, height that are projected
_BOXES_AT_ONCE = 8  # bounds the memory of points against boxes


def overlaps_range(
    rows: Float[Tensor, "n 7"], low: Sequence[float], high: Sequence[float]
) -> Bool[Tensor, " n"]:
    """Which boxes share some space with the range ``low`` to ``high``.

    Exact, by separating axes: two upright boxes are apart only if they are along one of the axes
    of either.
    """
    least, greatest = rows.new_tensor(low), rows.new_tensor(high)
    span = torch.cat([(least + greatest) / 2, greatest - least, rows.new_zeros(1)])
    corners, of_range = box_corners(rows), box_corners(span[None])
    aligned = (corners.amin(1) < greatest) & (corners.amax(1) > least)
    local = (of_range - rows[:, None, :3]) @ matrix_from_yaw(rows[:, 6])  # [n, 8, 3]
    half = rows[:, 3:6] / 2
    turned = (local.amin(1) < half) & (local.amax(1) > -half)
    return aligned.all(1) & turned.all(1)


def points_in_view(
    positions: Float[Tensor, "n 3"], camera: Camera, world_from_ego: Float64[Tensor, "4 4"]
) -> Bool[Tensor, " n"]:
    """Which points of a sweep project into the image of a camera, whatever hides them.

    Args:
        positions: In the LiDAR frame.
        camera: In the world frame. Directions so far from its axis that the lens model folds them
            back into the image are not seen.
        world_from_ego: Pose of the LiDAR frame.
    """
    camera_from_ego = invert_rigid(camera.world_from_camera) @ world_from_ego
    seen = transform_points(camera_from_ego, positions.double())
    lens = camera.intrinsics
    pixels, front = lens.project(seen)
    inside = (pixels >= 0) & (pixels < pixels.new_tensor([lens.width, lens.height]))
    near_axis = torch.linalg.vector_norm(seen[:, :2], dim=1) < _widest_slope(lens) * seen[:, 2]
    return front & inside.all(1) & near_axis


def boxes_in_view(
    boxes: Boxes3D, camera: Camera, world_from_ego: Float64[Tensor, "4 4"]
) -> Bool[Tensor, " n"]:
    """Which boxes are in the image of a camera, at least in part.

    These are the boxes of which a point of a dense grid projects into the image (the centre is
    one), and those whose annotated image rectangle overlaps it.
    """
    samples = _grid(boxes.rows().double())
    seen = points_in_view(samples.reshape(-1, 3), camera, world_from_ego)
    projected = seen.reshape(samples.shape[:2]).any(1)
    if boxes.image is None:
        return projected
    left, top, right, bottom = boxes.image.rectangles.unbind(1)
    width = right.clamp_max(camera.intrinsics.width) - left.clamp_min(0)
    height = bottom.clamp_max(camera.intrinsics.height) - top.clamp_min(0)
    return projected | ((width > 0) & (height > 0))


def crop_to_range(sample: Sample, config: DataConfig) -> Sample:
    """The part of a sample that is in range; what becomes unsure is ignored.

    Points outside are dropped. Boxes with their centre outside become ignored where they overlap
    the range, and are dropped elsewhere. Boxes with fewer than ``config.min_points`` points become
    ignored. To be called again after an augmentation, which moves things over the border.
    """
    points = sample.points.select(in_range(sample.points.positions, config.low, config.high))
    centred = in_range(sample.boxes.centers, config.low, config.high)
    sure = centred & (_count_inside(points.positions, sample.boxes) >= config.min_points)
    ignored = joined(sample.ignored, sample.boxes.select(~sure))
    ignored = ignored.select(overlaps_range(ignored.rows(), config.low, config.high))
    return replace(sample, points=points, boxes=sample.boxes.select(sure), ignored=ignored)


def _count_inside(positions: Float[Tensor, "p 3"], boxes: Boxes3D) -> Int64[Tensor, " n"]:
    parts = boxes.rows().split(_BOXES_AT_ONCE)
    return torch.cat([points_in_boxes(positions, part).sum(1) for part in parts])


def _grid(rows: Float64[Tensor, "n 7"]) -> Float64[Tensor, "n k 3"]:
    """Points spread over each box, from face to face, its centre among them."""
    steps = [torch.linspace(-0.5, 0.5, count, dtype=torch.float64) for count in _BOX_SAMPLES]
    unit = torch.cartesian_prod(*steps)
    local = unit * rows[:, None, 3:6]
    return local @ matrix_from_yaw(rows[:, 6]).transpose(1, 2) + rows[:, None, :3]


def _widest_slope(lens: Intrinsics) -> float:
    """Tangent of the angle to the axis up to which a lens model is one to one.

    Beyond it, a polynomial distortion can turn back, so that directions far outside the view
    project into the image.
    """
    if lens.is_pinhole:
        return math.inf
    slopes = torch.tan(torch.linspace(0, 89.9, 900, dtype=torch.float64).deg2rad())
    around = torch.arange(8, dtype=torch.float64) * math.pi / 4
    x, y = torch.cos(around)[:, None] * slopes, torch.sin(around)[:, None] * slopes
    pixels, _ = lens.project(torch.stack([x, y, torch.ones_like(x)], dim=-1))
    offsets = pixels - pixels.new_tensor([lens.cx, lens.cy])
    distances = torch.linalg.vector_norm(offsets / pixels.new_tensor([lens.fx, lens.fy]), dim=-1)
    turns = (distances.diff(dim=1) <= 0).any(0).nonzero()
    return slopes[int(turns[0, 0])].item() if len(turns) else math.inf
