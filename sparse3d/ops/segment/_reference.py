"""Segment reductions, segment by segment."""

from typing import Literal

import torch
from jaxtyping import Float64, Int64
from torch import Tensor

__all__ = ["segment_reduce"]


def segment_reduce(
    values: Float64[Tensor, "n c"],
    offsets: Int64[Tensor, " s"],
    reduction: Literal["sum", "mean", "max"],
) -> Float64[Tensor, "m c"]:
    """One row a segment."""
    rows = []
    for start, end in zip(offsets.tolist()[:-1], offsets.tolist()[1:], strict=True):
        part = values[start:end]
        rows.append(part.amax(0) if reduction == "max" else getattr(part, reduction)(0))
    return torch.stack(rows) if rows else values[:0]
