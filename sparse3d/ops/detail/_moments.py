"""Gaussians as what can be averaged, and back."""

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from sparse3d.geometry.morton import AXIS_BITS, morton_encode
from sparse3d.geometry.rotations import matrix_from_quaternion, quaternion_from_matrix
from sparse3d.scene.gaussians import Gaussians

__all__ = ["Moments", "gaussians_from_moments", "moments_of", "morton_keys"]

Moments = tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]
"""Masses [n], means [n, 3], covariances [n, 3, 3], SH [n, k, 3], low and high corners [n, 3] of
boxes: float64, rows correspond."""

_LEAST_MASS = 1e-100  # so that Gaussians without opacity still have a mean
_MOST_OPACITY = 1 - 1e-6  # has a finite logit in float32
_LEAST_VARIANCE = 1e-60  # likewise a logarithm, where rounding makes a flat one negative
_BOX = 3.0  # standard deviations


def moments_of(gaussians: Gaussians) -> Moments:
    """Mass, mean, covariance, colour and box of each."""
    scales = gaussians.log_scales.double().exp()
    masses = torch.sigmoid(gaussians.logit_opacities.double()) * _area(scales)
    factor = matrix_from_quaternion(gaussians.quaternions.double()) * scales[:, None]
    covariances = factor @ factor.mT
    means = gaussians.means.double()
    reach = _BOX * covariances.diagonal(dim1=1, dim2=2).sqrt()
    boxes = means - reach, means + reach
    return masses.clamp_min(_LEAST_MASS), means, covariances, gaussians.sh.double(), *boxes


def gaussians_from_moments(inner: Moments, leaves: Gaussians) -> Gaussians:
    """Merged Gaussians, then the leaves; in the dtype of the leaves."""
    masses, means, covariances, sh, _, _ = inner
    variances, axes = torch.linalg.eigh(covariances)
    axes = axes * torch.linalg.det(axes).sign()[:, None, None]  # no reflections
    scales = variances.clamp_min(_LEAST_VARIANCE).sqrt()
    opacities = (masses / _area(scales)).clamp_max(_MOST_OPACITY)
    return Gaussians(
        _before(means, leaves.means),
        _before(quaternion_from_matrix(axes), leaves.quaternions),
        _before(scales.log(), leaves.log_scales),
        _before(torch.logit(opacities), leaves.logit_opacities),
        _before(sh, leaves.sh),
    )


def morton_keys(means: Float[Tensor, "n 3"]) -> Int64[Tensor, " n"]:
    """Keys of the cells of a cube around all centres, 2^16 cells a side."""
    if len(means) == 0:
        return torch.zeros(0, dtype=torch.int64, device=means.device)
    low = means.amin(0).double()
    edge = (means.double() - low).max().clamp_min(torch.finfo(torch.float64).tiny)
    side = 1 << AXIS_BITS
    cells = ((means.double() - low) / edge * side).long().clamp_max(side - 1)
    return morton_encode(torch.nn.functional.pad(cells, (1, 0)))


def _area(scales: Float64[Tensor, "n 3"]) -> Float64[Tensor, " n"]:
    """Proportional to the surface of a box of these edges."""
    a, b, c = scales.unbind(1)
    return a * b + b * c + c * a


def _before(inner: Tensor, leaves: Tensor) -> Tensor:
    return torch.cat([inner.to(leaves.dtype), leaves])
