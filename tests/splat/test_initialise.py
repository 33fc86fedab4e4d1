"""First Gaussians and the random points that fill up sparse ones."""

import math
from pathlib import Path

import pytest
import torch

from sparse3d.errors import ConfigError, DataError
from sparse3d.geometry.intrinsics import Intrinsics
from sparse3d.geometry.transforms import invert_rigid, look_at, transform_points
from sparse3d.scene import SH_C0, Camera, PointCloud
from sparse3d.scene.images import write_rgb
from sparse3d.scene.undistort import Undistortion
from sparse3d.splat.initialise import gaussians_from_points, random_points, scene_extent
from sparse3d.splat.photos import Photo, load_photo, parse_size, resize_image
from sparse3d.splat.seeding import depth_range

LENS = Intrinsics(40, 30, 40.0, 40.0, 20.0, 15.0)
UP = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)


def photos(centres: list[list[float]], aim: list[float]) -> list[Photo]:
    rng = torch.Generator().manual_seed(5)
    target = torch.tensor(aim).double()
    return [
        Photo(
            str(i),
            LENS,
            look_at(torch.tensor(c).double(), target, UP),
            torch.rand(30, 40, 3, generator=rng),
            None,
        )
        for i, c in enumerate(centres)
    ]


def test_scale_is_the_root_mean_square_distance_to_three_neighbours() -> None:
    points = torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 2, 0], [0, 0, 3], [50, 50, 50]])
    gaussians = gaussians_from_points(PointCloud(points), opacity=0.1, sh_degree=1)
    expected = math.sqrt((1 + 4 + 9) / 3)
    assert gaussians.log_scales[0].exp().tolist() == pytest.approx([expected] * 3)
    assert torch.sigmoid(gaussians.logit_opacities).tolist() == pytest.approx([0.1] * 5)


def test_colours_become_the_constant_coefficient() -> None:
    colors = torch.tensor([[0.1, 0.2, 0.9], [0.0, 1.0, 0.5]])
    cloud = PointCloud(torch.tensor([[0.0, 0, 0], [1, 0, 0]]), colors=colors)
    gaussians = gaussians_from_points(cloud, 0.1, 2)
    torch.testing.assert_close(gaussians.sh[:, 0] * SH_C0 + 0.5, colors)
    assert gaussians.sh.shape == (2, 9, 3)
    assert not gaussians.sh[:, 1:].any()


def test_duplicate_points_get_a_finite_scale() -> None:
    gaussians = gaussians_from_points(PointCloud(torch.zeros(4, 3)), 0.1, 0)
    assert torch.isfinite(gaussians.log_scales).all()


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_points_are_refused(count: int) -> None:
    with pytest.raises(ValueError, match="at least two points"):
        gaussians_from_points(PointCloud(torch.zeros(count, 3)), 0.1, 0)


def test_random_points_are_seen_by_two_photos_and_have_their_colour() -> None:
    pair = photos([[-3.0, 0.0, 0.0], [-3.0, 0.7, 0.1]], [0.0, 0.0, 0.0])
    cloud = random_points(pair, 300, (1.0, 6.0), seed=2)
    assert len(cloud) == 300
    for photo in pair:
        local = transform_points(invert_rigid(photo.world_from_camera), cloud.positions.double())
        pixels, front = LENS.project(local)
        assert front.all()
        assert ((pixels > -1e-3) & (pixels < torch.tensor([40.001, 30.001]))).all()
    assert torch.equal(cloud.positions, random_points(pair, 300, (1.0, 6.0), seed=2).positions)
    assert not torch.equal(cloud.positions, random_points(pair, 300, (1.0, 6.0), seed=3).positions)


def test_photos_without_a_common_volume_are_refused() -> None:
    one = photos([[-3.0, 0.0, 0.0]], [-6.0, 0.0, 0.0])
    other = photos([[3.0, 0.0, 0.0]], [6.0, 0.0, 0.0])
    with pytest.raises(DataError, match="seen by two photos"):
        random_points([*one, *other], 10, (1.0, 2.0), seed=0)


def test_extent_is_that_of_the_cameras() -> None:
    pair = photos([[-3.0, 0.0, 0.0], [-3.0, 2.0, 0.0]], [0.0, 0.0, 0.0])
    assert scene_extent(pair) == pytest.approx(1.1)
    assert scene_extent(pair[:1]) == 1.0


def test_depth_range_without_points_surrounds_the_focus() -> None:
    ring = photos([[-4.0, 0.0, 0.0], [0.0, 4.0, 0.0], [4.0, 0.0, 0.0]], [0.0, 0.0, 0.0])
    near, far = depth_range(ring, PointCloud(torch.empty(0, 3)))
    assert (near, far) == pytest.approx((2.0, 6.0))


def test_sizes_are_parsed_or_refused() -> None:
    assert parse_size("504x378") == (504, 378)
    assert parse_size(None) is None
    for text in ("504", "504x", "0x3", "-5x4", "4.5x3", "1x2x3"):
        with pytest.raises(ConfigError, match="504x378"):
            parse_size(text)


def test_resizing_keeps_a_constant_and_the_place_of_an_edge() -> None:
    image = torch.zeros(60, 80, 3)
    image[:, 40:] = 1.0
    small = resize_image(image, (40, 30))
    assert small.shape == (30, 40, 3)
    torch.testing.assert_close(small.mean(), torch.tensor(0.5), atol=1e-3, rtol=0)
    assert small[:, :18].max() < 0.01
    assert small[:, 22:].min() > 0.99


def test_a_lens_that_cannot_be_undistorted_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(lens: Intrinsics) -> Undistortion:
        raise ValueError(f"no valid direction: {lens}")

    monkeypatch.setattr(Undistortion, "of", refuse)
    write_rgb(tmp_path / "a.png", torch.zeros(30, 40, 3))
    camera = Camera("a", LENS, torch.eye(4, dtype=torch.float64), image_path=tmp_path / "a.png")
    with pytest.raises(DataError, match=r"a\.png: no valid direction"):
        load_photo(camera)
