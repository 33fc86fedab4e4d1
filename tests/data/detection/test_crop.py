"""Ranges against brute force, camera views against projection by hand, folding lenses."""

import math

import pytest
import torch
from torch import Tensor

from sparse3d.data.detection.config import DataConfig
from sparse3d.data.detection.crop import (
    boxes_in_view,
    crop_to_range,
    overlaps_range,
    points_in_view,
)
from sparse3d.data.detection.sample import Sample
from sparse3d.geometry.boxes import in_range
from sparse3d.geometry.intrinsics import Intrinsics
from sparse3d.geometry.rotations import matrix_from_axis_angle
from sparse3d.geometry.transforms import rigid
from sparse3d.scene import Boxes3D, Camera, ImageBoxes, PointCloud

LOW, HIGH = (0.0, -4.0, -3.0), (8.0, 4.0, 1.0)
AHEAD = torch.tensor([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]], dtype=torch.float64)
"""Columns: axes of a camera that looks along x of the LiDAR frame."""


def boxes_at(*rows: tuple[float, ...], names: tuple[str, ...] | None = None) -> Boxes3D:
    values = torch.tensor(rows, dtype=torch.float32).reshape(-1, 7)
    named = names or ("Car",) * len(rows)
    return Boxes3D(values[:, :3], values[:, 3:6], values[:, 6], named)


def camera_at(lens: Intrinsics, position: tuple[float, float, float] = (0, 0, 0)) -> Camera:
    where = torch.tensor(position, dtype=torch.float64)
    return Camera("main", lens, rigid(AHEAD, where))


def grid_inside(row: Tensor, count: int = 60) -> Tensor:
    steps = (torch.arange(count) + 0.5) / count - 0.5
    local = torch.cartesian_prod(steps, steps, steps[::4]) * row[3:6]
    c, s = torch.cos(row[6]), torch.sin(row[6])
    x, y = c * local[:, 0] - s * local[:, 1], s * local[:, 0] + c * local[:, 1]
    return torch.stack([x, y, local[:, 2]], 1) + row[:3]


def test_range_holds_its_low_end_only() -> None:
    rows = [LOW, HIGH, (4, 0, 0), (-1e-3, 0, 0), (4, 4.01, 0), (4, 0, float("nan"))]
    positions = torch.tensor(rows, dtype=torch.float32)
    assert in_range(positions, LOW, HIGH).tolist() == [True, False, True, False, False, False]


def test_range_overlap_agrees_with_points_of_the_boxes() -> None:
    generator = torch.Generator().manual_seed(3)
    rows = torch.rand(150, 7, generator=generator)
    spread = torch.tensor([14.0, 14, 8, 5, 2, 2, 2 * math.pi])
    rows = rows * spread + torch.tensor([-3.0, -7, -5, 0.5, 0.5, 0.5, -math.pi])
    brute = torch.tensor([bool(in_range(grid_inside(row), LOW, HIGH).any()) for row in rows])
    found = overlaps_range(rows, LOW, HIGH)
    assert bool(found[brute].all())
    assert int(found.sum()) - int(brute.sum()) <= 3  # boxes that touch by less than a grid step
    assert 30 < int(brute.sum()) < 120


def test_a_slanted_box_beyond_a_corner_does_not_overlap() -> None:
    diagonal = (9.2, 5.2, 0.0, 6.0, 0.2, 1.0, -math.pi / 4)  # its bounding rectangle overlaps
    nearer = (8.0, 4.0, 0.0, 6.0, 0.2, 1.0, -math.pi / 4)
    found = overlaps_range(boxes_at(diagonal, nearer).rows(), LOW, HIGH)
    assert found.tolist() == [False, True]


def test_ranges_of_nothing() -> None:
    assert overlaps_range(boxes_at().rows(), LOW, HIGH).shape == (0,)
    assert in_range(torch.zeros(0, 3), LOW, HIGH).shape == (0,)
    camera = camera_at(Intrinsics(8, 6, 4.0, 4.0, 4.0, 3.0))
    pose = torch.eye(4, dtype=torch.float64)
    assert boxes_in_view(boxes_at(), camera, pose).shape == (0,)
    assert points_in_view(torch.zeros(0, 3), camera, pose).shape == (0,)


def test_view_of_a_camera_by_hand() -> None:
    """Image 100 x 50, f 50: 45 degrees either side, 26.6 degrees up and down."""
    camera = camera_at(Intrinsics(100, 50, 50.0, 50.0, 50.0, 25.0))
    pose = torch.eye(4, dtype=torch.float64)
    rows = [(10, 9.9, 0), (10, -9.9, 0), (10, 10.1, 0), (10, 0, 4.9), (10, 0, -4.9), (10, 0, 5.1)]
    rows += [(-10, 0, 0), (0, 0, 0), (-10, -9, 1)]
    seen = points_in_view(torch.tensor(rows, dtype=torch.float32), camera, pose)
    assert seen.tolist() == [True, True, False, True, True, False, False, False, False]


def test_view_does_not_depend_on_the_world() -> None:
    generator = torch.Generator().manual_seed(0)
    positions = torch.randn(500, 3, generator=generator) * 10
    camera = camera_at(Intrinsics(100, 50, 50.0, 50.0, 45.0, 30.0), (1.0, 0.5, -0.2))
    turn = matrix_from_axis_angle(torch.tensor([0.3, -0.7, 1.9], dtype=torch.float64))
    world_from_ego = rigid(turn, torch.tensor([1e3, -2e3, 50.0], dtype=torch.float64))
    moved = Camera("main", camera.intrinsics, world_from_ego @ camera.world_from_camera)
    plain = points_in_view(positions, camera, torch.eye(4, dtype=torch.float64))
    assert 20 < int(plain.sum()) < 480
    assert torch.equal(points_in_view(positions, moved, world_from_ego), plain)


@pytest.mark.parametrize(
    "lens",
    [
        Intrinsics(60, 48, 50.0, 50.0, 30.0, 24.0, "opencv", (-0.2, 0.01)),
        Intrinsics(100, 80, 40.0, 40.0, 50.0, 40.0, "fisheye", (0.05, -0.02)),
    ],
)
def test_lenses_that_fold_do_not_see_what_is_far_outside(lens: Intrinsics) -> None:
    steps = torch.linspace(-6, 6, 121)
    directions = torch.cartesian_prod(steps, steps)
    positions = torch.cat([torch.ones(len(directions), 1), directions], dim=1) * 5
    seen = points_in_view(positions, camera_at(lens), torch.eye(4, dtype=torch.float64))
    in_camera = torch.stack([-directions[:, 0], -directions[:, 1], torch.ones(121 * 121)], 1)
    pixels, _ = lens.project(in_camera.double())
    size = torch.tensor([lens.width, lens.height])
    inside = ((pixels >= 0) & (pixels < size)).all(1)
    back = lens.unproject(pixels)  # the one direction that the pixel shows
    true = inside & ((back - in_camera).norm(dim=1) < 1e-3)
    assert torch.equal(seen, true)
    assert int(true.sum()) > 50
    if lens.lens == "opencv":
        assert int(inside.sum()) > int(true.sum())  # some do fold back into the image


def test_boxes_in_view_by_parts_and_by_labels() -> None:
    camera = camera_at(Intrinsics(100, 50, 50.0, 50.0, 50.0, 25.0))
    pose = torch.eye(4, dtype=torch.float64)
    boxes = boxes_at(
        (10, 0, 0, 4, 2, 2, 0),  # ahead
        (10, 11.5, 0, 4, 2, 2, 0),  # centre outside, far right edge inside
        (10, 14.5, 0, 4, 2, 2, 0),  # all outside
        (10, 14.5, 0, 4, 2, 2, math.pi / 4),  # all outside, nearer by its corner
        (-10, 0, 0, 4, 2, 2, 0),  # behind
        (1, 0, 0, 40, 20, 20, 0),  # around the camera
    )
    expected = [True, True, False, False, False, True]
    assert boxes_in_view(boxes, camera, pose).tolist() == expected
    rectangles = torch.full((6, 4), -1.0)
    rectangles[2] = torch.tensor([90.0, 10, 110, 20])
    rectangles[3] = torch.tensor([100.0, 10, 120, 20])
    image = ImageBoxes(
        rectangles, torch.zeros(6), torch.zeros(6), torch.zeros(6, dtype=torch.int32)
    )
    labelled = Boxes3D(boxes.centers, boxes.sizes, boxes.yaws, boxes.names, image=image)
    assert boxes_in_view(labelled, camera, pose).tolist() == [True, True, True, False, False, True]


def sample_of(points: Tensor, boxes: Boxes3D, ignored: Boxes3D) -> Sample:
    cloud = PointCloud(points, intensities=torch.zeros(len(points)))
    return Sample("one", cloud, boxes, ignored)


def test_boxes_over_the_border_or_without_points_are_ignored() -> None:
    boxes = boxes_at(
        (4, 0, 0, 2, 2, 2, 0),
        (8.5, 0, 0, 2, 2, 2, 0),  # centre outside
        (20, 0, 0, 2, 2, 2, 0),  # all outside
        (2, 3, 0, 1, 1, 1, 0.5),  # one point inside
        names=("Car", "Cyclist", "Car", "Pedestrian"),
    )
    ignored = boxes_at((5, -3, 0, 1, 1, 1, 0), (30, 0, 0, 1, 1, 1, 0), names=("Van", "Truck"))
    points = torch.tensor([[4, 0, 0], [4.9, 0.9, 0], [2, 3, 0], [8.2, 0, 0], [20, 0, 0]])
    sample = sample_of(points, boxes, ignored)
    config = DataConfig(low=LOW, high=HIGH, min_points=2)
    cropped = crop_to_range(sample, config)
    assert cropped.points.positions.tolist() == points[:3].tolist()
    assert cropped.boxes.names == ("Car",)
    assert cropped.ignored.names == ("Van", "Cyclist", "Pedestrian")
    all_kept = crop_to_range(sample, DataConfig(low=LOW, high=HIGH, min_points=1))
    assert all_kept.boxes.names == ("Car", "Pedestrian")
    again = crop_to_range(cropped, config)
    assert (again.boxes.names, again.ignored.names) == (cropped.boxes.names, cropped.ignored.names)


def test_cropping_everything_away_leaves_empty_parts() -> None:
    sample = sample_of(torch.full((3, 3), 50.0), boxes_at((50, 50, 50, 1, 1, 1, 0)), boxes_at())
    cropped = crop_to_range(sample, DataConfig(low=LOW, high=HIGH))
    assert len(cropped.points) == len(cropped.boxes) == len(cropped.ignored) == 0
