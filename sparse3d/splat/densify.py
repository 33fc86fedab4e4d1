"""Adding Gaussians where the gradient asks for them and removing invisible ones.

Source: Kerbl et al. 2023, section 5.2, with the thresholds of the few-view literature.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int, Int32
from torch import Tensor

from sparse3d.geometry.rotations import matrix_from_quaternion
from sparse3d.scene import Gaussians
from sparse3d.splat.config import DensifyConfig

__all__ = ["GradientStatistics", "Regrowth", "concatenate", "grow_and_prune", "prunable"]

_SPLIT_SHRINK = math.log(1.6)


@dataclass(frozen=True, slots=True)
class GradientStatistics:
    """How strongly the loss pulls at the projected centres, and how large the Gaussians are drawn.

    Sums since the last densification.
    """

    gradient: Float[Tensor, " n"]
    """Sum of norms, in units of half the image size."""
    count: Float[Tensor, " n"]
    """Number of steps in which the Gaussian was visible."""
    radius: Float[Tensor, " n"]
    """Sum of drawn radii, as shares of the longer side of the image."""

    @classmethod
    def zeros(cls, count: int) -> "GradientStatistics":
        """Nothing seen yet."""
        return cls(*(torch.zeros(count) for _ in range(3)))

    def added(
        self,
        mean_gradients: Float[Tensor, "n 2"],
        radii: Int32[Tensor, " n"],
        size: tuple[int, int],
    ) -> "GradientStatistics":
        """With one more step.

        Args:
            mean_gradients: Gradient of the loss by the projected centres, in pixels.
            radii: Drawn radii, in pixels; 0 where a Gaussian was not drawn.
            size: Image width and height.
        """
        half = mean_gradients.new_tensor(size) / 2
        norm = torch.linalg.vector_norm(mean_gradients * half, dim=1)
        visible = radii > 0
        return GradientStatistics(
            self.gradient + norm * visible, self.count + visible, self.radius + radii / max(size)
        )

    def plus(self, other: "GradientStatistics") -> "GradientStatistics":
        """Both together."""
        return GradientStatistics(
            self.gradient + other.gradient, self.count + other.count, self.radius + other.radius
        )

    def mean(self) -> Float[Tensor, " n"]:
        """Mean norm over the steps in which the Gaussian was visible; 0 if there was none."""
        return self.gradient / self.count.clamp_min(1)

    def mean_radius(self) -> Float[Tensor, " n"]:
        """Mean radius over the steps in which the Gaussian was visible; 0 if there was none."""
        return self.radius / self.count.clamp_min(1)


@dataclass(frozen=True, slots=True)
class Regrowth:
    """Result of a densification."""

    gaussians: Gaussians
    """Kept Gaussians first, then the new ones."""
    kept: Int[Tensor, " m"]
    """Row numbers of the kept ones before."""
    added: int
    """Number of new ones."""
    restarted: Int[Tensor, " r"]
    """Rows among the kept ones (as numbered now) that were changed: their moments are void."""


def prunable(
    gaussians: Gaussians,
    extent: float,
    config: DensifyConfig,
    *,
    radii: Float[Tensor, " n"] | None = None,
    weights: Float[Tensor, " n"] | None = None,
) -> Bool[Tensor, " n"]:
    """Which Gaussians are not worth their time: faint, too large, or never part of a picture.

    Args:
        gaussians: Current values, without gradient history.
        extent: Unit of ``config.prune_scale``, scene units.
        config: Thresholds; those of size do nothing where they are 0.
        radii: Drawn radii, as shares of the longer side of the image.
        weights: Sum of each one's blending weights over pixels and views; where it is given, those
            with none at all go.
    """
    doomed = torch.sigmoid(gaussians.logit_opacities) < config.prune_opacity
    if config.prune_scale > 0:
        doomed |= gaussians.log_scales.exp().amax(1) > config.prune_scale * extent
    if config.prune_radius > 0 and radii is not None:
        doomed |= radii > config.prune_radius
    if weights is not None:
        doomed |= ~(weights > 0)
    return doomed


def grow_and_prune(
    gaussians: Gaussians,
    gradient: Float[Tensor, " n"],
    extent: float,
    config: DensifyConfig,
    generator: torch.Generator,
    *,
    doomed: Bool[Tensor, " n"] | None = None,
) -> Regrowth:
    """Clone small and split large Gaussians with a large gradient; remove doomed ones.

    Args:
        gaussians: Current values, without gradient history.
        gradient: Mean gradient of each, see :class:`GradientStatistics`.
        extent: Unit of ``config.clone_below``, scene units.
        config: Thresholds.
        generator: Random numbers for the places of the halves of split Gaussians.
        doomed: Which to remove; what :func:`prunable` says of the values alone, if not given.
    """
    if doomed is None:
        doomed = prunable(gaussians, extent, config)
    wanted = (gradient > config.gradient) & ~doomed
    if len(gaussians) >= config.max_gaussians:
        wanted = torch.zeros_like(wanted)
    large = gaussians.log_scales.exp().amax(1) > config.clone_below * extent
    clones = gaussians.select(wanted & ~large)
    halves = _split(gaussians.select(wanted & large), generator)
    kept = (~doomed & ~(wanted & large)).nonzero()[:, 0]
    result = concatenate([gaussians.select(kept), clones, *halves])
    return Regrowth(result, kept, len(result) - len(kept), kept.new_zeros(0))


def _split(gaussians: Gaussians, generator: torch.Generator) -> tuple[Gaussians, Gaussians]:
    rotation = matrix_from_quaternion(gaussians.quaternions)
    halves = []
    for _ in range(2):
        offset = torch.randn(len(gaussians), 3, generator=generator) * gaussians.log_scales.exp()
        halves.append(
            Gaussians(
                gaussians.means + (rotation @ offset[..., None])[..., 0],
                gaussians.quaternions,
                gaussians.log_scales - _SPLIT_SHRINK,
                gaussians.logit_opacities,
                gaussians.sh,
            )
        )
    return halves[0], halves[1]


def concatenate(parts: list[Gaussians]) -> Gaussians:
    """One after the other."""
    return Gaussians(
        torch.cat([part.means for part in parts]),
        torch.cat([part.quaternions for part in parts]),
        torch.cat([part.log_scales for part in parts]),
        torch.cat([part.logit_opacities for part in parts]),
        torch.cat([part.sh for part in parts]),
    )
