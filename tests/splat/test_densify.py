"""Growth and pruning, row by row."""

import torch

from sparse3d.scene import Gaussians
from sparse3d.splat.config import DensifyConfig
from sparse3d.splat.densify import GradientStatistics, Regrowth, grow_and_prune

CONFIG = DensifyConfig(gradient=1.0, clone_below=0.1, prune_opacity=0.05, max_gaussians=100)


def five() -> Gaussians:
    rng = torch.Generator().manual_seed(0)
    log_scales = torch.full((5, 3), 0.01).log()
    log_scales[2] = torch.tensor([0.5, 0.01, 0.02]).log()
    opacities = torch.tensor([0.5, 0.5, 0.5, 0.01, 0.01])
    return Gaussians(
        torch.randn(5, 3, generator=rng),
        torch.randn(5, 4, generator=rng),
        log_scales,
        torch.logit(opacities),
        torch.randn(5, 4, 3, generator=rng),
    )


def grown(gradient: list[float], config: DensifyConfig = CONFIG, seed: int = 1) -> Regrowth:
    rng = torch.Generator().manual_seed(seed)
    return grow_and_prune(five(), torch.tensor(gradient, dtype=torch.float32), 1.0, config, rng)


def test_quiet_gaussians_stay_and_faint_ones_go() -> None:
    result = grown([0, 0, 0, 0, 9])
    assert result.kept.tolist() == [0, 1, 2]
    assert result.added == 0
    assert torch.equal(result.gaussians.means, five().means[:3])


def test_small_ones_are_cloned_as_they_are() -> None:
    result = grown([0, 9, 0, 0, 0])
    assert result.kept.tolist() == [0, 1, 2]
    assert result.added == 1
    assert torch.equal(result.gaussians.sh[3], five().sh[1])
    assert torch.equal(result.gaussians.means[3], five().means[1])


def test_large_ones_are_replaced_by_two_smaller_halves_along_their_axes() -> None:
    result = grown([0, 0, 9, 0, 0])
    assert result.kept.tolist() == [0, 1]
    assert result.added == 2
    ratio = five().log_scales[2].exp() / result.gaussians.log_scales[2:].exp()
    torch.testing.assert_close(ratio, torch.full((2, 3), 1.6))


def test_halves_scatter_like_the_parent() -> None:
    offsets = torch.stack([grown([0, 0, 9, 0, 0], seed=i).gaussians.means[2] for i in range(400)])
    covariance = torch.cov((offsets - five().means[2]).T)
    eigenvalues = torch.linalg.eigvalsh(covariance)
    torch.testing.assert_close(eigenvalues[-1].sqrt(), torch.tensor(0.5), rtol=0.15, atol=0)


def test_no_growth_beyond_the_limit() -> None:
    result = grown([9, 9, 9, 9, 9], DensifyConfig(prune_opacity=0.05, max_gaussians=5))
    assert result.added == 0


def test_same_seed_same_result() -> None:
    assert torch.equal(
        grown([0, 0, 9, 0, 0]).gaussians.means, grown([0, 0, 9, 0, 0]).gaussians.means
    )


def test_statistics_average_over_the_steps_in_which_a_gaussian_was_seen() -> None:
    statistics = GradientStatistics.zeros(2)
    gradient = torch.tensor([[3.0, 4.0], [1.0, 0.0]])
    statistics = statistics.added(gradient, torch.tensor([True, False]), (2, 2))
    statistics = statistics.added(3 * gradient, torch.tensor([True, False]), (2, 2))
    assert statistics.mean().tolist() == [10.0, 0.0]
