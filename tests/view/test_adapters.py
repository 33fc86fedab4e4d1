"""What scenes show, as plain data."""

import math
from dataclasses import replace
from typing import get_args

import pytest
import torch

from sparse3d.errors import ConfigError
from sparse3d.geometry.intrinsics import Intrinsics
from sparse3d.geometry.transforms import invert_rigid, look_at, transform_points
from sparse3d.scene import Boxes3D, Camera, Frame, Gaussians, Mesh, PointCloud, Scene
from sparse3d.view import palette
from sparse3d.view.adapters import Kind, Selection, draw_scene, frusta, shown_frames

UP = torch.tensor([0.0, 0.0, 1.0])
BENT = Intrinsics(60, 40, 50.0, 52.0, 29.0, 21.0, "opencv", (0.1, -0.03, 0.002, 0.001))

FISHEYE = Intrinsics(50, 30, 20.0, 20.0, 25.0, 15.0, "fisheye", (0.1,))


def camera(name: str = "a", lens: Intrinsics = BENT) -> Camera:
    place, target, up = torch.tensor([[1.0, 2, 3], [-2, 4, 1], [0, 0, 1]], dtype=torch.float64)
    return Camera(name, lens, look_at(place, target, up))


def boxes() -> Boxes3D:
    return Boxes3D(
        torch.tensor([[10.0, 2, 1], [20, -3, 0.5]]),
        torch.tensor([[4.0, 2, 1.5], [1, 0.6, 1.8]]),
        torch.tensor([0.4, -2.0]),
        ("Car", "Gnu"),
    )


def recording() -> Scene:
    turn = torch.tensor(
        [[0.0, -1, 0, 5], [1, 0, 0, 6], [0, 0, 1, 7], [0, 0, 0, 1]], dtype=torch.float64
    )
    sweep = PointCloud(torch.tensor([[1.0, 0, 0], [0, 2, 0], [0, 0, 3]]))
    one = Frame("000001", (camera("c1"),), sweep, boxes(), turn)
    two = replace(one, name="000002", cameras=(camera("c2"),), points=None)
    return Scene("r", (one, two), metric=True)


@pytest.mark.parametrize(
    "lens", [BENT, Intrinsics(50, 30, 20.0, 20.0, 25.0, 15.0, "fisheye", (0.1,))]
)
def test_a_frustum_ends_at_the_corners_of_the_image(lens: Intrinsics) -> None:
    cam = camera(lens=lens)
    starts, ends = frusta([cam], depth=2.5)
    local = transform_points(invert_rigid(cam.world_from_camera), ends[:4].double())
    seen, _ = lens.project(local)
    w, h = lens.width, lens.height
    corners = torch.tensor([[0, 0], [w, 0], [w, h], [0, h]], dtype=torch.float64)
    torch.testing.assert_close(seen, corners, atol=1e-4, rtol=0)
    torch.testing.assert_close(local[:, 2], torch.full((4,), 2.5).double(), atol=1e-5, rtol=0)
    assert torch.equal(starts[:4], cam.world_from_camera[:3, 3].float().expand(4, 3))


def test_a_frustum_s_gable_is_on_its_upper_side() -> None:
    level = Camera("l", BENT, torch.eye(4, dtype=torch.float64))
    _, ends = frusta([level], depth=1.0)
    assert float(ends[8, 1]) < float(ends[:8, 1].min())  # y is down


def test_held_out_cameras_have_another_colour() -> None:
    frames = (Frame("a", (camera("a"),), split="train"), Frame("b", (camera("b"),), split="test"))
    drawing = draw_scene(Scene("s", frames), UP)
    colors = [tuple(lines.colors[0].tolist()) for lines in drawing.lines]
    assert colors == [pytest.approx(palette.CAMERA), pytest.approx(palette.TEST_CAMERA)]


def test_the_camera_of_the_picture_is_left_out() -> None:
    scene = Scene("s", (Frame("a", (camera("a"),)), Frame("b", (camera("b"),))))
    both = draw_scene(scene, UP).lines[0]
    one = draw_scene(scene, UP, Selection(through="a")).lines[0]
    assert (len(both.starts), len(one.starts)) == (20, 10)


def test_a_sweep_and_its_boxes_move_with_their_frame() -> None:
    scene = recording()
    drawing = draw_scene(scene, UP, Selection(hide=frozenset(["cameras"])))
    expected = torch.tensor([[5.0, 7, 7], [3, 6, 7], [5, 6, 10]])
    assert torch.equal(drawing.points[0].positions, expected)
    (lines,) = drawing.lines
    ends = torch.cat([lines.starts[:14], lines.ends[:14]])
    middle = (ends.amin(0) + ends.amax(0)) / 2
    torch.testing.assert_close(middle, torch.tensor([5.0 - 2, 6 + 10, 7 + 1]))
    lengths = (lines.starts - lines.ends).norm(dim=1)[:12]
    wanted = torch.tensor([4.0, 2, 1.5]).repeat(4).sort().values
    torch.testing.assert_close(lengths.sort().values, wanted)


def test_classes_have_their_colours() -> None:
    drawing = draw_scene(recording(), UP, Selection(hide=frozenset(["cameras"])))
    first, second = drawing.lines[0].colors[:14], drawing.lines[0].colors[14:]
    assert first.unique(dim=0).shape == second.unique(dim=0).shape == (1, 3)
    assert tuple(first[0].tolist()) == pytest.approx(palette.class_color("Car"))
    assert tuple(second[0].tolist()) == pytest.approx(palette.class_color("Gnu"))
    assert palette.class_color("Gnu") != palette.class_color("Gnat")


def test_one_moment_of_a_recording_is_shown_and_all_photos() -> None:
    scene = recording()
    assert [frame.name for frame in shown_frames(scene, None)] == ["000001"]
    assert [frame.name for frame in shown_frames(scene, "000002")] == ["000002"]
    assert [frame.name for frame in shown_frames(scene, "1")] == ["000002"]
    photos = Scene("p", tuple(Frame(str(i), (camera(str(i)),)) for i in range(3)))
    assert shown_frames(photos, None) == photos.frames
    assert shown_frames(Scene("empty"), None) == ()


@pytest.mark.parametrize("wrong", ["2", "-1", "x"])
def test_an_unknown_frame_is_named(wrong: str) -> None:
    with pytest.raises(ConfigError, match=f"no frame is named '{wrong}'; there are 2: 000001"):
        shown_frames(recording(), wrong)


def test_unknown_points_are_left_out() -> None:
    nan = math.nan
    positions = torch.tensor([[0.0, 0, 0], [nan, nan, nan], [1, 1, 1], [math.inf, 0, 0]])
    colors = torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1]])
    (points,) = draw_scene(Scene("s", points=PointCloud(positions, colors)), UP).points
    assert torch.equal(points.positions, positions[[0, 2]])
    assert torch.equal(points.colors, colors[[0, 2]])


def test_every_kind_can_be_hidden() -> None:
    splat = Gaussians(
        torch.zeros(1, 3), torch.eye(4)[:1], torch.zeros(1, 3), torch.ones(1), torch.zeros(1, 1, 3)
    )
    scene = replace(
        recording(),
        points=PointCloud(torch.zeros(1, 3)),
        mesh=Mesh(torch.eye(3), torch.tensor([[0, 1, 2]])),
        gaussians=splat,
    )
    full = draw_scene(scene, UP)
    assert (len(full.points), len(full.lines)) == (2, 2)
    assert (len(full.surfaces), len(full.gaussians)) == (1, 1)
    everything: frozenset[Kind] = frozenset(get_args(Kind))
    assert not draw_scene(scene, UP, Selection(hide=everything))
    without = draw_scene(scene, UP, Selection(hide=frozenset(["boxes", "points"])))
    assert (len(without.points), len(without.lines)) == (0, 1)


def test_empty_things_show_nothing() -> None:
    scene = Scene(
        "s",
        (Frame("f", points=PointCloud(torch.zeros(0, 3))),),
        points=PointCloud(torch.zeros(0, 3)),
        mesh=Mesh(torch.zeros(0, 3), torch.zeros(0, 3, dtype=torch.int32)),
    )
    assert not draw_scene(scene, UP)
