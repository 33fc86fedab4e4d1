"""Parts of the street simulator on worlds made by hand: shapes, beams, returns, labels."""

import math

import numpy as np
import pytest
import torch

from sparse3d.data.simulate.street import shapes
from sparse3d.data.simulate.street.frames import front_camera
from sparse3d.data.simulate.street.labels import (
    hidden_shares,
    image_boxes,
    in_view,
    occlusion_levels,
    tight_boxes,
)
from sparse3d.data.simulate.street.people import cyclist, pedestrian
from sparse3d.data.simulate.street.sensors import HDL64E, LidarModel, Shadow
from sparse3d.data.simulate.street.shapes import Shape
from sparse3d.data.simulate.street.stage import Stage
from sparse3d.data.simulate.street.sweep import Sweep, take_sweep
from sparse3d.data.simulate.street.things import Finish, Surface, Thing, merged
from sparse3d.data.simulate.street.vehicles import car, truck, van
from sparse3d.geometry.boxes import box_corners
from sparse3d.geometry.rotations import matrix_from_yaw
from sparse3d.geometry.transforms import invert_rigid, rigid, transform_points
from sparse3d.scene import Boxes3D, PointCloud

BRIGHT = Finish((0.5, 0.5, 0.5), 0.5, 1e4, 0.0)
IDENTITY = torch.eye(4, dtype=torch.float64)
QUIET = LidarModel(
    (10.0, 0.0, -10.0), (0.2, 0.1, 0.1), 360, noise=0.0, bias=0.0, jitter=0.0, gain=0.0
)


def cuboid(x: float, y: float, z: float, size: tuple[float, float, float], name: str = "Car"):
    """A named box on its bottom centre."""
    shape = shapes.boxes([(0, 0, size[2] / 2)], [size])
    return Thing((Surface(shape, BRIGHT),), name).placed(x, y, z)


def rng() -> np.random.Generator:
    return np.random.default_rng(5)


def volume(shape: Shape) -> float:
    a, b, c = (shape.vertices[shape.triangles[:, i]] for i in range(3))
    return float((np.cross(a, b) * c).sum() / 6)


def shell_of_a_car() -> Shape:
    painted, glass = car(rng()).surfaces[:2]
    vertices = painted.shape.vertices
    return Shape(vertices, np.concatenate([painted.shape.triangles, glass.shape.triangles]))


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        (shapes.boxes([(1, 2, 3), (9, 9, 9)], [(1, 2, 3), (1, 1, 1)]), 7.0),
        (shapes.ball(16).scaled(0.5, 0.5, 0.5), 4 / 3 * math.pi * 0.125),
        (shapes.cylinder(32).scaled(0.5, 0.5, 2.0), math.pi * 0.25 * 2),
        (shapes.tube([(0, 0, 0), (0, 0, 2)], (0.5, 0.5), 64), math.pi * 0.25 * 2),
        (shapes.tube([(1, 0, 0), (3, 1, 2)], (0.5, 0.5), 64), math.pi * 0.25 * 3),
        (shapes.tube([(0, 1, 0), (0, -1, -0.1)], (0.3, 0.3), 64), math.pi * 0.09 * 2.0),
        (shapes.ring(1, 1, 1.0, 0.1, 64), math.pi * (1 - 0.81) * 0.1),
        (shell_of_a_car(), None),
    ],
)
def test_shapes_are_closed_and_turned_outwards(shape: Shape, expected: float | None) -> None:
    edges = shape.triangles[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
    forward = {tuple(edge) for edge in edges.tolist()}
    assert len(forward) == len(edges)
    assert forward == {(b, a) for a, b in forward}
    if expected is None:
        assert 4 < volume(shape) < 12
    else:
        assert volume(shape) == pytest.approx(expected, rel=0.02)


def test_a_sheet_faces_up_and_moving_turns_about_z() -> None:
    sheet = shapes.sheet(np.arange(3.0), np.arange(4.0), np.zeros((3, 4)))
    a, b, c = (sheet.vertices[sheet.triangles[:, i]] for i in range(3))
    normals = np.cross(b - a, c - a)
    np.testing.assert_allclose(normals, np.tile([0, 0, 1.0], (12, 1)))
    moved = Shape(np.array([[1.0, 0, 0]]), sheet.triangles).moved(5, 6, 7, math.pi / 2)
    np.testing.assert_allclose(moved.vertices, [[5, 7, 7]], atol=1e-12)


def test_surfaces_of_one_finish_become_one() -> None:
    a, b = shapes.boxes([(0, 0, 0)], [(1, 1, 1)]), shapes.boxes([(3, 0, 0)], [(1, 1, 2)])
    other = Finish((0.0, 0.0, 0.0), 0.1, 5.0)
    joined = merged([Surface(a, BRIGHT), Surface(a, other), Surface(b, BRIGHT)])
    assert [s.finish for s in joined] == [BRIGHT, other]
    assert volume(joined[0].shape) == pytest.approx(3)


def test_objects_have_plausible_sizes() -> None:
    draw = rng()
    cars = np.array([car(draw).size() for _ in range(300)])
    assert np.all(cars.min(0) >= (2.4, 1.35, 1.3))
    assert np.all(cars.max(0) <= (5.0, 1.95, 1.95))
    assert np.all(np.abs(cars.mean(0) - (3.95, 1.62, 1.53)) < (0.15, 0.05, 0.05))
    for make, low, high in (
        (van, (4.2, 1.7, 1.8), (6, 2.1, 2.6)),
        (truck, (5.8, 2.2, 2.7), (11.5, 2.7, 3.8)),
        (pedestrian, (0.2, 0.4, 1.2), (1.3, 0.95, 2.05)),
        (cyclist, (1.6, 0.4, 1.5), (1.9, 0.8, 2.0)),
    ):
        sizes = np.array([make(draw).size() for _ in range(40)])
        assert np.all(sizes >= np.array(low)), (make, sizes.min(0))
        assert np.all(sizes <= np.array(high)), (make, sizes.max(0))
        assert len(np.unique(sizes, axis=0)) > 20


def test_beams_go_from_the_top_and_columns_counter_clockwise() -> None:
    origins, directions = HDL64E.rays(rng())
    assert directions.shape == (64, 2005, 3)
    np.testing.assert_allclose(np.linalg.norm(directions, axis=-1), 1, atol=1e-6)
    elevation = np.degrees(np.arcsin(directions[:, 0, 2]))
    np.testing.assert_allclose(elevation, HDL64E.elevations, atol=0.05)
    assert np.all(np.diff(HDL64E.elevations) < 0)
    assert np.all(np.ptp(directions[..., 2], axis=1) == 0)
    azimuth = np.degrees(np.arctan2(directions[..., 1], directions[..., 0])) % 360
    np.testing.assert_allclose(np.diff(azimuth, axis=1), 360 / 2005, atol=1e-3)
    assert np.all(azimuth[:, 0] < 360 / 2005)
    assert origins[0, 0, 2] == pytest.approx(0.209)
    assert origins[32, 0, 2] == pytest.approx(0.126)
    assert not origins[..., :2].any()


def test_shadows_may_pass_straight_ahead() -> None:
    shadow = Shadow(-20, -5, ((350, 370), (90, 100)))
    lidar = LidarModel((0.0, -10.0), (0.0, 0.0), 360, shadows=(shadow,))
    hidden = np.ones((2, 360), bool)
    hidden.reshape(-1)[lidar.seen()] = False
    assert not hidden[0].any()
    assert hidden[1].nonzero()[0].tolist() == [*range(10), *range(90, 100), *range(350, 360)]


def sweep_of(things: list[Thing], lidar: LidarModel = QUIET, pose=IDENTITY) -> tuple[Stage, Sweep]:
    pytest.importorskip("open3d")
    stage = Stage(things, [])
    return stage, take_sweep(stage.caster, stage.finishes, lidar, pose, rng())


def test_returns_lie_where_the_beams_meet_the_world() -> None:
    floor = cuboid(0, 0, -3, (200, 200, 1))  # its top at z = -2
    wall = cuboid(20.5, 0, -10, (1, 400, 50))  # its front at x = 20
    stage, sweep = sweep_of([floor, wall])
    points, owners = sweep.points, stage.owners(sweep.parts)
    assert points.rings is not None
    low = points.rings == 2
    radius = points.positions[low & (owners == 0), :2].norm(dim=1)
    expected = 2.1 / math.tan(math.radians(10))  # from a beam that starts 0.1 m up
    torch.testing.assert_close(radius, torch.full_like(radius, expected), atol=2e-3, rtol=0)
    assert len(radius) == 360
    ahead = points.positions[owners == 1]
    torch.testing.assert_close(ahead[:, 0], torch.full((len(ahead),), 20.0), atol=2e-3, rtol=0)
    level = points.positions[(points.rings == 1) & (owners == 1), 2]
    torch.testing.assert_close(level, torch.full_like(level, 0.1))
    assert (points.rings == 0).sum() == (stage.owners(sweep.parts)[points.rings == 0] == 1).sum()


def test_points_are_in_the_frame_of_the_sensor() -> None:
    wall = cuboid(50, 7.5, 0, (1000, 1, 100))  # its front at y = 7
    pose = rigid(
        matrix_from_yaw(torch.tensor(math.pi / 2).double()), torch.tensor([40.0, 2, 30]).double()
    )
    _, sweep = sweep_of([wall], pose=pose)
    x = sweep.points.positions[:, 0]  # the world's y is ahead
    torch.testing.assert_close(x, torch.full_like(x, 5.0), atol=2e-3, rtol=0)


@pytest.mark.parametrize(
    ("reach", "least", "most"), [(1e4, 1.0, 1.0), (20.0, 0.4, 0.6), (4.0, 0.0, 0.03)]
)
def test_returns_fall_with_range_over_reach(reach: float, least: float, most: float) -> None:
    lidar = LidarModel((0.0,) * 12, (0.0,) * 12, 720, jitter=0.0)
    finish = Finish((0.0, 0.0, 0.0), 0.5, reach, 0.0)
    ball = Surface(shapes.ball(24).scaled(20, 20, 20), finish)
    _, sweep = sweep_of([Thing((ball,), "Car")], lidar)
    assert least <= len(sweep.points) / (12 * 720) <= most


def test_panes_let_little_through_and_nothing_is_met_behind_two() -> None:
    glass = Finish((0.0, 0.0, 0.0), 0.0, 1e4, 0.0, glass=True)
    lidar = LidarModel((0.0,) * 12, (0.0,) * 12, 720, jitter=0.0)

    def shell(radius: float, finish: Finish, name: str) -> Thing:
        return Thing((Surface(shapes.ball(24).scaled(radius, radius, radius), finish),), name)

    one, sweep = sweep_of([shell(5, glass, "pane"), shell(10, BRIGHT, "wall")], lidar)
    owners = one.owners(sweep.parts)
    rays = 12 * 720
    assert 0.1 < (owners == 1).sum() / rays < 0.25
    assert 0.05 < (owners == 0).sum() / rays < 0.25
    assert sweep.points.positions[owners == 1].norm(dim=1).min() > 9.8
    panes = [shell(5, glass, "pane"), shell(6, glass, "pane"), shell(10, BRIGHT, "wall")]
    two, sweep = sweep_of(panes, lidar)
    assert set(two.owners(sweep.parts).tolist()) == {0}


def test_an_empty_world_gives_an_empty_sweep() -> None:
    far = cuboid(0, 0, -500, (1, 1, 1))
    _, sweep = sweep_of([far])
    assert len(sweep.points) == 0


def test_boxes_are_tight_and_upright_in_the_frame_of_the_sensor() -> None:
    thing = Thing(cuboid(0, 0, 0, (4.0, 1.5, 1.4)).surfaces, "Van").placed(10, 3, -1, 0.4)
    pose = rigid(matrix_from_yaw(torch.tensor(0.9).double()), torch.tensor([1.0, 2, 0.5]).double())
    boxes = tight_boxes([thing], pose)
    assert boxes.names == ("Van",)
    torch.testing.assert_close(boxes.sizes[0], torch.tensor([4.0, 1.5, 1.4]))
    assert float(boxes.yaws[0]) == pytest.approx(0.4 - 0.9, abs=1e-6)
    world = transform_points(pose, boxes.centers.double())
    torch.testing.assert_close(world[0], torch.tensor([10, 3, -0.3]).double(), atol=1e-5, rtol=0)
    assert len(tight_boxes([], pose)) == 0


def test_hidden_share_is_what_others_hide_of_what_one_sees_alone() -> None:
    pytest.importorskip("open3d")
    size = (1.0, 4.0, 4.0)
    front = cuboid(10, 0, -2, (0.2, 2.0, 30.0), "")  # hides |y| < 2 at 20 m
    half = cuboid(20.5, 2.0, -2, size)  # from y = 0 to 4
    free, behind = cuboid(20.5, -8, -2, size), cuboid(40, 0, -1, (1.0, 1.0, 1.0))
    stage = Stage([half, free, front, behind], [])
    everything = torch.ones(3, dtype=torch.bool)
    eye = torch.zeros(3, dtype=torch.float64)
    shares = hidden_shares(stage, eye, everything, rng())
    assert shares[0] == pytest.approx(0.5, abs=0.12)
    assert shares[1] == 0
    assert shares[2] == 1
    counts = torch.tensor([100, 5, 4])
    assert occlusion_levels(shares, counts).tolist() == [int(shares[0] >= 0.5) + 1, 0, 3]
    levels = occlusion_levels(torch.tensor([0.0, 0.1, 0.2, 0.49, 0.6, 1.0]), torch.full((6,), 9))
    assert levels.tolist() == [0, 0, 1, 1, 2, 2]
    last = hidden_shares(stage, eye, torch.tensor([False, True, False]), rng())
    assert last.tolist() == [1, 0, 1]
    assert hidden_shares(Stage([front], []), eye, everything[:0], rng()).shape == (0,)


def boxes_at(*places: tuple[float, float]) -> Boxes3D:
    centers = torch.tensor([(x, y, -0.8) for x, y in places])
    count = len(places)
    return Boxes3D(
        centers,
        torch.tensor([[4.0, 1.6, 1.5]]).repeat(count, 1),
        torch.zeros(count),
        ("Car",) * count,
    )


def test_truncation_is_the_share_of_the_rectangle_outside_of_the_image() -> None:
    camera = front_camera("image_2")
    # ahead, across the left border, behind, beside
    boxes = boxes_at((20, 0), (10, 7.5), (-10, 0), (3, 30))
    image = image_boxes(boxes, camera, torch.zeros(4, dtype=torch.int32))
    corners = transform_points(
        invert_rigid(camera.world_from_camera), box_corners(boxes.rows()).double().reshape(-1, 3)
    )
    pixels = camera.intrinsics.project(corners)[0].reshape(4, 8, 2)
    low, high = pixels.amin(1), pixels.amax(1)
    assert image.truncations[0] == 0
    torch.testing.assert_close(
        image.rectangles[0].double(), torch.cat([low[0], high[0]]), atol=1e-3, rtol=0
    )
    assert low[1, 0] < 0 < high[1, 0]
    share = -low[1, 0] / (high[1, 0] - low[1, 0])  # in this place only the left is cut
    assert image.truncations[1] == pytest.approx(float(share), abs=1e-3)
    assert image.rectangles[1, 0] == 0
    assert image.truncations[2:].tolist() == [1, 1]
    assert (image.rectangles[2:] == -1).all()
    assert image.alphas[0] == pytest.approx(-math.pi / 2, abs=1e-6)


def test_objects_count_as_seen_with_a_point_in_the_image() -> None:
    camera = front_camera("image_2")
    boxes = boxes_at((20, 0), (10, 7.5), (-10, 0), (30, 2))
    image = image_boxes(boxes, camera, torch.zeros(4, dtype=torch.int32))
    # on the first; on the second, but left of the image; on the third; on the ground
    places = torch.tensor([[18.0, 0, -0.5], [8.5, 8, -0.5], [-9, 0, -0.5], [30, 2, -1.5]])
    owners = torch.tensor([0, 1, 2, -1])
    assert in_view(image, PointCloud(places), owners, camera).tolist() == [
        True,
        False,
        False,
        False,
    ]
