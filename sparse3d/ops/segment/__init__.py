"""Sums, means and maxima over consecutive rows."""

from typing import Literal

from jaxtyping import Float, Int64
from torch import Tensor

from sparse3d.ops.segment import _torch

__all__ = ["Reduction", "segment_reduce"]

Reduction = Literal["sum", "mean", "max"]


def segment_reduce(
    values: Float[Tensor, "n c"],
    offsets: Int64[Tensor, " s"],
    reduction: Reduction,
) -> Float[Tensor, "m c"]:
    """Reduce the rows of each segment to one; segments are consecutive and not empty.

    Args:
        values: Rows, segment by segment.
        offsets: Where each segment begins, and the number of rows at the end: increasing from 0.
        reduction: ``max`` shares its gradient among equal values.

    Returns:
        One row a segment.

    Raises:
        ValueError: If the offsets do not cut the rows into segments with at least one row each.
    """
    if offsets[0] != 0 or offsets[-1] != len(values) or not bool((offsets.diff() > 0).all()):
        raise ValueError(f"offsets must increase from 0 to the number of rows, {len(values)}")
    return _torch.segment_reduce(values, offsets, reduction)
