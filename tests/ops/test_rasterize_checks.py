"""Whatever cannot be drawn is refused by name."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from sparse3d.geometry.views import Views
from sparse3d.ops.backend import has_native
from sparse3d.ops.rasterize import RasterOptions, rasterize
from sparse3d.scene.gaussians import Gaussians

POSE = torch.eye(4)[None]
MATRIX = torch.tensor([[[20.0, 0.0, 4.5], [0.0, 20.0, 3.5], [0.0, 0.0, 1.0]]])
CAMERA = Views(POSE, MATRIX, 9, 7)


def gaussians(degree: int = 1) -> Gaussians:
    rng = torch.Generator().manual_seed(0)
    return Gaussians(
        torch.randn(5, 3, generator=rng),
        torch.randn(5, 4, generator=rng),
        torch.randn(5, 3, generator=rng),
        torch.randn(5, generator=rng),
        torch.randn(5, (degree + 1) ** 2, 3, generator=rng),
    )


def spoilt(tensor: Tensor, value: float) -> Tensor:
    copy = tensor.clone()
    copy.view(-1)[-1] = value
    return copy


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("field", Gaussians.__slots__)
def test_a_parameter_that_is_not_finite_is_named(field: str, value: float) -> None:
    good = gaussians()
    bad = replace(good, **{field: spoilt(getattr(good, field), value)})
    with pytest.raises(ValueError, match=f"gaussians.{field} must be finite"):
        rasterize(bad, CAMERA)


@pytest.mark.parametrize("field", ["world_from_camera", "matrices"])
def test_a_camera_that_is_not_finite_is_named(field: str) -> None:
    bad = replace(CAMERA, **{field: spoilt(getattr(CAMERA, field), float("nan"))})
    with pytest.raises(ValueError, match=f"views.{field} must be finite"):
        rasterize(gaussians(), bad)


def test_finite_values_whose_sum_overflows_are_accepted() -> None:
    far = replace(gaussians(), means=torch.full((5, 3), 3e38))
    assert not rasterize(far, CAMERA).radii.any()


def test_a_background_that_is_not_finite_is_named() -> None:
    with pytest.raises(ValueError, match="background must be finite"):
        rasterize(gaussians(), CAMERA, background=torch.tensor([0.0, float("nan"), 1.0]))


@pytest.mark.parametrize("count", [2, 0])
def test_one_background_a_view_is_expected(count: int) -> None:
    with pytest.raises(ValueError, match=r"background must have shape \(1, 3\), got"):
        rasterize(gaussians(), CAMERA, background=torch.zeros(count, 3))


def test_a_zero_quaternion_is_refused() -> None:
    good = gaussians()
    quaternions = good.quaternions.clone()
    quaternions[2] = 0
    with pytest.raises(ValueError, match=r"gaussians\.quaternions must not be zero"):
        rasterize(replace(good, quaternions=quaternions), CAMERA)


@pytest.mark.parametrize("degree", [-1, 2])
def test_a_degree_that_is_not_there_is_refused(degree: int) -> None:
    with pytest.raises(ValueError, match=f"between 0 and the Gaussians' 1, got {degree}"):
        rasterize(gaussians(), CAMERA, options=RasterOptions(sh_degree=degree))


def test_harmonics_past_the_third_degree_are_refused() -> None:
    with pytest.raises(ValueError, match="up to degree 3 expected, got 4"):
        rasterize(gaussians(4), CAMERA)


@pytest.mark.parametrize("size", [(0, 7), (9, 0), (-3, 7)])
def test_an_empty_image_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=f"image size must be positive, got {size[0]}x{size[1]}"):
        rasterize(gaussians(), Views(POSE, MATRIX, *size))


@pytest.mark.parametrize("near", [0.0, -1.0, float("nan")])
def test_near_must_be_positive(near: float) -> None:
    with pytest.raises(ValueError, match="near must be positive"):
        rasterize(gaussians(), CAMERA, options=RasterOptions(near=near))


@pytest.mark.parametrize(
    ("row", "column", "value"), [(0, 1, 0.5), (0, 0, -20.0), (1, 1, 0.0), (2, 2, 2.0), (1, 0, 1.0)]
)
def test_only_pinhole_matrices_are_accepted(row: int, column: int, value: float) -> None:
    matrices = MATRIX.clone()
    matrices[0, row, column] = value
    with pytest.raises(ValueError, match=r"views\.matrices must be of pinholes without skew"):
        rasterize(gaussians(), replace(CAMERA, matrices=matrices))


def test_number_types_must_agree() -> None:
    camera = replace(CAMERA, world_from_camera=POSE.double())
    with pytest.raises(ValueError, match=r"views.world_from_camera must be torch.float32"):
        rasterize(gaussians(), camera)


def test_mean_gradients_must_be_zero() -> None:
    with pytest.raises(ValueError, match="mean_gradients must be zero"):
        rasterize(gaussians(), CAMERA, mean_gradients=torch.ones(1, 5, 2))


def test_mean_gradients_must_fit() -> None:
    with pytest.raises(ValueError, match=r"mean_gradients must have shape \(1, 5, 2\)"):
        rasterize(gaussians(), CAMERA, mean_gradients=torch.zeros(1, 4, 2))


def test_a_wrong_shape_is_refused() -> None:
    with pytest.raises((TypeError, ValueError)):
        rasterize(replace(gaussians(), means=torch.zeros(5, 2)), CAMERA)


def test_double_precision_is_drawn_by_torch() -> None:
    double = Gaussians(*(getattr(gaussians(), f).double() for f in Gaussians.__slots__))
    camera = Views(POSE.double(), MATRIX.double(), 9, 7)
    assert rasterize(double, camera).colors.dtype == torch.float64


@pytest.mark.skipif(not has_native(), reason="the C++ kernels were not built")
def test_the_native_backend_refuses_double_precision() -> None:
    double = Gaussians(*(getattr(gaussians(), f).double() for f in Gaussians.__slots__))
    camera = Views(POSE.double(), MATRIX.double(), 9, 7)
    with pytest.raises(ValueError, match=r"'native' takes float32, got torch\.float64"):
        rasterize(double, camera, backend="native")
