"""Segment reductions by torch's own."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor

__all__ = ["segment_reduce"]


def segment_reduce(
    values: Float[Tensor, "n c"],
    offsets: Int64[Tensor, " s"],
    reduction: str,
    rows: Int64[Tensor, " p"] | None,
) -> Float[Tensor, "m c"]:
    """One row a segment."""
    if reduction == "first":
        return values[offsets[:-1] if rows is None else rows[offsets[:-1]]]
    if len(offsets) == 1:
        return values[:0]
    listed = values if rows is None else values[rows]
    return torch.segment_reduce(listed, reduction, offsets=offsets, axis=0, unsafe=True)
