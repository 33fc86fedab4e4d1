"""Seeded scenes of Gaussians, all described by a few numbers.

The camera stands at the origin and looks along z, focal length 0.8 image widths, principal point in
the middle. Of ``count`` Gaussians:

- centres lie at random pixels of the image and a margin of 2 % around it, log-uniform in depth
  between 2 and 10 units;
- opacities are ``sigmoid(normal(0, 1.5))``: from faint to nearly opaque, 0.5 in the median;
- standard deviations along the three own axes are a common size times ``exp(normal(0, 0.5))``,
  proportional to depth, turned at random;
- the common size is chosen such that ``pairs`` Gaussians cover a pixel with at least 1/255 on
  average, before the pixels that end early are taken off; benchmarks report the actual count;
- colours are mid-grey plus ``normal(0, 0.5)``, the other harmonics ``normal(0, 0.1)``.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from sparse3d.geometry.views import Views
from sparse3d.scene import Gaussians

__all__ = ["Scene", "SceneSettings", "behind_curtain", "make_scene"]

NEAREST, FARTHEST = 2.0, 10.0
FOCAL = 0.8
MARGIN = 0.02
BLUR = 0.3
"""What the rasteriser adds to variances, square pixels."""
OPAQUE = 20.0


@dataclass(frozen=True)
class SceneSettings:
    """All that a scene depends on."""

    count: int
    width: int
    height: int
    sh_degree: int = 1
    pairs: float = 34.0
    """Gaussians that cover a pixel, on average, if no pixel ended early."""
    seed: int = 0

    def __str__(self) -> str:
        return f"{self.width}x{self.height}, {self.count:,} Gaussians"


@dataclass(frozen=True)
class Scene:
    """Gaussians, one camera and what is behind everything."""

    gaussians: Gaussians
    views: Views
    background: Float[Tensor, " 3"]


def make_scene(settings: SceneSettings) -> Scene:
    """The scene of the module's description."""
    rng = torch.Generator().manual_seed(settings.seed)
    n, (width, height) = settings.count, (settings.width, settings.height)
    focal = FOCAL * width
    extent = torch.tensor([width, height], dtype=torch.float32)
    offsets = (torch.rand(n, 2, generator=rng) - 0.5) * (1 + 2 * MARGIN) * extent  # pixels
    depths = NEAREST * (FARTHEST / NEAREST) ** torch.rand(n, 1, generator=rng)
    quaternions = torch.randn(n, 4, generator=rng)
    logits = 1.5 * torch.randn(n, generator=rng)
    shapes = 0.5 * torch.randn(n, 3, generator=rng)
    pixels = _size(logits, shapes, settings.pairs * width * height * (1 + 2 * MARGIN) ** 2)
    sh = 0.1 * torch.randn(n, (settings.sh_degree + 1) ** 2, 3, generator=rng)
    sh[:, 0] *= 5
    gaussians = Gaussians(
        torch.cat([offsets * depths / focal, depths], 1),
        quaternions,
        shapes + torch.log(pixels * depths / focal),
        logits,
        sh,
    )
    matrix = torch.tensor([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]])
    views = Views(torch.eye(4)[None], matrix[None], width, height)
    return Scene(gaussians, views, torch.tensor([0.2, 0.4, 0.6]))


def behind_curtain(scene: Scene) -> Scene:
    """The same with two opaque Gaussians in front, behind which no pixel draws anything.

    All Gaussians are still projected, sorted and listed, and get their (zero) gradients: the
    difference to the scene itself is the time of blending.
    """
    rows, old = 2, scene.gaussians
    curtain = Gaussians(
        torch.tensor([[0.0, 0.0, 0.1], [0.0, 0.0, 0.11]]),
        torch.tensor([[1.0, 0.0, 0.0, 0.0]]).expand(rows, 4),
        torch.full((rows, 3), math.log(100.0)),
        torch.full((rows,), OPAQUE),
        old.sh.new_zeros(rows, *old.sh.shape[1:]),
    )
    parts = ("means", "quaternions", "log_scales", "logit_opacities", "sh")
    joined = (torch.cat([getattr(curtain, part), getattr(old, part)]) for part in parts)
    return Scene(Gaussians(*joined), scene.views, scene.background)


def _size(
    logits: Float[Tensor, " n"], shapes: Float[Tensor, "n 3"], pairs: float
) -> Float[Tensor, ""]:
    """The common standard deviation in pixels for which ellipses cover ``pairs`` pixels in all.

    An ellipse of opacity o has ``2 pi ln(255 o) s1 s2`` pixels; of the three axes turned at random
    the geometric mean stands for both s1 and s2.
    """
    reach = torch.log((255 * torch.sigmoid(logits)).clamp_min(1))
    relative = torch.exp(2 * shapes.mean(1))
    low, high = torch.tensor(0.0), torch.tensor(1e4)
    for _ in range(60):
        middle = (low + high) / 2
        covered = (2 * math.pi * reach * (relative * middle**2 + BLUR)).sum()
        low, high = (middle, high) if covered < pairs else (low, middle)
    return (low + high) / 2
