"""Splatting as Markov chain Monte Carlo: dead Gaussians move onto live ones, centres wander.

Source: Kheradmand et al. 2024, "3D Gaussian Splatting as Markov Chain Monte Carlo", with the
constants of gsplat's strategy of that name.
"""

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from sparse3d.geometry.rotations import matrix_from_quaternion
from sparse3d.ops.relocate import share_among_copies
from sparse3d.scene import Gaussians
from sparse3d.splat.config import DensifyConfig
from sparse3d.splat.densify import Regrowth, concatenate

__all__ = ["position_noise", "relocate_and_grow"]

_NOISE_SHARPNESS = 100.0
_NOISE_OPACITY = 0.005  # noise is at half its strength here


def relocate_and_grow(
    gaussians: Gaussians,
    doomed: Bool[Tensor, " n"],
    config: DensifyConfig,
    generator: torch.Generator,
) -> Regrowth:
    """Move doomed Gaussians onto live ones and add copies of live ones, sampled by opacity.

    A Gaussian and the copies on it share its opacity and scale so that together they look as it
    did, see :func:`sparse3d.ops.relocate.share_among_copies`. No row is removed or reordered.

    Args:
        gaussians: Current values, without gradient history.
        doomed: Which to move.
        config: Share of growth, limit of the number (a set that starts above it keeps its number),
            and the opacity below which no share may fall.
        generator: Random numbers of the sampling.

    Returns:
        The same rows, then the added ones. Moved Gaussians and those they moved onto, or that were
        copied, are ``restarted``. Nothing changes if all are doomed.
    """
    rows = torch.arange(len(gaussians))
    if bool(doomed.all()):
        return Regrowth(gaussians, rows, 0, rows[:0])
    dead = doomed.nonzero()[:, 0]
    onto = _sample(gaussians, ~doomed, len(dead), generator)
    shared = _shared(gaussians, onto, config.prune_opacity)
    moved = shared.select(rows.index_put((dead,), onto))
    target = min(config.max_gaussians, int((1 + config.mcmc.growth) * len(rows)))
    copied = _sample(moved, torch.ones_like(doomed), max(target - len(rows), 0), generator)
    thinned = _shared(moved, copied, config.prune_opacity)
    result = concatenate([thinned, thinned.select(copied)])
    return Regrowth(result, rows, len(copied), torch.cat([dead, onto, copied]).unique())


def position_noise(
    gaussians: Gaussians, strength: float, generator: torch.Generator
) -> Float[Tensor, "n 3"]:
    """Random steps of the centres: along each one's covariance, for faint ones only.

    ``strength * sigmoid(100 (0.005 - opacity)) * covariance @ normal``.

    Args:
        gaussians: Current values, without gradient history.
        strength: Factor, in 1 / scene units.
        generator: Random numbers.

    Returns:
        What to add to the centres, scene units.
    """
    opacities = torch.sigmoid(gaussians.logit_opacities)
    faintness = torch.sigmoid(_NOISE_SHARPNESS * (_NOISE_OPACITY - opacities))  # [n]
    rotation = matrix_from_quaternion(gaussians.quaternions)  # [n, 3, 3]
    variances = (2 * gaussians.log_scales).exp()  # [n, 3]
    normal = torch.randn(len(gaussians), 3, 1, generator=generator)
    step = rotation @ (variances[..., None] * (rotation.mT @ normal))  # [n, 3, 1]
    return strength * faintness[:, None] * step[..., 0]


def _sample(
    gaussians: Gaussians, allowed: Bool[Tensor, " n"], count: int, generator: torch.Generator
) -> Int64[Tensor, " m"]:
    """Rows with probabilities like their opacities, with replacement.

    By the inverse of the distribution in float64: ``torch.multinomial`` ends at 2^24 rows.
    """
    opacities = torch.sigmoid(gaussians.logit_opacities.double()) * allowed
    cumulated = opacities.cumsum(0)
    drawn = torch.rand(count, generator=generator, dtype=torch.float64) * cumulated[-1]
    # `right` never takes a row that adds nothing; rounding may reach the end, but not beyond it.
    last = int(allowed.nonzero()[-1])
    return torch.searchsorted(cumulated, drawn, right=True).clamp_max(last)


def _shared(gaussians: Gaussians, onto: Int64[Tensor, " m"], least: float) -> Gaussians:
    """The Gaussians, with opacity and scale of those in ``onto`` shared among their copies."""
    copies = torch.bincount(onto, minlength=len(gaussians)) + 1
    rows = (copies > 1).nonzero()[:, 0]
    shares = share_among_copies(
        torch.sigmoid(gaussians.logit_opacities[rows]),
        gaussians.log_scales[rows].exp(),
        copies[rows],
    )
    logits = torch.logit(shares.opacities.clamp(least, 1 - torch.finfo(torch.float32).eps))
    return Gaussians(
        gaussians.means,
        gaussians.quaternions,
        gaussians.log_scales.index_put((rows,), shares.scales.log()),
        gaussians.logit_opacities.index_put((rows,), logits),
        gaussians.sh,
    )
