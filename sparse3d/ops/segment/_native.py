"""Segment reductions by the C++ kernels, threads by segments."""

from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.autograd.function import once_differentiable

from sparse3d.ops.backend import native_module

__all__ = ["DTYPES", "segment_reduce"]

DTYPES = (torch.float32, torch.float64)
"""What the kernels take."""


def segment_reduce(
    values: Float[Tensor, "n c"],
    offsets: Int64[Tensor, " s"],
    reduction: str,
    rows: Int64[Tensor, " p"] | None,
) -> Float[Tensor, "m c"]:
    """One row a segment.

    Raises:
        ValueError: If the values are neither float32 nor float64, the offsets do not cut the rows
            into segments, or a row is not there.
    """
    if values.dtype not in DTYPES:
        raise ValueError(f"backend 'native' takes float32 or float64, got {values.dtype}")
    listed = None if rows is None else rows.contiguous()
    result: Tensor = _SegmentReduce.apply(values, offsets.contiguous(), reduction, listed)
    return result


class _SegmentReduce(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, values: Tensor, offsets: Tensor, reduction: str, rows: Tensor | None
    ) -> Tensor:
        values = values.detach().contiguous()
        reduced = values.new_empty(max(len(offsets) - 1, 0), values.shape[1])
        native_module().reduce_segments(values, rows, offsets, reduction, reduced)
        ctx.save_for_backward(values, rows, offsets, reduced)
        ctx.reduction = reduction
        return reduced

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]  (the decorator hides names)
        ctx: Any, *grad_outputs: Tensor
    ) -> tuple[Tensor, None, None, None]:
        values, rows, offsets, reduced = ctx.saved_tensors
        result = torch.empty_like(values)
        native_module().spread_segments(
            *(values, rows, offsets, ctx.reduction),
            *(reduced, grad_outputs[0].contiguous(), result),
        )
        return result, None, None, None
