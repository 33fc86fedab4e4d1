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
    """One row a segment.

    Raises:
        ValueError: If the offsets do not cut the rows into segments, or a row is not there.
    """
    count = len(values if rows is None else rows)
    if not len(offsets) or offsets[0] != 0 or offsets[-1] != count or _some_empty(offsets):
        raise ValueError(f"offsets must increase from 0 to the number of rows, {count}")
    if rows is not None and len(rows) and not 0 <= int(rows.min()) <= int(rows.max()) < len(values):
        raise ValueError(
            f"rows must be rows of the {len(values)} values, got {int(rows.min())} to"
            f" {int(rows.max())}"
        )
    if reduction == "first":
        return values[offsets[:-1] if rows is None else rows[offsets[:-1]]]
    if len(offsets) == 1:
        return values[:0]
    listed = values if rows is None else values[rows]
    if reduction == "max":
        return _largest(listed, offsets)
    return torch.segment_reduce(listed, reduction, offsets=offsets, axis=0, unsafe=True)


def _some_empty(offsets: Int64[Tensor, " s"]) -> bool:
    return bool((offsets.diff() <= 0).any())


def _largest(values: Float[Tensor, "n c"], offsets: Int64[Tensor, " s"]) -> Float[Tensor, "m c"]:
    """Not ``torch.segment_reduce``: that of torch 2.14 does not share negative gradients."""
    owners = torch.repeat_interleave(offsets.diff(), output_size=len(values))
    # Equals no value, so that none shares its gradient with what the values replace.
    none = values.new_full((len(offsets) - 1, values.shape[1]), torch.nan)
    return none.scatter_reduce(
        0, owners[:, None].expand_as(values), values, "amax", include_self=False
    )
