"""Rotations: group axioms, round trips, near identity and near half turns."""

import math

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from torch import Tensor

from sparse3d.geometry.rotations import (
    matrix_from_axis_angle,
    matrix_from_quaternion,
    matrix_from_yaw,
    nearest_rotation,
    quaternion_from_matrix,
    wrap_angle,
)

ANGLES = (0.0, 1e-12, 1e-7, 1e-3, 1.0, math.pi - 1e-3, math.pi - 1e-9, math.pi)
unit = st.floats(-1, 1, allow_nan=False)
axes = st.tuples(unit, unit, unit).filter(lambda v: math.hypot(*v) > 1e-3)


def turn(axis: tuple[float, float, float], angle: float) -> Tensor:
    direction = torch.tensor(axis, dtype=torch.float64)
    return direction / direction.norm() * angle


def assert_rotation(matrix: Tensor) -> None:
    torch.testing.assert_close(
        matrix @ matrix.mT, torch.eye(3, dtype=matrix.dtype).expand_as(matrix)
    )
    torch.testing.assert_close(torch.linalg.det(matrix), torch.ones_like(matrix[..., 0, 0]))


@given(axis=axes, angle=st.sampled_from(ANGLES) | st.floats(-7, 7))
def test_axis_angle_is_the_matrix_exponential(
    axis: tuple[float, float, float], angle: float
) -> None:
    x, y, z = turn(axis, angle).tolist()
    cross = torch.tensor([[0, -z, y], [z, 0, -x], [-y, x, 0]], dtype=torch.float64)
    actual = matrix_from_axis_angle(turn(axis, angle))
    torch.testing.assert_close(actual, torch.linalg.matrix_exp(cross), atol=1e-10, rtol=0)


@given(axis=axes, angle=st.sampled_from(ANGLES))
def test_quaternion_and_matrix_are_inverse_to_each_other(
    axis: tuple[float, float, float], angle: float
) -> None:
    matrix = matrix_from_axis_angle(turn(axis, angle))
    quaternion = quaternion_from_matrix(matrix)
    assert quaternion[0] >= 0
    torch.testing.assert_close(quaternion.norm(), torch.tensor(1.0, dtype=torch.float64))
    back = matrix_from_quaternion(quaternion)
    torch.testing.assert_close(back, matrix, atol=1e-14, rtol=0)


@pytest.mark.parametrize("axis", [(1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)])
def test_half_turns_about_the_axes_are_exact(axis: tuple[float, float, float]) -> None:
    matrix = 2 * torch.tensor(axis).outer(torch.tensor(axis)) - torch.eye(3)
    assert quaternion_from_matrix(matrix).abs().tolist() == [0.0, *axis]


@given(axis=axes, angle=st.floats(-3, 3), scale=st.floats(1e-3, 1e3))
def test_length_and_sign_of_a_quaternion_do_not_matter(
    axis: tuple[float, float, float], angle: float, scale: float
) -> None:
    quaternion = quaternion_from_matrix(matrix_from_axis_angle(turn(axis, angle)))
    torch.testing.assert_close(
        matrix_from_quaternion(-scale * quaternion), matrix_from_quaternion(quaternion)
    )


@given(first=axes, second=axes, a=st.floats(-3, 3), b=st.floats(-3, 3))
def test_products_and_inverses_of_rotations_are_rotations(
    first: tuple[float, float, float], second: tuple[float, float, float], a: float, b: float
) -> None:
    left, right = matrix_from_axis_angle(turn(first, a)), matrix_from_axis_angle(turn(second, b))
    assert_rotation(left @ right)
    torch.testing.assert_close(matrix_from_axis_angle(-turn(first, a)), left.mT)


def test_a_zero_quaternion_is_not_hidden() -> None:
    assert not torch.isfinite(matrix_from_quaternion(torch.zeros(4))).any()


def test_batches_may_be_empty_or_nested() -> None:
    assert matrix_from_quaternion(torch.zeros(0, 4)).shape == (0, 3, 3)
    assert quaternion_from_matrix(torch.eye(3).expand(2, 5, 3, 3)).shape == (2, 5, 4)


def test_gradients_of_quaternion_and_axis_angle() -> None:
    rng = torch.Generator().manual_seed(0)
    quaternion = torch.randn(3, 4, generator=rng, dtype=torch.float64).requires_grad_()
    vector = torch.randn(3, 3, generator=rng, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(matrix_from_quaternion, quaternion)
    assert torch.autograd.gradcheck(matrix_from_axis_angle, vector)


def test_yaw_turns_x_towards_y() -> None:
    yaw = torch.tensor([0.0, math.pi / 2, math.pi, -0.3], dtype=torch.float64)
    axis = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)
    expected = matrix_from_axis_angle(yaw[:, None] * axis)
    torch.testing.assert_close(matrix_from_yaw(yaw), expected)
    turned = matrix_from_yaw(yaw)[1] @ torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64)
    torch.testing.assert_close(turned, torch.tensor([0.0, 1.0, 0.0], dtype=torch.float64))


@given(angle=st.floats(-50, 50))
@example(angle=math.pi)
@example(angle=-math.pi)
@example(angle=3 * math.pi)
def test_wrapped_angles_are_the_same_turn(angle: float) -> None:
    wrapped = wrap_angle(torch.tensor(angle, dtype=torch.float64)).item()
    assert -math.pi < wrapped <= math.pi
    assert math.cos(wrapped) == pytest.approx(math.cos(angle), abs=1e-12)
    assert math.sin(wrapped) == pytest.approx(math.sin(angle), abs=1e-12)


@given(axis=axes, angle=st.floats(-3, 3), seed=st.integers(0, 100))
def test_nearest_rotation_undoes_noise_to_first_order(
    axis: tuple[float, float, float], angle: float, seed: int
) -> None:
    rotation = matrix_from_axis_angle(turn(axis, angle))
    noise = torch.randn(3, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    symmetric = 1e-6 * (noise + noise.mT)  # a stretch, which moves no nearest rotation
    torch.testing.assert_close(nearest_rotation(rotation), rotation, atol=1e-14, rtol=0)
    stretched = rotation @ (torch.eye(3, dtype=torch.float64) + symmetric)
    torch.testing.assert_close(nearest_rotation(stretched), rotation, atol=1e-12, rtol=0)


def test_nearest_rotation_of_a_mirror_is_a_rotation() -> None:
    mirrored = torch.diag(torch.tensor([1.0, 1.0, -0.5], dtype=torch.float64))
    assert_rotation(nearest_rotation(mirrored))
