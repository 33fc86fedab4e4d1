"""Sums, means, maxima and first ones of consecutive rows."""

from typing import Literal, get_args

from jaxtyping import Float, Int64
from torch import Tensor

from sparse3d.ops.backend import Backend, FastBackend, choose_backend
from sparse3d.ops.segment import _native, _torch

__all__ = ["Reduction", "segment_reduce"]

Reduction = Literal["sum", "mean", "max", "first"]

_BACKENDS = {"torch": _torch.segment_reduce, "native": _native.segment_reduce}


def segment_reduce(
    values: Float[Tensor, "n c"],
    offsets: Int64[Tensor, " s"],
    reduction: Reduction,
    *,
    rows: Int64[Tensor, " p"] | None = None,
    backend: FastBackend = "auto",
) -> Float[Tensor, "m c"]:
    """Reduce the rows of each segment to one; segments are consecutive and not empty.

    Args:
        values: Rows, segment by segment.
        offsets: Where each segment begins, and the number of rows at the end: increasing from 0.
        reduction: ``max`` shares its gradient among equal values.
        rows: Which rows of ``values`` the segments consist of, where these are in another order;
            each at most once where gradients are wanted.
        backend: ``auto`` takes the C++ kernels for float32 and float64 on the CPU where they were
            built, which add in float64, else torch.

    Returns:
        One row a segment.

    Raises:
        ValueError: If the reduction is none of these, the offsets do not cut the rows into segments
            with at least one row each, a row is not there, or ``native`` is asked for and cannot do
            the dtype or the device.
        MissingDependencyError: If ``native`` is asked for and was not built.

    Example:
        >>> import torch
        >>> values = torch.tensor([[1.0], [2.0], [3.0]])
        >>> segment_reduce(values, torch.tensor([0, 1, 3]), "mean").tolist()
        [[1.0], [2.5]]
    """
    if reduction not in get_args(Reduction):
        raise ValueError(f"one of {', '.join(get_args(Reduction))} expected, got {reduction!r}")
    return _BACKENDS[_choose(backend, values)](values, offsets, reduction, rows)


def _choose(backend: FastBackend, values: Tensor) -> Backend:
    if backend == "auto" and values.dtype not in _native.DTYPES:
        return "torch"
    return choose_backend(backend, values.device)
