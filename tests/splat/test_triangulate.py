"""Matching and triangulation on points whose true places are known."""

from pathlib import Path

import pytest
import torch

from sparse3d.geometry.intrinsics import Intrinsics
from sparse3d.geometry.transforms import invert_rigid, look_at, transform_points
from sparse3d.scene.formats.registry import open_scene
from sparse3d.splat.config import InitConfig
from sparse3d.splat.features import Features, fundamental_matrix, match_along_epipolar_lines
from sparse3d.splat.photos import Photo, load_photo
from sparse3d.splat.protocols import choose_views
from sparse3d.splat.triangulate import triangulate_features, triangulate_photos, view_pairs

LENS = Intrinsics(640, 480, 500.0, 510.0, 321.0, 237.0)
UP = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)


def photos() -> list[Photo]:
    centres = torch.tensor([[-4.0, 0.0, 0.5], [-4.0, 1.0, 0.2], [-3.5, -1.0, 1.0]]).double()
    blank = torch.zeros(480, 640, 3)
    aim = torch.tensor([0.3, 0.1, 0.0]).double()
    return [
        Photo(f"{i}", LENS, look_at(centre, aim, UP), blank, None)
        for i, centre in enumerate(centres)
    ]


def observed(count: int = 200) -> tuple[torch.Tensor, list[Features], list[torch.Tensor]]:
    """Points, their features in shuffled order, and the point number of each feature."""
    rng = torch.Generator().manual_seed(3)
    points = torch.rand(count, 3, generator=rng, dtype=torch.float64) * 2 - 1
    codes = torch.nn.functional.normalize(torch.randn(count, 128, generator=rng), dim=1)
    features, orders = [], []
    for photo in photos():
        pixels, _ = LENS.project(transform_points(invert_rigid(photo.world_from_camera), points))
        order = torch.randperm(count, generator=rng)
        noisy = codes + 0.02 * torch.randn(count, 128, generator=rng)
        descriptors = torch.nn.functional.normalize(noisy, dim=1)
        features.append(Features(pixels[order], descriptors[order]))
        orders.append(order)
    return points, features, orders


def test_fundamental_matrix_annihilates_true_matches() -> None:
    points, _, _ = observed()
    a, b = photos()[:2]
    pixels = [
        LENS.project(transform_points(invert_rigid(p.world_from_camera), points))[0] for p in (a, b)
    ]
    xa, xb = (torch.nn.functional.pad(x, (0, 1), value=1.0) for x in pixels)
    residual = (xb @ fundamental_matrix(a, b) * xa).sum(1)
    scale = (xb.abs() @ fundamental_matrix(a, b).abs() * xa.abs()).sum(1)
    assert (residual.abs() <= 1e-12 * scale).all()


def test_matches_are_the_true_ones() -> None:
    _, features, orders = observed()
    a, b = photos()[:2]
    pairs = match_along_epipolar_lines(features[0], features[1], fundamental_matrix(a, b))
    assert len(pairs) == 200
    assert torch.equal(orders[0][pairs[:, 0]], orders[1][pairs[:, 1]])


def test_equal_descriptors_off_the_line_do_not_match() -> None:
    _, features, _ = observed()
    a, b = photos()[:2]
    shifted = Features(features[1].pixels + torch.tensor([0.0, 40.0]), features[1].descriptors)
    pairs = match_along_epipolar_lines(features[0], shifted, fundamental_matrix(a, b))
    assert len(pairs) < 10


@pytest.mark.parametrize(("left", "right"), [(0, 5), (5, 0), (0, 0)])
def test_no_features_give_no_matches(left: int, right: int) -> None:
    _, features, _ = observed()
    cut = [
        Features(f.pixels[:n], f.descriptors[:n])
        for f, n in zip(features, (left, right), strict=False)
    ]
    assert match_along_epipolar_lines(cut[0], cut[1], torch.eye(3).double()).shape == (0, 2)


def test_points_are_found_where_they_are() -> None:
    points, features, _ = observed()
    cloud = triangulate_features(photos(), features, InitConfig(neighbours=2))
    assert len(cloud) == 200
    assert torch.cdist(cloud.positions.double(), points).min(1).values.max() < 1e-5


def test_a_wrong_match_is_outvoted_or_dropped() -> None:
    points, features, orders = observed(50)
    moved = features[2].pixels.clone()
    row = int((orders[2] == 7).nonzero()[0, 0])
    moved[row] += 30
    features[2] = Features(moved, features[2].descriptors)
    cloud = triangulate_features(photos(), features, InitConfig(neighbours=2))
    assert len(cloud) >= 49
    assert torch.cdist(cloud.positions.double(), points).min(1).values.max() < 1e-5


def test_blank_photos_have_no_points() -> None:
    assert len(triangulate_photos(photos(), InitConfig())) == 0


def test_pairs_are_the_nearest_views() -> None:
    assert view_pairs(photos(), 1) == [(0, 1), (0, 2)]
    assert view_pairs(photos(), 5) == [(0, 1), (0, 2), (1, 2)]
    assert view_pairs(photos()[:1], 5) == []


def test_real_photos_agree_with_structure_from_motion(shared_data: Path) -> None:
    scene = open_scene(shared_data / "llff_fern")
    split = choose_views(scene, "llff", (3,))
    cloud = triangulate_photos([load_photo(camera) for camera in split.train], InitConfig())
    known = scene.read_points()
    assert known is not None
    assert len(cloud) > 800
    distance = torch.cdist(cloud.positions.double(), known.positions.double()).min(1).values
    assert distance.median() < 0.5  # the plant is about 20 to 70 units away
