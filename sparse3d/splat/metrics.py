"""Image metrics of novel-view synthesis: PSNR, SSIM and, where its weights are there, LPIPS."""

import importlib.util
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sparse3d.ops.ssim import ssim

__all__ = ["ImageMetrics", "ViewMetrics", "compare_images", "lpips_vgg"]

_VGG_WEIGHTS = "vgg16-397923af.pth"


@dataclass(frozen=True, slots=True)
class ViewMetrics:
    """One test view; higher PSNR and SSIM are better, lower LPIPS is."""

    name: str
    """Name of the camera."""
    psnr: float
    """Peak signal-to-noise ratio in dB."""
    ssim: float
    """Structural similarity, as the splatting papers compute it."""
    lpips: float | None
    """Perceptual distance (VGG), None where its weights are missing."""


@dataclass(frozen=True, slots=True)
class ImageMetrics:
    """Metrics of all test views; implements ``Evaluation``."""

    per_view: tuple[ViewMetrics, ...]
    """In the order of the test views."""
    gaussians: int
    """Number of Gaussians."""
    train_views: tuple[str, ...]
    """Names of the training views."""
    protocol: str
    """How the views were chosen."""

    def mean(self, name: str) -> float | None:
        """Mean of ``psnr``, ``ssim`` or ``lpips`` over the views; None where there is no value."""
        values = [getattr(view, name) for view in self.per_view]
        return None if not values or None in values else sum(values) / len(values)

    def to_json(self) -> dict[str, Any]:
        """The keys of ``metrics.json`` that concern images."""
        lpips = self.mean("lpips")
        return {
            "psnr": self.mean("psnr"),
            "ssim": self.mean("ssim"),
            "lpips": lpips,
            "lpips_reason": None if lpips is not None else self._why_no_lpips(),
            "gaussians": self.gaussians,
            "train_views": list(self.train_views),
            "test_views": [view.name for view in self.per_view],
            "protocol": self.protocol,
            "per_view": [asdict(view) for view in self.per_view],
        }

    def headline(self) -> str:
        """PSNR and SSIM in one line."""
        if not self.per_view:
            return f"{self.gaussians} Gaussians; no test views, so no metrics"
        return (
            f"PSNR {self.mean('psnr'):.2f} dB, SSIM {self.mean('ssim'):.3f}"
            f" on {len(self.per_view)} test views; {self.gaussians} Gaussians"
        )

    def _why_no_lpips(self) -> str:
        if not self.per_view:
            return "no test views"
        return f"torchmetrics and {_VGG_WEIGHTS} in {_hub_folder()} are needed; never downloaded"


def compare_images(
    name: str,
    image: Float[Tensor, "h w 3"],
    truth: Float[Tensor, "h w 3"],
    mask: Bool[Tensor, "h w"] | None = None,
) -> ViewMetrics:
    """Metrics of one rendered view, after rounding to 8 bits as a PNG would.

    Args:
        name: Name of the view.
        image: The rendering, clipped to [0, 1] first.
        truth: The photo in [0, 1].
        mask: PSNR counts these pixels only; SSIM and LPIPS see black elsewhere in both.
    """
    image = (image.clamp(0, 1) * 255).round() / 255
    if mask is not None:
        image, truth = image * mask[..., None], truth * mask[..., None]
    squared = (image - truth).square().double()
    share = 1.0 if mask is None else mask.double().mean()
    mse = float(squared.mean() / share)
    psnr = -10 * torch.log10(torch.tensor(max(mse, 1e-10), dtype=torch.float64))
    return ViewMetrics(name, float(psnr), float(ssim(image, truth)), lpips_vgg(image, truth))


def lpips_vgg(image: Float[Tensor, "h w 3"], truth: Float[Tensor, "h w 3"]) -> float | None:
    """LPIPS with the VGG network (Zhang et al. 2018), inputs normalised from [0, 1].

    None where torchmetrics, torchvision or the ImageNet weights are not on this machine; nothing
    is ever downloaded.
    """
    found = importlib.util.find_spec("torchmetrics") and importlib.util.find_spec("torchvision")
    if not found or not (_hub_folder() / _VGG_WEIGHTS).exists():
        return None
    from torchmetrics.functional.image.lpips import learned_perceptual_image_patch_similarity

    pair = [pixels.permute(2, 0, 1)[None] for pixels in (image, truth)]
    return float(learned_perceptual_image_patch_similarity(*pair, net_type="vgg", normalize=True))


def _hub_folder() -> Path:
    return Path(torch.hub.get_dir()) / "checkpoints"
