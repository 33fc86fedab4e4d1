"""SSIM by the definition: a direct 2D convolution in float64, one tap of the window at a time."""

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor

__all__ = ["photometric_loss", "ssim"]

_RADIUS, _SIGMA, _C1, _C2 = 5, 1.5, 0.01**2, 0.03**2


def ssim(image: Float[Tensor, "b h w c"], target: Float[Tensor, "b h w c"]) -> Float[Tensor, " b"]:
    """Mean SSIM of each image."""
    means = [_ssim_map(x.double(), y.double()).mean() for x, y in zip(image, target, strict=True)]
    return torch.stack(means).to(image.dtype)


def photometric_loss(
    image: Float[Tensor, "h w c"],
    target: Float[Tensor, "h w c"],
    mask: Bool[Tensor, "h w"] | None,
    ssim_weight: float,
) -> Float[Tensor, ""]:
    """``(1 - w) * L1 + w * (1 - SSIM)`` of masked images."""
    x, y = image.double(), target.double()
    if mask is None:
        mask = torch.ones(image.shape[:2], dtype=torch.bool)
    x, y = (torch.where(mask[..., None], values, 0.0) for values in (x, y))
    l1 = (x - y).abs().sum() / max(int(mask.sum()) * image.shape[2], 1)
    loss = (1 - ssim_weight) * l1 + ssim_weight * (1 - _ssim_map(x, y).mean())
    return loss.to(image.dtype)


def _ssim_map(x: Float[Tensor, "h w c"], y: Float[Tensor, "h w c"]) -> Float[Tensor, "h w c"]:
    mean_x, mean_y = _blur(x), _blur(y)
    variance_x = _blur(x * x) - mean_x**2
    variance_y = _blur(y * y) - mean_y**2
    covariance = _blur(x * y) - mean_x * mean_y
    luminance = (2 * mean_x * mean_y + _C1) / (mean_x**2 + mean_y**2 + _C1)
    return luminance * (2 * covariance + _C2) / (variance_x + variance_y + _C2)


def _blur(values: Float[Tensor, "h w c"]) -> Float[Tensor, "h w c"]:
    height, width, _ = values.shape
    padded = torch.nn.functional.pad(values, (0, 0, _RADIUS, _RADIUS, _RADIUS, _RADIUS))
    taps = range(-_RADIUS, _RADIUS + 1)
    weights = {(i, j): math.exp(-(i * i + j * j) / (2 * _SIGMA**2)) for i in taps for j in taps}
    total = torch.zeros_like(values)
    for (i, j), weight in weights.items():
        top, left = _RADIUS + i, _RADIUS + j
        total = total + weight * padded[top : top + height, left : left + width]
    return total / sum(weights.values())
