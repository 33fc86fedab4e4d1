"""Segment reductions, segment by segment."""

import torch
from jaxtyping import Float64, Int64
from torch import Tensor

__all__ = ["segment_reduce"]


def segment_reduce(
    values: Float64[Tensor, "n c"],
    offsets: Int64[Tensor, " s"],
    reduction: str,
    rows: Int64[Tensor, " p"] | None = None,
) -> Float64[Tensor, "m c"]:
    """One row a segment."""
    reduced = []
    for start, end in zip(offsets.tolist()[:-1], offsets.tolist()[1:], strict=True):
        numbers = list(range(start, end)) if rows is None else rows[start:end].tolist()
        part = torch.stack([values[number] for number in numbers])
        by_name = {"sum": part.sum, "mean": part.mean, "max": part.amax}
        reduced.append(part[0] if reduction == "first" else by_name[reduction](0))
    return torch.stack(reduced) if reduced else values[:0]
