"""Camera models against pycolmap, and the properties of projection."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sparse3d.geometry.intrinsics import Intrinsics
from sparse3d.geometry.views import Views

pycolmap = pytest.importorskip("pycolmap")

OPENCV = (-0.12, 0.03, 0.002, -0.001, 0.004, 0.01, -0.006, 0.002)
FISHEYE = (0.03, -0.01, 0.004, -0.001)
LENSES = [
    (Intrinsics(640, 480, 500.0, 510.0, 311.0, 250.0), "PINHOLE"),
    (Intrinsics(640, 480, 500.0, 510.0, 311.0, 250.0, "opencv", OPENCV[:4]), "OPENCV"),
    (Intrinsics(640, 480, 500.0, 510.0, 311.0, 250.0, "opencv", OPENCV), "FULL_OPENCV"),
    (Intrinsics(640, 480, 300.0, 310.0, 311.0, 250.0, "fisheye", FISHEYE), "OPENCV_FISHEYE"),
]


def oracle(lens: Intrinsics, model: str) -> Any:
    distortion = lens.distortion[:4] if model == "OPENCV" else lens.distortion
    return pycolmap.Camera(
        model=model,
        width=lens.width,
        height=lens.height,
        params=[lens.fx, lens.fy, lens.cx, lens.cy, *distortion],
    )


@pytest.mark.parametrize(("lens", "model"), LENSES)
def test_projection_agrees_with_colmap(lens: Intrinsics, model: str) -> None:
    rng = np.random.default_rng(0)
    points = rng.uniform((-1, -0.8, 1), (1, 0.8, 2), (200, 3))
    expected = oracle(lens, model).img_from_cam(points)
    pixels, front = lens.project(torch.from_numpy(points))
    assert bool(front.all())
    np.testing.assert_allclose(pixels.numpy(), expected, atol=1e-9)


@pytest.mark.parametrize(("lens", "model"), LENSES)
def test_unprojection_agrees_with_colmap(lens: Intrinsics, model: str) -> None:
    pixels = np.random.default_rng(1).uniform((0, 0), (lens.width, lens.height), (200, 2))
    expected = oracle(lens, model).cam_from_img(pixels)
    directions = lens.unproject(torch.from_numpy(pixels)).numpy()
    np.testing.assert_allclose(directions[:, :2], expected, atol=1e-6)
    np.testing.assert_array_equal(directions[:, 2], 1.0)


@pytest.mark.parametrize(("lens", "_model"), LENSES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_pixels_come_back_from_their_directions(
    lens: Intrinsics, _model: str, dtype: torch.dtype
) -> None:
    pixels = lens.pixel_grid()[::37, ::41].to(dtype)
    back, front = lens.project(lens.unproject(pixels))
    assert bool(front.all())
    torch.testing.assert_close(back, pixels, atol=1e-3 if dtype == torch.float32 else 1e-9, rtol=0)


def test_the_middle_of_a_fisheye_has_no_hole() -> None:
    lens = LENSES[3][0]
    centre = torch.tensor([lens.cx, lens.cy], dtype=torch.float64)
    direction = lens.unproject(centre)
    torch.testing.assert_close(direction, torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64))
    torch.testing.assert_close(lens.project(direction)[0], centre)


def test_a_fisheye_reaches_far_to_the_side() -> None:
    lens = Intrinsics(1000, 1000, 318.0, 318.0, 500.0, 500.0, "fisheye")
    angle = math.radians(85)
    direction = torch.tensor([math.sin(angle), 0.0, math.cos(angle)], dtype=torch.float64)
    pixel = lens.project(direction)[0]
    torch.testing.assert_close(pixel[0].item(), 500 + 318 * angle)
    back = lens.unproject(pixel)
    torch.testing.assert_close(back / back.norm(), direction)


def test_points_behind_the_camera_are_told_apart() -> None:
    points = torch.tensor([[0.0, 0.0, -1.0], [1.0, 2.0, 0.0], [0.1, 0.1, 1.0]])
    pixels, front = LENSES[1][0].project(points)
    assert front.tolist() == [False, False, True]
    assert bool(torch.isfinite(pixels).all())


@pytest.mark.parametrize(("lens", "_model"), LENSES)
def test_gradients_of_the_projection(lens: Intrinsics, _model: str) -> None:
    points = torch.tensor([[0.2, -0.3, 1.5], [0.0, 0.0, 1.0], [-0.5, 0.4, 2.0]])
    points = points[[0, 2]].double().requires_grad_()
    assert torch.autograd.gradcheck(lambda p: lens.project(p)[0], points)


@given(
    width=st.integers(1, 2000),
    height=st.integers(1, 2000),
    x=st.floats(-0.4, 0.4),
    y=st.floats(-0.4, 0.4),
)
def test_resizing_scales_pixel_positions(width: int, height: int, x: float, y: float) -> None:
    lens = LENSES[2][0]
    point = torch.tensor([x, y, 1.0], dtype=torch.float64)
    scale = torch.tensor([width / lens.width, height / lens.height], dtype=torch.float64)
    resized = lens.resized(width, height)
    assert (resized.width, resized.height) == (width, height)
    torch.testing.assert_close(resized.project(point)[0], lens.project(point)[0] * scale)


def test_cropping_shifts_pixel_positions() -> None:
    lens = LENSES[3][0]
    point = torch.tensor([0.3, -0.2, 1.0], dtype=torch.float64)
    cropped = lens.cropped(-7, 20, 100, 50)
    assert (cropped.width, cropped.height) == (100, 50)
    expected = lens.project(point)[0] - torch.tensor([-7.0, 20.0], dtype=torch.float64)
    torch.testing.assert_close(cropped.project(point)[0], expected)


def test_the_matrix_projects_a_pinhole() -> None:
    lens = LENSES[0][0]
    point = torch.tensor([0.3, -0.2, 1.7], dtype=torch.float64)
    homogeneous = lens.matrix() @ point
    torch.testing.assert_close(lens.project(point)[0], homogeneous[:2] / homogeneous[2])


def test_the_pixel_grid_holds_centres() -> None:
    grid = Intrinsics(3, 2, 1.0, 1.0, 0.0, 0.0).pixel_grid()
    assert grid.tolist() == [[[x + 0.5, y + 0.5] for x in range(3)] for y in range(2)]


def test_short_distortion_ends_in_zeros() -> None:
    lens = Intrinsics(4, 3, 2.0, 2.0, 1.0, 1.0, "opencv", (0.1,))
    assert lens.distortion == (0.1, *(0.0,) * 7)
    assert not lens.is_pinhole
    assert Intrinsics(4, 3, 2.0, 2.0, 1.0, 1.0, "opencv").is_pinhole
    assert not Intrinsics(4, 3, 2.0, 2.0, 1.0, 1.0, "fisheye").is_pinhole


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ((0, 3, 2.0, 2.0, 1.0, 1.0), "positive"),
        ((4, 3, -2.0, 2.0, 1.0, 1.0), "positive"),
        ((4, 3, math.nan, 2.0, 1.0, 1.0), "finite"),
        ((4, 3, 2.0, 2.0, math.inf, 1.0), "finite"),
        ((4, 3, 2.0, 2.0, 1.0, 1.0, "opencv", (math.nan,)), "finite"),
        ((4, 3, 2.0, 2.0, 1.0, 1.0, "pinhole", (0.1,)), "at most 0"),
        ((4, 3, 2.0, 2.0, 1.0, 1.0, "fisheye", (0.1,) * 5), "at most 4"),
    ],
)
def test_impossible_values_are_refused(values: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Intrinsics(*values)


def test_views_take_pinholes_of_one_size() -> None:
    pinhole = LENSES[0][0]
    poses = torch.eye(4, dtype=torch.float64).expand(2, 4, 4)
    views = Views.of([pinhole, pinhole], poses)
    assert len(views) == 2
    assert (views.width, views.height) == (640, 480)
    torch.testing.assert_close(views.matrices[1], pinhole.matrix().float())
    for lenses in ([pinhole], [pinhole, pinhole.resized(2, 2)], [pinhole, LENSES[1][0]]):
        with pytest.raises(ValueError, match="expected"):
            Views.of(lenses, poses)
