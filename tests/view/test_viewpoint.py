"""Viewpoints see what they promise to see."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sparse3d.errors import ConfigError
from sparse3d.geometry.intrinsics import Intrinsics
from sparse3d.geometry.transforms import invert_rigid, look_at, transform_points
from sparse3d.scene import Camera, Frame, Gaussians, Mesh, PointCloud, Scene
from sparse3d.view.drawing import Drawing
from sparse3d.view.viewpoint import Viewpoint, find_camera, overview, scene_up, through_camera

LENS = Intrinsics(64, 40, 50.0, 55.0, 30.0, 21.0)
Z = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)


def vector(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def camera(name: str, place: torch.Tensor, target: torch.Tensor, lens: Intrinsics = LENS) -> Camera:
    return Camera(name, lens, look_at(place, target, Z))


def pixels(viewpoint: Viewpoint, points: torch.Tensor) -> torch.Tensor:
    """Where points of the world appear; all must be in front."""
    local = transform_points(invert_rigid(viewpoint.world_from_camera), points.double())
    seen, front = viewpoint.intrinsics.project(local)
    assert bool(front.all())
    return seen


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 1000),
    count=st.integers(1, 40),
    scale=st.sampled_from([1e-3, 1.0, 1e4]),
    size=st.sampled_from([(1280, 720), (300, 900), (64, 64)]),
)
def test_overview_shows_everything_and_wastes_no_room(
    seed: int, count: int, scale: float, size: tuple[int, int]
) -> None:
    rng = torch.Generator().manual_seed(seed)
    shape = torch.tensor([3.0, 1.0, 0.4])
    points = (torch.randn(count, 3, generator=rng) * shape + torch.tensor([9.0, -4.0, 2.0])) * scale
    up = torch.nn.functional.normalize(torch.randn(3, generator=rng).double(), dim=0)
    viewpoint = overview(Drawing(focus=(points,)), (), up, *size)
    seen = pixels(viewpoint, points)
    share = (2 * seen / torch.tensor(size) - 1).abs()
    assert float(share.max()) <= 0.92 + 1e-3
    depths = transform_points(invert_rigid(viewpoint.world_from_camera), points.double())[:, 2]
    span = torch.linalg.vector_norm(points.amax(0) - points.amin(0))
    if float(depths.min()) > 0.2 * float(span) > 0:  # else, being too near was avoided
        assert float(share.max()) >= 0.9


def test_up_is_up_in_the_picture() -> None:
    points = torch.tensor([[1.0, 2.0, 0.0], [4.0, -3.0, 0.5]])
    for up in (vector(0, 0, 1), vector(0, -1, 0), vector(1, 0, 0)):
        viewpoint = overview(Drawing(focus=(points,)), (), up, 320, 200)
        low, high = pixels(viewpoint, torch.stack([points[0], points[0] + 0.3 * up.float()]))
        assert float(high[1]) < float(low[1])
        assert float(high[0]) == pytest.approx(float(low[0]), abs=20)


def test_cameras_that_look_the_same_way_are_looked_at_from_behind() -> None:
    ahead = vector(0.0, 5.0, 0.0)
    cameras = [camera(str(i), vector(i - 1.0, -2.0, 1.0), ahead) for i in range(3)]
    points = torch.tensor([[-1.0, 5.0, 0.0], [1.0, 5.0, 1.0], [0.0, -2.0, 1.0]])
    viewpoint = overview(Drawing(focus=(points,)), cameras, Z, 320, 200)
    assert float(viewpoint.world_from_camera[1, 3]) < -2.0
    assert float(viewpoint.world_from_camera[:3, 2] @ vector(0, 1, 0)) > 0.8


def test_through_a_camera_of_its_own_size_is_its_undistorted_self() -> None:
    cam = camera("a", vector(1.0, 2.0, 3.0), vector(0.0, 0.0, 0.0))
    viewpoint = through_camera(cam, None, None)
    assert viewpoint.intrinsics == LENS
    assert torch.equal(viewpoint.world_from_camera, cam.world_from_camera)


@pytest.mark.parametrize(("width", "height"), [(128, 200), (640, 100), (64, 40), (7, 3)])
def test_through_a_camera_shows_its_whole_image_in_the_middle(width: int, height: int) -> None:
    fitted = through_camera(camera("a", vector(1, 2, 3), vector(0, 0, 0)), width, height).intrinsics
    corners = torch.tensor([[0.0, 0.0], [LENS.width, LENS.height]], dtype=torch.float64)
    shown, _ = fitted.project(LENS.unproject(corners))
    margins = torch.cat([shown[0], torch.tensor([width, height]) - shown[1]])
    assert float(margins.min()) == pytest.approx(0, abs=1e-9)
    torch.testing.assert_close(shown[0], torch.tensor([width, height]) - shown[1])
    assert fitted.fx / fitted.fy == pytest.approx(LENS.fx / LENS.fy)


def test_through_one_given_side_keeps_the_other() -> None:
    fitted = through_camera(camera("a", vector(1, 2, 3), vector(0, 0, 0)), 128, None).intrinsics
    assert (fitted.width, fitted.height) == (128, 40)


def scene_of(*cameras: Camera, metric: bool = False) -> Scene:
    frames = tuple(Frame(cam.name, (cam,)) for cam in cameras)
    return Scene("s", frames, metric=metric)


def gaussians() -> Gaussians:
    return Gaussians(
        torch.zeros(1, 3), torch.eye(4)[:1], torch.zeros(1, 3), torch.zeros(1), torch.zeros(1, 1, 3)
    )


def test_up_of_photos_is_the_mean_of_the_cameras() -> None:
    tilt = torch.tensor(
        [[1.0, 0, 0, 0], [0, 0.6, -0.8, 0], [0, 0.8, 0.6, 0], [0, 0, 0, 1]], dtype=torch.float64
    )
    cameras = [Camera("a", LENS, tilt), Camera("b", LENS, tilt)]
    torch.testing.assert_close(scene_up([scene_of(*cameras)]), -tilt[:3, 1])
    torch.testing.assert_close(scene_up([scene_of(*cameras, metric=True)]), Z)


def test_up_without_cameras() -> None:
    splat = Scene("s", gaussians=gaussians())
    cloud = Scene("c", points=PointCloud(torch.zeros(1, 3)))
    triangle = Scene("m", mesh=Mesh(torch.eye(3), torch.tensor([[0, 1, 2]])))
    assert scene_up([splat]).tolist() == [0, -1, 0]
    for scenes in ([cloud], [triangle], [splat, cloud], [splat, triangle], [Scene("e")]):
        assert scene_up(scenes).tolist() == [0, 0, 1]


def test_up_where_cameras_disagree_is_z() -> None:
    flipped = torch.diag(torch.tensor([1.0, -1.0, -1.0, 1.0], dtype=torch.float64))
    cameras = Camera("a", LENS, flipped), Camera("b", LENS, torch.eye(4, dtype=torch.float64))
    assert scene_up([scene_of(*cameras)]).tolist() == [0, 0, 1]


def test_cameras_are_found_by_name_then_by_number() -> None:
    cameras = [camera(name, vector(1, 0, 0), vector(0, 0, 0)) for name in ("7", "x/y.png", "b")]
    scenes = [scene_of(*cameras[:2]), scene_of(cameras[2])]
    assert find_camera(scenes, "b").name == "b"
    assert find_camera(scenes, "2").name == "b"
    assert find_camera(scenes, "7").name == "7"
    for wrong in ("3", "-1", "c", ""):
        with pytest.raises(ConfigError, match=r"there are 3: 7, x/y\.png, b"):
            find_camera(scenes, wrong)
    with pytest.raises(ConfigError, match="there are no cameras"):
        find_camera([Scene("e")], "0")


def test_a_single_point_is_seen_from_a_finite_distance() -> None:
    viewpoint = overview(Drawing(focus=(torch.tensor([[5.0, 6.0, 7.0]]),)), (), Z, 100, 50)
    assert math.isfinite(float(viewpoint.world_from_camera.sum()))
    seen = pixels(viewpoint, torch.tensor([[5.0, 6.0, 7.0]]))
    torch.testing.assert_close(seen, torch.tensor([[50.0, 25.0]], dtype=torch.float64))
