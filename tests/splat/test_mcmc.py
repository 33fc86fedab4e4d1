"""Relocation, growth and noise of the mcmc strategy, row by row."""

import math
from collections import Counter

import pytest
import torch
from torch import Tensor

from sparse3d.geometry.rotations import matrix_from_quaternion
from sparse3d.scene import Gaussians
from sparse3d.splat.config import DensifyConfig, McmcConfig
from sparse3d.splat.densify import Regrowth
from sparse3d.splat.mcmc import position_noise, relocate_and_grow

COLUMNS = ("means", "quaternions", "log_scales", "logit_opacities", "sh")


def some(opacities: list[float], seed: int = 0) -> Gaussians:
    rng = torch.Generator().manual_seed(seed)
    n = len(opacities)
    return Gaussians(
        torch.randn(n, 3, generator=rng),
        torch.randn(n, 4, generator=rng),
        torch.rand(n, 3, generator=rng) - 3,
        torch.logit(torch.tensor(opacities)),
        torch.randn(n, 4, 3, generator=rng),
    )


def moved(
    gaussians: Gaussians, doomed: Tensor, growth: float = 0.0, most: int = 10**6, seed: int = 1
) -> Regrowth:
    config = DensifyConfig(max_gaussians=most, mcmc=McmcConfig(growth=growth))
    return relocate_and_grow(gaussians, doomed, config, torch.Generator().manual_seed(seed))


def test_dead_ones_become_copies_of_live_ones() -> None:
    before = some([0.8, 0.001, 0.5, 0.001, 0.6])
    doomed = torch.tensor([False, True, False, True, False])
    result = moved(before, doomed)
    after = result.gaussians
    assert result.kept.tolist() == [0, 1, 2, 3, 4]
    assert result.added == 0
    for row in (1, 3):
        (source,) = [i for i in (0, 2, 4) if torch.equal(after.means[row], before.means[i])]
        for name in COLUMNS:
            assert torch.equal(getattr(after, name)[row], getattr(after, name)[source])
        assert row in result.restarted
        assert source in result.restarted


def test_copies_share_opacity_and_the_others_stay_to_the_bit() -> None:
    before = some([0.75, 0.001, 0.75])
    result = moved(before, torch.tensor([False, True, False]))
    after = result.gaussians
    (untouched,) = set(range(3)) - set(result.restarted.tolist())
    for name in COLUMNS:
        assert torch.equal(getattr(after, name)[untouched], getattr(before, name)[untouched])
    shared = torch.sigmoid(after.logit_opacities[result.restarted])
    torch.testing.assert_close(shared, torch.full((2,), 0.5))
    assert bool((after.log_scales[1] != before.log_scales[2 - untouched]).all())


def test_sources_are_drawn_by_opacity() -> None:
    opacities = [0.9, 0.3, 0.6]
    gaussians = some(opacities + [0.001] * 3000)
    doomed = torch.arange(3003) >= 3
    means = moved(gaussians, doomed).gaussians.means[3:]
    counts = Counter(int((gaussians.means[:3] == mean).all(1).nonzero()) for mean in means)
    shares = [counts[i] / 3000 for i in range(3)]
    assert shares == pytest.approx([opacity / 1.8 for opacity in opacities], abs=0.03)


def test_growth_is_a_share_up_to_the_cap() -> None:
    gaussians, none = some([0.5] * 100), torch.zeros(100, dtype=torch.bool)
    assert moved(gaussians, none, growth=0.05).added == 5
    assert moved(gaussians, none, growth=0.05, most=102).added == 2
    assert moved(gaussians, none, growth=0.05, most=100).added == 0
    assert moved(gaussians, none, growth=0.05, most=50).added == 0
    result = moved(gaussians, none, growth=0.05)
    for new in range(100, 105):
        source = int((gaussians.means == result.gaussians.means[new]).all(1).nonzero())
        assert source in result.restarted
        assert torch.equal(result.gaussians.log_scales[new], result.gaussians.log_scales[source])


def test_no_share_falls_below_the_limit_of_pruning() -> None:
    gaussians = some([0.006] + [0.001] * 40)
    after = moved(gaussians, torch.arange(41) > 0).gaussians
    torch.testing.assert_close(torch.sigmoid(after.logit_opacities), torch.full((41,), 0.005))


@pytest.mark.parametrize("count", [0, 1, 4])
def test_nothing_happens_where_all_are_dead(count: int) -> None:
    gaussians = some([0.001] * count)
    result = moved(gaussians, torch.ones(count, dtype=torch.bool), growth=0.5)
    assert result.gaussians is gaussians
    assert (result.added, result.restarted.tolist()) == (0, [])


def test_same_seed_same_result_another_seed_another() -> None:
    gaussians, doomed = some([0.5] * 40 + [0.001] * 10), torch.arange(50) >= 40
    first, second, third = (moved(gaussians, doomed, 0.1, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(first.gaussians.means, second.gaussians.means)
    assert not torch.equal(first.gaussians.means, third.gaussians.means)


def test_noise_is_the_formula() -> None:
    gaussians = some([0.001, 0.005, 0.02, 0.5])
    noise = position_noise(gaussians, 7.0, torch.Generator().manual_seed(4))
    normal = torch.randn(4, 3, 1, generator=torch.Generator().manual_seed(4))
    for i, opacity in enumerate([0.001, 0.005, 0.02, 0.5]):
        rotation = matrix_from_quaternion(gaussians.quaternions[i]).double()
        covariance = rotation @ torch.diag(gaussians.log_scales[i].double().exp() ** 2) @ rotation.T
        faintness = 1 / (1 + math.exp(-100 * ((1 - opacity) - 0.995)))
        expected = 7 * faintness * (covariance @ normal[i].double())[:, 0]
        torch.testing.assert_close(noise[i].double(), expected, rtol=1e-4, atol=1e-9)


def test_opaque_ones_stay_where_they_are() -> None:
    gaussians = some([0.9] * 5)
    noise = position_noise(gaussians, 1e3, torch.Generator().manual_seed(4))
    assert float(noise.abs().max()) < 1e-30


def test_no_gaussians_no_noise() -> None:
    assert position_noise(some([]), 1.0, torch.Generator()).shape == (0, 3)
