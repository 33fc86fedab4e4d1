"""Undistortion: nothing invented, nothing wasted, and the pixels of the same rays."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sparse3d.geometry.intrinsics import Intrinsics
from sparse3d.geometry.undistort import source_positions, undistorted_pinhole

LENSES = [
    Intrinsics(120, 90, 90.0, 95.0, 63.0, 43.0, "opencv", (-0.2, 0.05, 0.003, -0.002)),
    Intrinsics(120, 90, 90.0, 95.0, 63.0, 43.0, "opencv", (0.3,)),
    Intrinsics(90, 120, 60.0, 60.0, 40.0, 66.0, "fisheye", (0.02, -0.01)),
    Intrinsics(120, 90, 80.0, 80.0, 63.0, 43.0, "opencv", (-0.6,)),  # folds inside the photo
    Intrinsics(120, 90, 90.0, 90.0, 20.0, -10.0, "opencv", (-0.1,)),  # centre outside the photo
    Intrinsics(120, 90, 30.0, 30.0, 60.0, 45.0, "fisheye"),  # sees more than a half space
]


def inside(lens: Intrinsics, positions: torch.Tensor) -> torch.Tensor:
    last = torch.tensor([lens.width, lens.height], dtype=torch.float64) - 0.5
    return ((positions >= 0.5) & (positions <= last)).all(-1)


@pytest.mark.parametrize("lens", LENSES)
def test_every_kept_pixel_lies_inside_the_photo(lens: Intrinsics) -> None:
    assert bool(inside(lens, source_positions(lens, undistorted_pinhole(lens))).all())


@settings(max_examples=25, deadline=None)
@given(
    k1=st.floats(-0.3, 0.3),
    k2=st.floats(-0.1, 0.1),
    p1=st.floats(-0.01, 0.01),
    cx=st.floats(40, 80),
)
def test_no_lens_invents_pixels(k1: float, k2: float, p1: float, cx: float) -> None:
    lens = Intrinsics(120, 90, 100.0, 90.0, cx, 45.0, "opencv", (k1, k2, p1))
    pinhole = undistorted_pinhole(lens)
    assert bool(inside(lens, source_positions(lens, pinhole)).all())
    assert (pinhole.fx, pinhole.fy) == (100.0, 90.0)


@pytest.mark.parametrize("lens", LENSES[:2])
def test_no_side_can_be_moved_outwards(lens: Intrinsics) -> None:
    kept = undistorted_pinhole(lens)
    w, h = kept.width, kept.height
    for wider in (
        kept.cropped(-1, 0, w + 1, h),
        kept.cropped(0, -1, w, h + 1),
        kept.cropped(0, 0, w + 1, h),
        kept.cropped(0, 0, w, h + 1),
    ):
        assert not bool(inside(lens, source_positions(lens, wider)).all())


@pytest.mark.parametrize("lens", LENSES[:2])
def test_the_rectangle_is_close_to_the_largest_one(lens: Intrinsics) -> None:
    kept = undistorted_pinhole(lens)
    margin = 60
    plane = Intrinsics(lens.width, lens.height, lens.fx, lens.fy, lens.cx, lens.cy).cropped(
        -margin, -margin, lens.width + 2 * margin, lens.height + 2 * margin
    )
    valid = inside(lens, source_positions(lens, plane)).int()
    best = 0
    for top in range(valid.shape[0]):  # brute force over all pairs of rows
        columns = torch.ones(valid.shape[1], dtype=torch.int32)
        for bottom in range(top, valid.shape[0]):
            columns = columns & valid[bottom]
            runs = "".join(map(str, columns.tolist())).split("0")
            best = max(best, (bottom - top + 1) * max(map(len, runs)))
            if not columns.any():
                break
    assert kept.width * kept.height >= 0.97 * best


def test_the_same_ray_is_seen_by_both_cameras() -> None:
    lens = LENSES[0]
    pinhole = undistorted_pinhole(lens)
    positions = source_positions(lens, pinhole)
    torch.testing.assert_close(
        lens.unproject(positions[5, 7]), pinhole.unproject(pinhole.pixel_grid()[5, 7])
    )


def test_a_pinhole_stays_as_it_is() -> None:
    pinhole = Intrinsics(5, 4, 3.0, 3.0, 2.0, 2.0)
    assert undistorted_pinhole(pinhole) == pinhole
    zeros = Intrinsics(5, 4, 3.0, 3.0, 2.0, 2.0, "opencv", (0.0,))
    assert undistorted_pinhole(zeros) == pinhole
    torch.testing.assert_close(source_positions(zeros, pinhole), pinhole.pixel_grid())


@pytest.mark.parametrize("size", [(1, 1), (3, 2)])
def test_tiny_photos_are_kept(size: tuple[int, int]) -> None:
    width, height = size
    lens = Intrinsics(width, height, 4.0, 4.0, width / 2, height / 2, "opencv", (-0.1,))
    assert undistorted_pinhole(lens).width == width


def test_a_lens_that_folds_everywhere_is_an_error() -> None:
    lens = Intrinsics(100, 100, 10.0, 10.0, 500.0, 500.0, "opencv", (-5.0, 0.0))
    with pytest.raises(ValueError, match="undistort"):
        undistorted_pinhole(lens)
