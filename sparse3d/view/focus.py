"""Which part of a cloud a picture of the whole has to show: not every stray point."""

import math

from jaxtyping import Float
from torch import Tensor

__all__ = ["core", "without_strays"]

_SAMPLE = 20_000


def without_strays(cloud: Float[Tensor, "n 3"]) -> Float[Tensor, "m 3"]:
    """A sample of at most 20 000 points without those far from all others.

    What stays lies, on every axis, within the middle 96 % of the points and a fifth of their
    extent beyond: a compact thing stays whole.
    """
    return _within(cloud, 0.02, 0.2)


def core(sweep: Float[Tensor, "n 3"]) -> Float[Tensor, "m 3"]:
    """A sample of the middle 80 % on every axis: of a LiDAR sweep, the surroundings."""
    return _within(sweep, 0.1, 0.0)


def _within(cloud: Float[Tensor, "n 3"], share: float, margin: float) -> Float[Tensor, "m 3"]:
    if len(cloud) == 0:
        return cloud
    sample = cloud[:: math.ceil(len(cloud) / _SAMPLE)]
    low, high = sample.quantile(share, dim=0), sample.quantile(1 - share, dim=0)
    beyond = margin * (high - low)
    kept = sample[((sample >= low - beyond) & (sample <= high + beyond)).all(1)]
    return kept if len(kept) else sample
