"""Image metrics by hand."""

import math

import pytest
import torch

from sparse3d.splat.metrics import ImageMetrics, ViewMetrics, compare_images


def test_psnr_of_a_constant_error() -> None:
    truth = torch.full((20, 30, 3), 100 / 255)
    metrics = compare_images("a", truth + 10 / 255, truth)
    assert metrics.psnr == pytest.approx(-20 * math.log10(10 / 255))


def test_images_are_compared_after_rounding_to_eight_bits() -> None:
    truth = torch.full((20, 30, 3), 100 / 255)
    assert compare_images("a", truth + 0.4 / 255, truth).psnr == pytest.approx(100)
    assert compare_images("a", truth + 0.4 / 255, truth).ssim == pytest.approx(1)


def test_only_masked_pixels_count_for_psnr() -> None:
    truth = torch.zeros(16, 16, 3)
    image = torch.zeros(16, 16, 3)
    image[:8] = 1.0
    image[8:] = 51 / 255
    mask = torch.zeros(16, 16, dtype=torch.bool)
    mask[8:] = True
    assert compare_images("a", image, truth, mask).psnr == pytest.approx(-20 * math.log10(0.2))


def test_ssim_falls_with_noise() -> None:
    rng = torch.Generator().manual_seed(0)
    truth = torch.randint(256, (40, 50, 3), generator=rng) / 255
    noise = torch.randn(40, 50, 3, generator=rng)
    values = [compare_images("a", truth + s * noise, truth).ssim for s in (0.0, 0.1, 0.3)]
    assert values[0] == pytest.approx(1)
    assert values[0] > values[1] > values[2]


def test_means_and_reasons_in_plain_data() -> None:
    views = (ViewMetrics("a", 20.0, 0.5, None), ViewMetrics("b", 22.0, 0.7, None))
    data = ImageMetrics(views, 10, ("c",), "llff").to_json()
    assert (data["psnr"], data["ssim"], data["lpips"]) == (21.0, pytest.approx(0.6), None)
    assert "vgg16" in data["lpips_reason"]
    assert data["test_views"] == ["a", "b"]
    empty = ImageMetrics((), 10, ("c",), "llff")
    assert empty.to_json()["psnr"] is None
    assert "no test views" in empty.headline()
