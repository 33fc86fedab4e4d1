"""Undistorted images: what they show, masks and depth, and nothing to do for a pinhole."""

import pytest
import torch
from torch import Tensor

from sparse3d.geometry.intrinsics import Intrinsics
from sparse3d.scene.undistort import Undistortion

LENSES = [
    Intrinsics(160, 120, 130.0, 126.0, 83.0, 57.0, "opencv", (-0.15, 0.03, 0.002, -0.001)),
    Intrinsics(160, 120, 130.0, 126.0, 83.0, 57.0, "opencv", (0.2,)),
    Intrinsics(160, 120, 90.0, 90.0, 80.0, 60.0, "fisheye", (0.01,)),
]


def picture(lens: Intrinsics) -> Tensor:
    """What a camera with this lens sees of a smooth wall at z = 1."""
    x, y, _ = lens.unproject(lens.pixel_grid()).unbind(-1)
    return torch.stack([x, y, torch.sin(3 * x + 2 * y)], dim=-1)


@pytest.mark.parametrize("lens", LENSES)
def test_the_wall_looks_as_through_a_pinhole(lens: Intrinsics) -> None:
    undistortion = Undistortion.of(lens)
    pinhole = undistortion.intrinsics
    assert pinhole.is_pinhole
    seen = undistortion.apply(picture(lens))
    assert seen.shape == (pinhole.height, pinhole.width, 3)
    # What bilinear interpolation leaves of a smooth picture, more where a fisheye squeezes it;
    # half a pixel off would be three to ten times as much.
    atol = 2e-3 if lens.lens == "fisheye" else 3e-4
    torch.testing.assert_close(seen, picture(pinhole), atol=atol, rtol=0)


@pytest.mark.parametrize("lens", LENSES)
def test_masks_and_depth_take_the_nearest_pixel(lens: Intrinsics) -> None:
    undistortion = Undistortion.of(lens)
    depth = torch.rand(120, 160, generator=torch.Generator().manual_seed(0)) + 1
    seen = undistortion.apply_depth(depth)
    assert set(seen.flatten().tolist()) <= set(depth.flatten().tolist())
    assert torch.equal(undistortion.apply_mask(depth > 1.5), seen > 1.5)


def test_a_constant_stays_constant_to_the_border() -> None:
    for lens in LENSES:
        seen = Undistortion.of(lens).apply(torch.full((120, 160, 3), 0.25))
        torch.testing.assert_close(seen, torch.full_like(seen, 0.25))


def test_the_gradient_reaches_the_photo() -> None:
    undistortion = Undistortion.of(Intrinsics(6, 5, 5.0, 5.0, 3.0, 2.5, "opencv", (0.1,)))
    image = torch.rand(5, 6, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert torch.autograd.gradcheck(undistortion.apply, image.requires_grad_())


def test_a_pinhole_is_left_alone() -> None:
    lens = Intrinsics(6, 5, 5.0, 5.0, 3.0, 2.5)
    image = torch.rand(5, 6, 3)
    undistortion = Undistortion.of(lens)
    assert undistortion.apply(image) is image
    assert undistortion.intrinsics == lens
    assert undistortion.positions is None
    mask = torch.rand(5, 6) > 0.5
    assert torch.equal(undistortion.apply_mask(mask), mask)


@pytest.mark.parametrize("lens", [LENSES[0], Intrinsics(160, 120, 5.0, 5.0, 3.0, 2.5)])
def test_an_image_of_another_size_is_refused(lens: Intrinsics) -> None:
    with pytest.raises(ValueError, match="160x120 pixels expected, got 120x160"):
        Undistortion.of(lens).apply(torch.zeros(160, 120, 3))
