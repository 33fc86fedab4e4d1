"""Augmentation: points and boxes stay together, and every change is the one that is named."""

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from sparse3d.data.detection.augment import augment
from sparse3d.data.detection.config import AugmentConfig
from sparse3d.data.detection.sample import Sample
from sparse3d.geometry.boxes import points_in_boxes
from sparse3d.scene import Boxes3D, ImageBoxes, PointCloud

STILL = AugmentConfig(
    flip=False, rotation=0.0, scale=(1.0, 1.0), translation=(0.0, 0.0, 0.0), drop_intensity=0.0
)
SEED_MIRRORED, SEED_NOT = 1, 2
"""Seeds whose first uniform number is below and above 1/2; checked in a test."""


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random_boxes(count: int, seed: int) -> Boxes3D:
    draw = generator(seed)
    zeros = torch.zeros(count)
    return Boxes3D(
        torch.randn(count, 3, generator=draw) * torch.tensor([20.0, 20, 1]),
        torch.rand(count, 3, generator=draw) * 4 + 0.3,
        (torch.rand(count, generator=draw) * 2 - 1) * math.pi,
        ("Car",) * count,
        velocities=torch.randn(count, 2, generator=draw) * 8,
        image=ImageBoxes(torch.zeros(count, 4), zeros, zeros, zeros.int()),
    )


def random_sample(seed: int, boxes: int = 5) -> Sample:
    draw = generator(seed + 1000)
    wanted, ignored = random_boxes(boxes, seed), random_boxes(2, seed + 1)
    near = [box.repeat(40, 1) for box in (wanted.centers, ignored.centers)]
    positions = torch.cat([*near, torch.zeros(50, 3)])
    positions = positions + torch.randn(positions.shape, generator=draw) * 1.5
    points = PointCloud(positions, intensities=torch.rand(len(positions), generator=draw))
    return Sample("some", points, wanted, ignored)


def clear_membership(positions: Tensor, boxes: Boxes3D) -> tuple[Tensor, Tensor]:
    """Which points are inside, and of which it is not a matter of rounding."""
    rows = boxes.rows().double()
    slack = torch.tensor([0.0, 0, 0, 1e-3, 1e-3, 1e-3, 0], dtype=torch.float64)
    inner = points_in_boxes(positions.double(), rows - slack)
    outer = points_in_boxes(positions.double(), rows + slack)
    return inner, inner == outer


@given(
    seed=st.integers(0, 10_000),
    flip=st.booleans(),
    rotation=st.floats(0, 180),
    low=st.floats(0.5, 1.5),
    spread=st.floats(0, 0.5),
    sigma=st.tuples(*[st.floats(0, 3)] * 3),
)
def test_points_inside_a_box_stay_inside_and_others_outside(
    seed: int,
    flip: bool,
    rotation: float,
    low: float,
    spread: float,
    sigma: tuple[float, float, float],
) -> None:
    config = AugmentConfig(flip, rotation, (low, low + spread), sigma)
    sample = random_sample(seed % 7)
    moved = augment(sample, config, generator(seed))
    for before, after in ((sample.boxes, moved.boxes), (sample.ignored, moved.ignored)):
        inside, clear = clear_membership(sample.points.positions, before)
        inside_after, clear_after = clear_membership(moved.points.positions, after)
        both = clear & clear_after
        assert torch.equal(inside[both], inside_after[both])
        assert bool(inside[both].any()), "the test has points to judge by"


def test_headings_follow_an_l_of_points() -> None:
    """Front tip, rear and left tip of an object: only a right yaw puts them where they belong."""
    yaw = torch.tensor([0.4])
    box = Boxes3D(torch.tensor([[10.0, 4, 0]]), torch.tensor([[4.0, 2, 1]]), yaw, ("Car",))
    ahead = torch.tensor([math.cos(0.4), math.sin(0.4), 0])
    left = torch.tensor([-math.sin(0.4), math.cos(0.4), 0])
    points = box.centers + torch.stack([2 * ahead, -2 * ahead, -2 * ahead + left])
    box = replace(box, velocities=5 * ahead[None, :2])
    sample = Sample("one", PointCloud(points, intensities=torch.ones(3)), box, box)
    for seed, handed in ((SEED_MIRRORED, -1.0), (SEED_NOT, 1.0)):
        moved = augment(sample, AugmentConfig(rotation=90.0), generator(seed))
        scale = (moved.boxes.sizes / box.sizes)[0, 0]
        assert torch.allclose(moved.boxes.sizes, box.sizes * scale)
        tip, rear, corner = moved.points.positions
        heading = math.atan2(float(tip[1] - rear[1]), float(tip[0] - rear[0]))
        assert math.cos(heading - float(moved.boxes.yaws[0])) > 1 - 1e-6
        assert torch.allclose((tip + rear) / 2, moved.boxes.centers[0], atol=1e-5)
        side = torch.linalg.cross(tip - rear, corner - rear)[2]
        assert float(side.sign()) == handed
        assert moved.boxes.velocities is not None
        assert torch.allclose(moved.boxes.velocities[0], (tip - rear)[:2] * 5 / 4, atol=1e-4)


def test_each_change_alone() -> None:
    sample = random_sample(0)
    p, b = sample.points.positions, sample.boxes

    mirrored = augment(sample, replace(STILL, flip=True), generator(SEED_MIRRORED))
    assert torch.equal(mirrored.points.positions, p * torch.tensor([1.0, -1, 1]))
    assert torch.allclose(mirrored.boxes.yaws, -b.yaws, atol=1e-6)
    kept = augment(sample, replace(STILL, flip=True), generator(SEED_NOT))
    assert torch.equal(kept.points.positions, p)

    turned = augment(sample, replace(STILL, rotation=30.0), generator(3))
    angle = turned.boxes.yaws - b.yaws
    assert 0 < float(torch.sin(angle).abs().max()) <= 0.5
    assert torch.allclose(turned.points.positions.norm(dim=1), p.norm(dim=1), rtol=1e-5)
    assert torch.equal(turned.points.positions[:, 2], p[:, 2])
    assert torch.equal(turned.boxes.sizes, b.sizes)

    grown = augment(sample, replace(STILL, scale=(2.0, 2.0)), generator(3))
    assert b.velocities is not None
    assert grown.boxes.velocities is not None
    assert torch.equal(grown.points.positions, 2 * p)
    assert torch.equal(grown.boxes.centers, 2 * b.centers)
    assert torch.equal(grown.boxes.sizes, 2 * b.sizes)
    assert torch.equal(grown.boxes.velocities, 2 * b.velocities)

    shifted = augment(sample, replace(STILL, translation=(0.0, 2.0, 0.0)), generator(3))
    shift = shifted.boxes.centers - b.centers
    assert torch.allclose(shift, shift[:1].expand_as(shift), atol=1e-5)
    assert shift[0, 0] == shift[0, 2] == 0
    assert abs(float(shift[0, 1])) > 1e-3
    assert shifted.boxes.velocities is not None
    assert torch.equal(shifted.boxes.velocities, b.velocities)


def test_changing_nothing_returns_the_same_values() -> None:
    sample = random_sample(2)
    same = augment(sample, STILL, generator(SEED_MIRRORED))
    assert torch.equal(same.points.positions, sample.points.positions)
    assert sample.points.intensities is not None
    assert same.points.intensities is not None
    assert torch.equal(same.points.intensities, sample.points.intensities)
    for before, after in ((sample.boxes, same.boxes), (sample.ignored, same.ignored)):
        assert torch.equal(before.centers, after.centers)
        assert torch.equal(before.sizes, after.sizes)
        assert torch.allclose(before.yaws, after.yaws, atol=1e-6)
        assert before.names == after.names
        assert after.image is None, "the image no longer shows the boxes"


def test_the_same_generator_gives_the_same_sample() -> None:
    sample, config = random_sample(1), AugmentConfig(drop_intensity=0.5)
    first, second, other = (augment(sample, config, generator(s)) for s in (7, 7, 8))
    assert torch.equal(first.points.positions, second.points.positions)
    assert torch.equal(first.boxes.rows(), second.boxes.rows())
    assert not torch.equal(first.points.positions, other.points.positions)


def test_every_configuration_draws_as_many_numbers() -> None:
    after = []
    for config in (STILL, AugmentConfig(), AugmentConfig(drop_intensity=1.0)):
        draw = generator(5)
        augment(random_sample(1), config, draw)
        after.append(draw.get_state())
    assert torch.equal(after[0], after[1])
    assert torch.equal(after[0], after[2])


def test_flips_and_dropped_intensities_have_their_probabilities() -> None:
    sample, draw = random_sample(3), generator(0)
    config = replace(STILL, flip=True, drop_intensity=0.25)
    flips = drops = 0
    for _ in range(400):
        moved = augment(sample, config, draw)
        flips += not torch.equal(moved.points.positions, sample.points.positions)
        assert moved.points.intensities is not None
        drops += not bool(moved.points.intensities.any())
    assert 160 < flips < 240
    assert 65 < drops < 140


@pytest.mark.parametrize("points", [0, 1])
def test_empty_samples_and_lone_points(points: int) -> None:
    cloud = PointCloud(torch.ones(points, 3), intensities=torch.ones(points))
    boxes = replace(random_boxes(0, 0), velocities=None)
    moved = augment(Sample("none", cloud, boxes, boxes), AugmentConfig(), generator(0))
    assert len(moved.points) == points
    assert len(moved.boxes) == len(moved.ignored) == 0
    assert moved.boxes.velocities is None
    assert moved.points.positions.dtype == torch.float32


def test_the_seeds_are_what_they_are_called() -> None:
    first, second = (
        float(torch.rand(1, generator=generator(seed), dtype=torch.float64))
        for seed in (SEED_MIRRORED, SEED_NOT)
    )
    assert first < 0.5 < second
