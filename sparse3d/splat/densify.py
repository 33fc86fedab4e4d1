"""Adding Gaussians where the gradient asks for them and removing invisible ones.

Source: Kerbl et al. 2023, section 5.2, with the thresholds of the few-view literature.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from sparse3d.geometry.rotations import matrix_from_quaternion
from sparse3d.scene import Gaussians
from sparse3d.splat.config import DensifyConfig

__all__ = ["GradientStatistics", "Regrowth", "grow_and_prune"]

_SPLIT_SHRINK = math.log(1.6)


@dataclass(frozen=True, slots=True)
class GradientStatistics:
    """How strongly the loss pulls at the projected centres, summed since the last densification."""

    gradient: Float[Tensor, " n"]
    """Sum of norms, in units of half the image size."""
    count: Float[Tensor, " n"]
    """Number of steps in which the Gaussian was visible."""

    @classmethod
    def zeros(cls, count: int) -> "GradientStatistics":
        """Nothing seen yet."""
        return cls(torch.zeros(count), torch.zeros(count))

    def added(
        self,
        mean_gradients: Float[Tensor, "n 2"],
        visible: Bool[Tensor, " n"],
        size: tuple[int, int],
    ) -> "GradientStatistics":
        """With one more step.

        Args:
            mean_gradients: Gradient of the loss by the projected centres, in pixels.
            visible: Which Gaussians were drawn.
            size: Image width and height.
        """
        half = mean_gradients.new_tensor(size) / 2
        norm = torch.linalg.vector_norm(mean_gradients * half, dim=1)
        return GradientStatistics(self.gradient + norm * visible, self.count + visible)

    def plus(self, other: "GradientStatistics") -> "GradientStatistics":
        """Both together."""
        return GradientStatistics(self.gradient + other.gradient, self.count + other.count)

    def mean(self) -> Float[Tensor, " n"]:
        """Mean norm over the steps in which the Gaussian was visible; 0 if there was none."""
        return self.gradient / self.count.clamp_min(1)


@dataclass(frozen=True, slots=True)
class Regrowth:
    """Result of a densification."""

    gaussians: Gaussians
    """Kept Gaussians first, then the new ones."""
    kept: Int[Tensor, " m"]
    """Row numbers of the kept ones before."""
    added: int
    """Number of new ones."""


def grow_and_prune(
    gaussians: Gaussians,
    gradient: Float[Tensor, " n"],
    extent: float,
    config: DensifyConfig,
    generator: torch.Generator,
) -> Regrowth:
    """Clone small and split large Gaussians with a large gradient; remove faint ones.

    Args:
        gaussians: Current values, without gradient history.
        gradient: Mean gradient of each, see :class:`GradientStatistics`.
        extent: Unit of ``config.clone_below``, scene units.
        config: Thresholds.
        generator: Random numbers for the places of the halves of split Gaussians.
    """
    faint = torch.sigmoid(gaussians.logit_opacities) < config.prune_opacity
    wanted = (gradient > config.gradient) & ~faint
    if len(gaussians) >= config.max_gaussians:
        wanted = torch.zeros_like(wanted)
    large = gaussians.log_scales.exp().amax(1) > config.clone_below * extent
    clones = gaussians.select(wanted & ~large)
    halves = _split(gaussians.select(wanted & large), generator)
    kept = (~faint & ~(wanted & large)).nonzero()[:, 0]
    result = _concatenate([gaussians.select(kept), clones, *halves])
    return Regrowth(result, kept, len(result) - len(kept))


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


def _concatenate(parts: list[Gaussians]) -> Gaussians:
    return Gaussians(
        torch.cat([part.means for part in parts]),
        torch.cat([part.quaternions for part in parts]),
        torch.cat([part.log_scales for part in parts]),
        torch.cat([part.logit_opacities for part in parts]),
        torch.cat([part.sh for part in parts]),
    )
