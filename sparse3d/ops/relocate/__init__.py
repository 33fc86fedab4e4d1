"""Opacity and size of a Gaussian that is replaced by several copies of itself."""

from typing import Literal, NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from sparse3d.ops.relocate import _reference, _torch

__all__ = ["MAX_COPIES", "Shares", "share_among_copies"]

MAX_COPIES = 51
"""More copies than this count as this many, as in gsplat."""

_BACKENDS = {"reference": _reference, "torch": _torch}


class Shares(NamedTuple):
    """What each of the copies gets."""

    opacities: Float[Tensor, " n"]
    """In (0, 1)."""
    scales: Float[Tensor, "n 3"]
    """Standard deviations along the axes, in the units of the input."""


def share_among_copies(
    opacities: Float[Tensor, " n"],
    scales: Float[Tensor, "n 3"],
    copies: Int64[Tensor, " n"],
    *,
    backend: Literal["torch", "reference"] = "torch",
) -> Shares:
    """Opacity and scale with which so many copies in one place look like the one Gaussian did.

    Kheradmand et al. 2024, "3D Gaussian Splatting as Markov Chain Monte Carlo", equation 9: ``N``
    copies get the opacity ``q = 1 - (1 - o)^(1/N)``, so that at the centre as much shines through
    as before, and scales so that the integral over a line through the centre stays as well:
    ``s * o / sum_{i=1}^{N} sum_{k=0}^{i-1} C(i-1, k) (-1)^k q^(k+1) / sqrt(k+1)``. Computed in
    float64, returned in the dtype of the input; carries no gradient.

    Args:
        opacities: From 0 to 1; above ``1 - 1e-6`` they count as that, since nothing transparent
            multiplies to opaque.
        scales: Standard deviations along the axes, any unit.
        copies: Into how many each is divided, itself included; 1 changes nothing.
        backend: ``torch`` runs on any device; ``reference`` is the loop that tests compare with.

    Raises:
        ValueError: If an opacity is not from 0 to 1, a scale is not finite, or copies are below 1.

    Example:
        >>> shares = share_among_copies(
        ...     torch.tensor([0.75]), torch.tensor([[1.0, 2.0, 3.0]]), torch.tensor([2])
        ... )
        >>> shares.opacities.tolist()
        [0.5]
    """
    if not bool(((opacities >= 0) & (opacities <= 1)).all()):
        raise ValueError("opacities must lie in [0, 1]")
    if not bool(scales.isfinite().all()):
        raise ValueError("scales must be finite")
    if not bool((copies >= 1).all()):
        raise ValueError("copies must be at least 1")
    wide = opacities.detach().double().clamp(1e-12, 1 - 1e-6)
    share, factor = _BACKENDS[backend].share(wide, copies.clamp_max(MAX_COPIES))
    alone = copies == 1
    dtype = opacities.dtype
    return Shares(
        torch.where(alone, opacities.detach(), share.to(dtype)),
        torch.where(alone[:, None], scales.detach(), scales.detach() * factor[:, None].to(dtype)),
    )
