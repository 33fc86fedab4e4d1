"""Random changes of sweeps: distances, draws, and what stays."""

import dataclasses

import pytest
import torch

from sparse3d.data.segmentation.augment import augment
from sparse3d.data.segmentation.config import AugmentConfig
from sparse3d.data.segmentation.sample import Sample
from sparse3d.scene import PointCloud

STILL = AugmentConfig(
    flip=False, rotation=0.0, scale=(1.0, 1.0), translation=(0.0, 0.0, 0.0), jitter=0.0
)


def sample() -> Sample:
    generator = torch.Generator().manual_seed(0)
    points = torch.randn(50, 3, generator=generator) * 10
    cloud = PointCloud(points, intensities=torch.rand(50, generator=generator))
    return Sample("a", cloud, torch.arange(50) % 4)


def changed(config: AugmentConfig, seed: int = 1) -> Sample:
    return augment(sample(), config, torch.Generator().manual_seed(seed))


def test_nothing_is_changed_unasked() -> None:
    after, before = changed(STILL), sample()
    assert torch.equal(after.points.positions, before.points.positions)
    assert after.points.intensities is not None
    assert torch.equal(after.points.intensities, before.points.intensities)  # type: ignore[arg-type]
    assert torch.equal(after.numbers, before.numbers)


def test_rotations_about_z_keep_heights_and_distances() -> None:
    after = changed(dataclasses.replace(STILL, rotation=180.0)).points.positions
    before = sample().points.positions
    assert not torch.allclose(after, before)
    torch.testing.assert_close(after[:, 2], before[:, 2])
    distances = [(cloud[:, None] - cloud).norm(dim=2) for cloud in (after, before)]
    torch.testing.assert_close(*distances, rtol=1e-5, atol=1e-5)
    area = before[0, 0] * before[1, 1] - before[0, 1] * before[1, 0]  # keeps its sign
    turned = after[0, 0] * after[1, 1] - after[0, 1] * after[1, 0]
    assert turned.item() == pytest.approx(area.item(), rel=1e-4)


def test_half_of_the_samples_are_mirrored() -> None:
    config = dataclasses.replace(STILL, flip=True)
    before = sample().points.positions
    mirrored = 0
    for seed in range(40):
        after = changed(config, seed).points.positions
        torch.testing.assert_close(after[:, [0, 2]], before[:, [0, 2]])
        mirrored += bool((after[:, 1] == -before[:, 1]).all())
    assert 10 < mirrored < 30


def test_scales_and_shifts() -> None:
    config = dataclasses.replace(STILL, scale=(1.5, 2.0), translation=(0.0, 0.0, 3.0))
    after, before = changed(config).points.positions, sample().points.positions
    factors = after[:, :2] / before[:, :2]
    assert 1.5 <= factors.mean().item() <= 2
    torch.testing.assert_close(factors, factors[:1, :1].expand(50, 2))
    shift = after[:, 2] - before[:, 2] * factors[0, 0]
    torch.testing.assert_close(shift, shift[:1].expand(50), rtol=0, atol=1e-4)
    assert abs(shift[0].item()) > 1e-3


def test_noise_is_of_every_point_by_itself() -> None:
    config = dataclasses.replace(STILL, jitter=0.5)
    noise = changed(config).points.positions - sample().points.positions
    assert noise.std(0).tolist() == pytest.approx([0.5] * 3, rel=0.4)
    assert noise.mean().abs().item() < 0.2


def test_intensities_are_dropped_whole() -> None:
    dropped = changed(dataclasses.replace(STILL, drop_intensity=1.0)).points.intensities
    assert dropped is not None
    assert not dropped.any()


def test_the_same_generator_gives_the_same_sample() -> None:
    first, second, other = (changed(AugmentConfig(), seed).points.positions for seed in (3, 3, 4))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)
    moved = changed(dataclasses.replace(AugmentConfig(), jitter=0.0), 3).points.positions
    assert (moved - first).abs().max().item() < 0.1  # the other draws stay as they were
