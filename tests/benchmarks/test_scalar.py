"""The scalar peer draws what we draw, and the counter counts what is drawn."""

import math

import pytest
import torch

from harness import Clock
from harness.limits import fma_peak
from raster.render import forward_and_backward, images_of, random_cotangent, render, time_passes
from raster.scalar import ScalarRasterizer, count_pairs
from raster.scenes import Scene, SceneSettings, behind_curtain, make_scene, out_of_sight
from raster.training import Training
from raster_scalar import relative_differences
from sparse3d.geometry.rotations import matrix_from_quaternion
from sparse3d.geometry.views import Views
from sparse3d.scene import Gaussians


def tiny(sh_degree: int = 1) -> Scene:
    """A scene seen askew: the camera elsewhere, two focal lengths, not in the middle."""
    scene = make_scene(SceneSettings(200, 45, 37, sh_degree, pairs=20.0, seed=3))
    pose = torch.eye(4)
    pose[:3, :3] = matrix_from_quaternion(torch.tensor([[0.97, 0.1, -0.15, 0.2]]))[0]
    pose[:3, 3] = torch.tensor([0.4, -0.3, -0.5])
    matrix = torch.tensor([[38.0, 0, 20.0], [0, 33.0, 21.0], [0, 0, 1]])
    return Scene(scene.gaussians, Views(pose[None], matrix[None], 45, 37), scene.background)


@pytest.mark.usefixtures("needs_compiler")
@pytest.mark.parametrize("sh_degree", [0, 1])
def test_peer_agrees_with_us(sh_degree: int) -> None:
    scene = tiny(sh_degree)
    cotangent = random_cotangent(scene)
    ours = forward_and_backward(scene, cotangent)
    theirs = ScalarRasterizer().run(scene, cotangent)
    assert ours[0].alphas.mean() > 0.3
    differences = relative_differences((*ours[0].all, *ours[1]), (*theirs[0].all, *theirs[1]))
    assert max(differences) < 1e-4


@pytest.mark.usefixtures("needs_compiler")
def test_limits_are_measured() -> None:
    assert fma_peak() > 0


@pytest.mark.usefixtures("needs_compiler")
def test_peer_refuses_harmonics_that_it_does_not_have() -> None:
    scene = tiny(2)
    with pytest.raises(ValueError, match="SH degree 0 or 1"):
        ScalarRasterizer().run(scene, random_cotangent(scene))


SIGMA, OPACITY = 3.0, 0.6
DOT_REACH = 2 * math.log(255 * OPACITY) * (SIGMA**2 + 0.3)
"""Squared distance from the middle of the dot within which it is drawn, square pixels."""


def dot() -> Scene:
    """A round Gaussian in the middle of pixel 20, 20 of 40 by 40."""
    gaussians = Gaussians(
        torch.tensor([[0.05, 0.05, 1.0]]),
        torch.tensor([[1.0, 0, 0, 0]]),
        torch.log(torch.tensor([[SIGMA / 10, SIGMA / 10, 1e-6]])),
        torch.logit(torch.tensor([OPACITY])),
        torch.zeros(1, 1, 3),
    )
    matrix = torch.tensor([[10.0, 0, 20], [0, 10.0, 20], [0, 0, 1]])
    return Scene(gaussians, Views(torch.eye(4)[None], matrix[None], 40, 40), torch.zeros(3))


@pytest.mark.usefixtures("needs_compiler")
def test_pairs_of_a_lone_gaussian_are_the_pixels_of_its_ellipse() -> None:
    offsets = range(-20, 21)
    expected = sum(x * x + y * y <= DOT_REACH for x in offsets for y in offsets)
    assert count_pairs(dot()).drawn == expected


def walls(*opacities: float) -> Scene:
    """Gaussians behind each other, all alike at the pixels of a small image."""
    n = len(opacities)
    gaussians = Gaussians(
        torch.tensor([[0.0, 0.0, 1.0 + 0.01 * i] for i in range(n)]),
        torch.tensor([[1.0, 0, 0, 0]]).expand(n, 4),
        torch.full((n, 3), math.log(1000.0)),
        torch.logit(torch.tensor(opacities)),
        torch.zeros(n, 1, 3),
    )
    matrix = torch.tensor([[10.0, 0, 9], [0, 10.0, 3], [0, 0, 1]])
    return Scene(gaussians, Views(torch.eye(4)[None], matrix[None], 19, 5), torch.zeros(3))


@pytest.mark.usefixtures("needs_compiler")
def test_evaluated_pairs_are_whole_rows_of_two_tiles_until_their_pixels_end() -> None:
    """Both walls are drawn; the third ends all pixels, so only the forward pass looks at it."""
    pairs = count_pairs(walls(0.9, 0.99, 0.99, 0.5))
    assert pairs.drawn == 2 * 19 * 5
    assert pairs.forward == 3 * 32 * 5
    assert pairs.backward == 2 * 32 * 5


@pytest.mark.usefixtures("needs_compiler")
@pytest.mark.parametrize("lanes", [4, 8, 16])
def test_evaluated_pairs_are_the_registers_that_a_gaussian_reaches(lanes: int) -> None:
    radius = math.sqrt(DOT_REACH)
    halves = [math.sqrt(max(radius**2 - dy * dy, 0)) for dy in range(-20, 20) if abs(dy) < radius]

    def reached(width: int) -> int:
        middles = [first + width / 2 - 20.5 for first in range(0, 48, width)]
        near = (abs(x) <= half + (width - 1) / 2 for x in middles for half in halves)
        return width * sum(near)

    pairs = count_pairs(dot(), lanes)
    assert (pairs.forward, pairs.backward) == (reached(lanes), reached(lanes))
    assert pairs.backward > pairs.drawn


@pytest.mark.usefixtures("needs_compiler")
def test_scenes_have_about_the_pairs_that_they_promise() -> None:
    settings = SceneSettings(20_000, 160, 120, pairs=10.0)
    drawn = count_pairs(make_scene(settings)).drawn / (160 * 120)
    assert 0.8 * 10 < drawn < 1.4 * 10


@pytest.mark.usefixtures("needs_compiler")
def test_nothing_is_drawn_behind_a_curtain() -> None:
    scene = behind_curtain(make_scene(SceneSettings(300, 45, 37)))
    assert count_pairs(scene).drawn == 45 * 37
    images = images_of(render(scene))
    torch.testing.assert_close(images.alphas, torch.full((37, 45), 0.999))
    assert bool((render(scene).radii[0, 2:] > 0).any())


def test_nothing_is_in_view_out_of_sight() -> None:
    scene = out_of_sight(make_scene(SceneSettings(300, 45, 37)))
    assert not bool(render(scene).radii.any())


def test_scenes_repeat_with_their_seed() -> None:
    settings = SceneSettings(50, 45, 37)
    first, again = make_scene(settings).gaussians, make_scene(settings).gaussians
    other = make_scene(SceneSettings(50, 45, 37, seed=1)).gaussians
    assert torch.equal(first.means, again.means)
    assert torch.equal(first.sh, again.sh)
    assert not torch.equal(first.means, other.means)


def test_parts_of_an_iteration_add_up_to_the_whole() -> None:
    whole, *rest = Training(make_scene(SceneSettings(50, 45, 37))).step()
    parts, stages = rest[:4], rest[4:]
    assert whole == pytest.approx(sum(parts))
    assert len(stages) == 3
    assert 0 < sum(stages) < parts[0]


def test_both_passes_are_timed() -> None:
    scene = make_scene(SceneSettings(50, 45, 37))
    passes = time_passes(scene, random_cotangent(scene), Clock(2, 0))
    assert passes.forward.seconds > 0
    assert passes.backward.seconds > 0
