"""Pictures with depth, and how they are laid over each other."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["Layer", "SplatLayer", "compose"]


@dataclass(frozen=True, slots=True)
class Layer:
    """Opaque things, ``s`` by ``s`` samples a pixel."""

    colors: Float[Tensor, "sh sw 3"]
    """RGB in [0, 1]; any value where nothing is."""
    depths: Float[Tensor, "sh sw"]
    """z-depth, infinite where nothing is."""


@dataclass(frozen=True, slots=True)
class SplatLayer:
    """Gaussians, one sample a pixel."""

    colors: Float[Tensor, "h w 3"]
    """RGB times alpha, that is, over black."""
    alphas: Float[Tensor, "h w"]
    """Share of the pixel that is covered, 0 to 1."""
    depths: Float[Tensor, "h w"]
    """Mean z-depth of what covers the pixel; any value where nothing does."""


def compose(
    layer: Layer, splat: SplatLayer | None, background: tuple[float, float, float], samples: int
) -> Float[Tensor, "h w 3"]:
    """One picture of opaque things and a splat, the nearer in front, sample by sample.

    A pixel's Gaussians stand at one depth, their mean: what is nearer hides them, what is farther
    is seen through them.

    Args:
        layer: Opaque things.
        splat: Gaussians, of the size of the picture; None if there are none.
        background: RGB in [0, 1] behind everything.
        samples: Samples of ``layer`` along each side of a pixel.

    Returns:
        The picture in [0, 1].
    """
    there = torch.isfinite(layer.depths)[..., None]
    seen = torch.where(there, layer.colors, torch.tensor(background))
    if splat is not None:
        colors, alphas, depths = (
            _repeated(value, samples)
            for value in (splat.colors, splat.alphas[..., None], splat.depths[..., None])
        )
        behind = colors + (1 - alphas) * seen
        seen = torch.where(layer.depths[..., None] < depths, seen, behind)
    high, wide = (size // samples for size in layer.depths.shape)
    return seen.reshape(high, samples, wide, samples, 3).mean((1, 3)).clamp(0, 1)


def _repeated(image: Float[Tensor, "h w c"], samples: int) -> Float[Tensor, "sh sw c"]:
    return image.repeat_interleave(samples, 0).repeat_interleave(samples, 1)
