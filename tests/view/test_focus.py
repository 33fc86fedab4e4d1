"""Strays do not decide what a picture shows, compact things stay whole."""

import torch

from sparse3d.view.focus import core, without_strays


def test_a_compact_cloud_stays_whole() -> None:
    rng = torch.Generator().manual_seed(0)
    cloud = torch.rand(5000, 3, generator=rng) * torch.tensor([1.0, 20.0, 300.0]) - 7
    kept = without_strays(cloud)
    torch.testing.assert_close(kept.amin(0), cloud.amin(0))
    torch.testing.assert_close(kept.amax(0), cloud.amax(0))


def test_strays_are_left_out() -> None:
    rng = torch.Generator().manual_seed(1)
    cloud = torch.rand(1000, 3, generator=rng)
    strays = torch.tensor([[90.0, 0, 0], [0.5, -70, 0.5], [0.5, 0.5, 1e6]])
    kept = without_strays(torch.cat([strays, cloud]))
    assert float(kept.abs().max()) <= 1.0
    assert len(kept) == 1000


def test_the_core_is_the_middle() -> None:
    line = torch.linspace(0, 100, 1001)
    kept = core(torch.stack([line, line, line], dim=1))
    assert (float(kept.min()), float(kept.max())) == (10.0, 90.0)


def test_few_points_are_kept() -> None:
    for count in (0, 1, 2):
        cloud = torch.arange(3.0 * count).reshape(count, 3)
        assert torch.equal(without_strays(cloud), cloud)
    spread = torch.eye(3)
    assert len(core(spread)) >= 1


def test_large_clouds_are_sampled() -> None:
    cloud = torch.rand(100_000, 3, generator=torch.Generator().manual_seed(2))
    assert 15_000 < len(without_strays(cloud)) <= 20_000
