"""Rigid transforms: group axioms, what counts as rigid, where cameras look."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from sparse3d.geometry.conventions import opencv_from_opengl, opengl_from_opencv
from sparse3d.geometry.rotations import matrix_from_axis_angle
from sparse3d.geometry.transforms import invert_rigid, is_rigid, look_at, rigid, transform_points

seeds = st.integers(0, 10_000)
IDENTITY = torch.eye(4, dtype=torch.float64)


def transform(seed: int) -> Tensor:
    rng = torch.Generator().manual_seed(seed)
    axis_angle = torch.randn(3, generator=rng, dtype=torch.float64) * 2
    return rigid(
        matrix_from_axis_angle(axis_angle),
        torch.randn(3, generator=rng, dtype=torch.float64) * 10,
    )


@given(a=seeds, b=seeds, c=seeds)
def test_rigid_transforms_are_a_group(a: int, b: int, c: int) -> None:
    ta, tb, tc = transform(a), transform(b), transform(c)
    assert is_rigid(ta @ tb, tolerance=1e-12)
    torch.testing.assert_close((ta @ tb) @ tc, ta @ (tb @ tc))
    torch.testing.assert_close(invert_rigid(ta) @ ta, IDENTITY)
    torch.testing.assert_close(invert_rigid(ta @ tb), invert_rigid(tb) @ invert_rigid(ta))


@given(seed=seeds)
def test_inverse_agrees_with_matrix_inversion(seed: int) -> None:
    batch = torch.stack([transform(seed), transform(seed + 1)])
    torch.testing.assert_close(invert_rigid(batch), torch.linalg.inv(batch))


@given(seed=seeds)
def test_points_go_there_and_back(seed: int) -> None:
    rng = torch.Generator().manual_seed(seed)
    points = torch.randn(2, 5, 3, generator=rng, dtype=torch.float64)
    there = transform_points(transform(seed), points)
    torch.testing.assert_close(transform_points(invert_rigid(transform(seed)), there), points)
    one = transform(seed) @ torch.cat([points[1, 3], torch.ones(1, dtype=torch.float64)])
    torch.testing.assert_close(there[1, 3], one[:3])


def test_points_keep_their_dtype_and_may_be_none() -> None:
    assert transform_points(transform(0), torch.zeros(0, 3)).dtype == torch.float32


def changed(row: int, column: int, value: float) -> Tensor:
    matrix = IDENTITY.clone()
    matrix[row, column] = value
    return matrix


@pytest.mark.parametrize(
    "matrix",
    [
        changed(0, 0, float("nan")),
        changed(1, 3, float("inf")),
        changed(2, 2, -1.0),  # a mirror
        changed(0, 1, 0.01),  # a shear
        1.01 * IDENTITY,
        changed(3, 0, 0.1),
        changed(3, 3, 2.0),
        torch.zeros(4, 4, dtype=torch.float64),
    ],
)
def test_what_is_no_rotation_and_translation_is_not_rigid(matrix: Tensor) -> None:
    assert not is_rigid(matrix)


def test_few_digits_are_rigid_enough() -> None:
    assert is_rigid((transform(3) * 1e4).round() / 1e4)
    assert not is_rigid((transform(3) * 1e1).round() / 1e1)


@given(seed=seeds)
def test_a_camera_looks_at_its_target(seed: int) -> None:
    rng = torch.Generator().manual_seed(seed)
    position, target = torch.randn(2, 3, generator=rng, dtype=torch.float64)
    up = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)
    pose = look_at(position, target, up)
    assert is_rigid(pose, tolerance=1e-9)
    seen = transform_points(invert_rigid(pose), target)
    distance = (target - position).norm()
    torch.testing.assert_close(seen, torch.stack([0 * distance, 0 * distance, distance]))
    assert (pose[:3, 1] @ up) < 0  # y points down
    assert abs(pose[2, 0]) < 1e-9  # the horizon is level


@given(seed=seeds)
def test_camera_axes_are_turned_over_and_back(seed: int) -> None:
    pose = transform(seed)
    opengl = opengl_from_opencv(pose)
    torch.testing.assert_close(opencv_from_opengl(opengl), pose, rtol=0, atol=0)
    torch.testing.assert_close(opengl[:3, 3], pose[:3, 3], rtol=0, atol=0)
    torch.testing.assert_close(opengl[:3, 0], pose[:3, 0], rtol=0, atol=0)
    torch.testing.assert_close(opengl[:3, 1:3], -pose[:3, 1:3], rtol=0, atol=0)
    assert is_rigid(opengl)


def test_a_wrong_shape_is_refused_in_tests() -> None:
    with pytest.raises(Exception, match="Type-check error"):
        invert_rigid(torch.eye(3))  # the shape checker of the test run is on
