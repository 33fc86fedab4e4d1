"""Growth and pruning, row by row."""

from dataclasses import replace

import torch

from sparse3d.scene import Gaussians
from sparse3d.splat.config import DensifyConfig
from sparse3d.splat.densify import GradientStatistics, Regrowth, grow_and_prune, prunable

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
    statistics = statistics.added(gradient, torch.tensor([1, 0], dtype=torch.int32), (2, 2))
    statistics = statistics.added(3 * gradient, torch.tensor([1, 0], dtype=torch.int32), (2, 2))
    assert statistics.mean().tolist() == [10.0, 0.0]


def test_mean_radius_is_that_of_the_steps_in_which_a_gaussian_was_drawn() -> None:
    statistics = GradientStatistics.zeros(3)
    for radii in ([4, 0, 0], [8, 2, 0]):
        drawn = torch.tensor(radii, dtype=torch.int32)
        statistics = statistics.added(torch.zeros(3, 2), drawn, (20, 40))
    torch.testing.assert_close(statistics.mean_radius(), torch.tensor([0.15, 0.05, 0.0]))


def test_sums_of_statistics_are_those_of_all_steps() -> None:
    rng = torch.Generator().manual_seed(3)
    parts = [
        GradientStatistics.zeros(4).added(
            torch.randn(4, 2, generator=rng),
            torch.randint(0, 9, (4,), generator=rng, dtype=torch.int32),
            (30, 20),
        )
        for _ in range(2)
    ]
    both = parts[0].plus(parts[1])
    for name in ("gradient", "count", "radius"):
        assert torch.equal(getattr(both, name), getattr(parts[0], name) + getattr(parts[1], name))


def test_only_faint_ones_are_pruned_unless_asked_for_more() -> None:
    radii, faint = torch.full((5,), 0.9), [False, False, False, True, True]
    assert prunable(five(), 1.0, CONFIG, radii=radii).tolist() == faint


def test_large_ones_are_pruned_in_units_of_the_extent() -> None:
    config = replace(CONFIG, prune_scale=0.1)
    assert prunable(five(), 4.0, config).tolist() == [False, False, True, True, True]
    assert prunable(five(), 6.0, config).tolist() == [False, False, False, True, True]


def test_those_drawn_large_are_pruned() -> None:
    config, radii = replace(CONFIG, prune_radius=0.3), torch.tensor([0.2, 0.4, 0.3, 0.0, 0.0])
    assert prunable(five(), 1.0, config, radii=radii).tolist() == [False, True, False, True, True]
    assert not prunable(five(), 1.0, config)[1], "nothing is known of radii"


def test_those_without_any_weight_are_pruned() -> None:
    weights = torch.tensor([1.0, 0.0, torch.nan, 1.0, 1.0])
    assert prunable(five(), 1.0, CONFIG, weights=weights).tolist() == [
        False,
        True,
        True,
        True,
        True,
    ]


def test_doomed_ones_go_instead_of_being_multiplied() -> None:
    doomed = torch.tensor([False, True, True, False, False])
    result = grow_and_prune(
        five(), torch.full((5,), 9.0), 1.0, CONFIG, torch.Generator(), doomed=doomed
    )
    assert result.kept.tolist() == [0, 3, 4]
    assert result.added == 3
    assert result.restarted.tolist() == []
