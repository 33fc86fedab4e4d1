"""Boxes over photos: they enclose their points, and what is behind the camera stays away."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from sparse3d.geometry.boxes import points_in_boxes
from sparse3d.geometry.intrinsics import Intrinsics
from sparse3d.geometry.transforms import invert_rigid, rigid, transform_points
from sparse3d.scene import Boxes3D, Camera, PointCloud
from sparse3d.scene.formats.registry import open_scene
from sparse3d.view.camera_boxes import camera_boxes_picture, cut_to_view
from sparse3d.view.canvas import DETECTION, TRUTH

LENS = Intrinsics(200, 120, 100.0, 100.0, 100.0, 60.0)
AXES = torch.tensor([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]], dtype=torch.float64)
"""Of a camera that looks along x: its own axes right, down, forward as columns."""
POSE = rigid(AXES, torch.tensor([0.3, -0.2, 1.5], dtype=torch.float64))
CAMERA = Camera("front", LENS, POSE)
IDENTITY = torch.eye(4, dtype=torch.float64)
BLACK = torch.zeros(120, 200, 3)


def boxes(*rows: tuple[float, ...], scores: list[float] | None = None) -> Boxes3D:
    values = torch.tensor(rows).reshape(-1, 7)
    score = None if scores is None else torch.tensor(scores)
    return Boxes3D(values[:, :3], values[:, 3:6], values[:, 6], ("Car",) * len(rows), score)


def drawn(image: Tensor, color: tuple[int, ...], height: int = 120) -> Tensor:
    """Centres of the pixels of a colour, legend left out: x, y."""
    near = (image[:height].int() - torch.tensor(color[:3])).abs().amax(2) < 90
    return near.nonzero().flip(1).double() + 0.5


def seen_points(camera: Camera, inside: Boxes3D, world_from_ego: Tensor = IDENTITY) -> Tensor:
    """Pixels of many points within a box that are in front of the camera and in its picture."""
    rng = torch.Generator().manual_seed(5)
    row = inside.rows().double()[0]
    cloud = row[:3] + (torch.rand(60_000, 3, generator=rng).double() - 0.5) * row[3:6].norm()
    within = cloud[points_in_boxes(cloud, row[None])[0]]
    view = invert_rigid(camera.world_from_camera) @ world_from_ego
    pixels, front = camera.intrinsics.project(transform_points(view, within))
    limits = pixels.new_tensor([camera.intrinsics.width, camera.intrinsics.height])
    return pixels[front & ((pixels >= 0) & (pixels < limits)).all(1)]


def assert_around(lines: Tensor, points: Tensor) -> None:
    """Lines enclose points, and nothing more; a gap of a dash may be at a corner."""
    assert len(points) > 1000
    assert (lines.amin(0) - points.amin(0)).abs().max() < 3.5
    assert (lines.amax(0) - points.amax(0)).abs().max() < 3.5


@pytest.mark.parametrize(
    "row",
    [
        (9.0, 1.0, 1.0, 4.0, 2.0, 1.5, 0.7),
        (14.0, -3.0, 1.8, 2.0, 1.0, 3.0, -2.4),
        (6.0, 0.0, 0.8, 4.0, 1.0, 1.0, 1.5707),
    ],
)
@pytest.mark.parametrize("turn", [0.0, 1.1])
def test_a_box_encloses_its_points_tightly(row: tuple[float, ...], turn: float) -> None:
    spin = torch.tensor(
        [[math.cos(turn), -math.sin(turn), 0], [math.sin(turn), math.cos(turn), 0], [0, 0, 1]],
        dtype=torch.float64,
    )
    moved = rigid(spin, torch.tensor([20.0, -7.0, 2.0], dtype=torch.float64))
    camera = replace(CAMERA, world_from_camera=moved @ POSE)  # the frame moves, too
    one = boxes(row)
    picture = camera_boxes_picture(camera, moved, BLACK, one, None)
    assert_around(drawn(picture, TRUTH.color), seen_points(camera, one, moved))


def test_lens_distortion_bends_the_lines() -> None:
    lens = replace(LENS, lens="opencv", distortion=(-0.25, 0.05))
    camera = replace(CAMERA, intrinsics=lens)
    one = boxes((5.0, 1.0, 1.0, 3.0, 4.0, 2.5, 0.2))
    picture = camera_boxes_picture(camera, IDENTITY, BLACK, one, None)
    assert_around(drawn(picture, TRUTH.color), seen_points(camera, one))


def test_a_box_beside_the_camera_is_cut_where_the_picture_ends() -> None:
    """Four of its corners are behind the camera."""
    beside = boxes((1.0, 2.0, 0.8, 5.0, 1.8, 1.5, 0.0))
    picture = camera_boxes_picture(CAMERA, IDENTITY, BLACK, None, beside)
    lines, points = drawn(picture, DETECTION.color), seen_points(CAMERA, beside)
    assert len(points) > 100
    assert lines[:, 0].max() == pytest.approx(float(points[:, 0].max()), abs=3)
    assert lines[:, 0].min() < 2  # on to the left edge
    assert lines[:, 0].max() < 90


def test_what_is_behind_or_beside_is_not_drawn() -> None:
    away = boxes((-9.0, 1.0, 1.0, 4.0, 2.0, 1.5, 0.7), (5.0, 40.0, 1.0, 4.0, 2.0, 1.5, 0.7))
    both = camera_boxes_picture(CAMERA, IDENTITY, BLACK, away, away)
    assert torch.equal(both, camera_boxes_picture(CAMERA, IDENTITY, BLACK, boxes(), boxes()))


def test_a_box_around_the_camera_does_no_harm() -> None:
    around = boxes((0.0, 0.0, 1.5, 6.0, 6.0, 4.0, 0.4), scores=[0.9])
    picture = camera_boxes_picture(CAMERA, IDENTITY, BLACK, around, around)
    assert picture.shape == (150, 200, 3)


def test_truth_is_dashed_and_the_tick_tells_the_front() -> None:
    ahead, towards = ((9.0, 0.0, 1.0, 4.0, 2.0, 1.5, yaw) for yaw in (0.0, math.pi))
    images = [
        camera_boxes_picture(CAMERA, IDENTITY, BLACK, boxes(row), None) for row in (ahead, towards)
    ]
    assert len(drawn(images[0], TRUTH.color)) > 50
    assert not torch.equal(*images)
    dashes = len(drawn(images[0], TRUTH.color))
    whole = camera_boxes_picture(CAMERA, IDENTITY, BLACK, None, boxes(ahead))
    assert dashes < 0.9 * len(drawn(whole, DETECTION.color))


def test_points_stand_in_for_a_photo() -> None:
    cloud = PointCloud(torch.tensor([[10.0, 2.0, 1.0], [30.0, -5.0, 2.0], [-5.0, 0.0, 1.0]]))
    odd = PointCloud(torch.cat([cloud.positions, torch.tensor([[math.nan, 0.0, 0.0]])]))
    without = camera_boxes_picture(CAMERA, IDENTITY, None, None, None)
    picture = camera_boxes_picture(CAMERA, IDENTITY, None, None, None, odd)
    changed = (picture != without).any(2).nonzero().flip(1).double() + 0.5
    view = transform_points(invert_rigid(POSE), cloud.positions[:2].double())
    expected = LENS.project(view)[0]
    assert torch.cdist(expected, changed).amin(1).max() < 1.5
    assert torch.cdist(changed, expected).amin(1).max() < 3
    near, far = (picture[int(y), int(x)].sum() for x, y in expected.tolist())
    assert near > far  # light is near
    photo = camera_boxes_picture(CAMERA, IDENTITY, BLACK, None, None, odd)
    assert int(photo[:120].max()) == 0


def test_a_photo_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="the photo is 100x120, its camera 200x120"):
        camera_boxes_picture(CAMERA, IDENTITY, torch.zeros(120, 100, 3), None, None)


def test_boxes_that_are_not_finite_are_refused() -> None:
    broken = boxes((5.0, math.inf, 0.0, 4.0, 2.0, 2.0, 0.0))
    with pytest.raises(ValueError, match="boxes must be finite, row 0"):
        camera_boxes_picture(CAMERA, IDENTITY, BLACK, broken, None)


def test_segments_keep_exactly_what_is_in_view() -> None:
    """Against a count of many points along each segment."""
    rng = torch.Generator().manual_seed(1)
    segments = (torch.rand(300, 2, 3, generator=rng).double() - 0.5) * 20
    cut, seen = cut_to_view(segments, LENS)
    shares = torch.linspace(0, 1, 4001, dtype=torch.float64)[:, None]
    along = segments[:, :1] + shares * (segments[:, 1:] - segments[:, :1])
    x, y, z = along.unbind(2)
    half = torch.tensor([1.0, 0.6]).double() * 1.05  # half extent over focal length, and margin
    inside = (z >= 0.1) & (x.abs() <= half[0] * z) & (y.abs() <= half[1] * z)
    assert 0.1 < float(inside.any(1).double().mean()) < 0.9
    lengths = inside.double().mean(1) * (segments[:, 1] - segments[:, 0]).norm(dim=1)
    kept = (cut[:, 1] - cut[:, 0]).norm(dim=1) * seen
    assert (kept - lengths).abs().max() < 0.03
    assert bool((inside.any(1) <= seen).all())


def test_real_labels_enclose_the_points_of_real_cars(shared_data: Path) -> None:
    scene = open_scene(shared_data / "kitti_mini")
    frame = next(frame for frame in scene.frames if frame.name == "000008")
    truth, cloud, camera = frame.read_boxes(), frame.read_points(), frame.cameras[0]
    assert truth is not None
    assert cloud is not None
    view = invert_rigid(camera.world_from_camera) @ frame.pose()
    black = torch.zeros(camera.intrinsics.height, camera.intrinsics.width, 3)
    checked = 0
    for row in range(len(truth)):
        one = truth.select(torch.tensor([row]))
        inside = points_in_boxes(cloud.positions, one.rows())[0]
        local = transform_points(view, cloud.positions[inside].double())
        pixels, front = camera.intrinsics.project(local)
        size = pixels.new_tensor([camera.intrinsics.width, camera.intrinsics.height])
        shown = pixels[front & ((pixels >= 0) & (pixels < size)).all(1)]
        picture = camera_boxes_picture(camera, frame.pose(), black, None, one)
        lines = drawn(picture, DETECTION.color, camera.intrinsics.height)
        assert (shown >= lines.amin(0) - 2).all(), row
        assert (shown <= lines.amax(0) + 2).all(), row
        checked += len(shown)
    assert checked > 1000
