"""3D Gaussians with the raw parameters that training and 3DGS files use."""

import math
from dataclasses import dataclass

from jaxtyping import Bool, Float, Integer
from torch import Tensor

__all__ = ["SH_C0", "Gaussians"]

SH_C0 = 0.28209479177387814
"""The constant spherical harmonic; a colour c in [0, 1] is ``sh[:, 0] = (c - 0.5) / SH_C0``."""


@dataclass(frozen=True, slots=True)
class Gaussians:
    """A splat: anisotropic Gaussians in the world, rows correspond."""

    means: Float[Tensor, "n 3"]
    """Centres x, y, z, scene units."""
    quaternions: Float[Tensor, "n 4"]
    """Rotation (w, x, y, z), not necessarily normalised."""
    log_scales: Float[Tensor, "n 3"]
    """Natural logarithm of the standard deviations along the Gaussian's own axes."""
    logit_opacities: Float[Tensor, " n"]
    """Opacity before the sigmoid."""
    sh: Float[Tensor, "n k 3"]
    """Spherical-harmonic colour coefficients, k = (degree + 1)^2, the constant one first."""

    def __post_init__(self) -> None:
        if math.isqrt(self.sh.shape[1]) ** 2 != self.sh.shape[1] or self.sh.shape[1] == 0:
            raise ValueError(f"sh must have 1, 4, 9 or 16 coefficients, got {self.sh.shape[1]}")

    def __len__(self) -> int:
        return len(self.means)

    @property
    def sh_degree(self) -> int:
        """Degree of the spherical harmonics, 0 to 3."""
        return math.isqrt(self.sh.shape[1]) - 1

    def select(self, rows: Integer[Tensor, " m"] | Bool[Tensor, " n"]) -> "Gaussians":
        """The Gaussians at the given row numbers, or where a mask is true."""
        return Gaussians(
            self.means[rows],
            self.quaternions[rows],
            self.log_scales[rows],
            self.logit_opacities[rows],
            self.sh[rows],
        )

    def detached(self) -> "Gaussians":
        """The same values without gradient history (storage is shared)."""
        return Gaussians(
            self.means.detach(),
            self.quaternions.detach(),
            self.log_scales.detach(),
            self.logit_opacities.detach(),
            self.sh.detach(),
        )
