"""SSIM with separable convolutions of torch: any device, any floating dtype, autograd."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import conv2d

__all__ = ["photometric_loss", "ssim"]

_RADIUS, _SIGMA, _C1, _C2 = 5, 1.5, 0.01**2, 0.03**2


def ssim(image: Float[Tensor, "b h w c"], target: Float[Tensor, "b h w c"]) -> Float[Tensor, " b"]:
    """Mean SSIM of each image."""
    working = torch.promote_types(image.dtype, torch.float32)
    return _ssim_map(image.to(working), target.to(working)).mean((1, 2, 3)).to(image.dtype)


def photometric_loss(
    image: Float[Tensor, "h w c"],
    target: Float[Tensor, "h w c"],
    mask: Bool[Tensor, "h w"] | None,
    ssim_weight: float,
) -> Float[Tensor, ""]:
    """``(1 - w) * L1 + w * (1 - SSIM)`` of masked images."""
    if mask is None:
        l1 = (image - target).abs().mean()
    else:
        image, target = (torch.where(mask[..., None], x, 0.0) for x in (image, target))
        count = (mask.sum() * image.shape[2]).clamp_min(1)
        l1 = (image - target).abs().sum() / count
    return (1 - ssim_weight) * l1 + ssim_weight * (1 - ssim(image[None], target[None])[0])


def _ssim_map(x: Float[Tensor, "b h w c"], y: Float[Tensor, "b h w c"]) -> Float[Tensor, "b h w c"]:
    moments = _blur(torch.cat([x, y, x * x + y * y, x * y], dim=-1))
    mean_x, mean_y, squares, products = moments.chunk(4, dim=-1)
    mean_product, mean_squares = mean_x * mean_y, mean_x**2 + mean_y**2
    luminance = (2 * mean_product + _C1) / (mean_squares + _C1)
    structure = (2 * (products - mean_product) + _C2) / (squares - mean_squares + _C2)
    return luminance * structure


def _blur(values: Float[Tensor, "b h w c"]) -> Float[Tensor, "b h w c"]:
    """Two depthwise convolutions; with channels last in memory they are by far the fastest."""
    offsets = torch.arange(-_RADIUS, _RADIUS + 1, dtype=torch.float64)
    window = torch.exp(-(offsets**2) / (2 * _SIGMA**2))
    channels = values.shape[-1]
    taps = (window / window.sum()).to(values).expand(channels, 1, -1)
    planes = values.permute(0, 3, 1, 2)
    planes = conv2d(planes, taps[:, :, None, :], padding=(0, _RADIUS), groups=channels)
    planes = conv2d(planes, taps[:, :, :, None], padding=(_RADIUS, 0), groups=channels)
    return planes.permute(0, 2, 3, 1)
