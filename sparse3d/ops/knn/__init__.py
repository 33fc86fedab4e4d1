"""Exact nearest neighbours of 3D points."""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from sparse3d.ops.backend import Backend, choose_backend
from sparse3d.ops.knn import _native, _reference, _torch

__all__ = ["Neighbours", "knn"]

_BACKENDS = {"reference": _reference, "torch": _torch, "native": _native}


class Neighbours(NamedTuple):
    """The nearest points of each query, nearest first."""

    squared_distances: Float[Tensor, "m k"]
    """In squared units of the points; infinity where there are fewer than ``k`` points."""
    indices: Int64[Tensor, "m k"]
    """Into the points; -1 where there are fewer than ``k`` points."""


def knn(
    points: Float[Tensor, "n 3"],
    k: int,
    *,
    queries: Float[Tensor, "m 3"] | None = None,
    backend: Backend = "auto",
) -> Neighbours:
    """The ``k`` nearest points of each query, nearest first, equally near ones by index.

    Distances are ``(dx^2 + dy^2) + dz^2`` in the dtype of the points; they carry no gradient.

    Args:
        points: The points to search.
        k: How many neighbours, at least 1. Where there are fewer, the rest of the row has distance
            infinity and index -1.
        queries: Where to search from; without them, the points themselves, none of which is its
            own neighbour (a duplicate of it is).
        backend: ``torch`` compares all pairs, ``native`` searches a k-d tree.

    Returns:
        Squared distances and indices into ``points``, ``(m, k)`` each.

    Raises:
        ValueError: If ``k`` is below 1, dtypes differ, or a coordinate is not finite or so large
            that its square overflows.

    Example:
        >>> points = torch.tensor([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [3.0, 0.0, 0.0]])
        >>> knn(points, 2).indices.tolist()
        [[1, 2], [0, 2], [1, 0]]
    """
    if k < 1:
        raise ValueError(f"k must be at least 1, got {k}")
    points, queries = points.detach(), None if queries is None else queries.detach()
    _check_coordinates("points", points)
    if queries is not None:
        _check_coordinates("queries", queries)
        if (queries.dtype, queries.device) != (points.dtype, points.device):
            raise ValueError(
                f"points and queries must share dtype and device, got {points.dtype} on"
                f" {points.device} and {queries.dtype} on {queries.device}"
            )
    rows = len(points) if queries is None else len(queries)
    distances = points.new_full((rows, k), torch.inf)
    indices = torch.full((rows, k), -1, dtype=torch.int64, device=points.device)
    found = min(k, len(points) - (queries is None))
    if rows and found > 0:
        module = _BACKENDS[_choose(backend, points)]
        distances[:, :found], indices[:, :found] = module.knn(points, found, queries)
    return Neighbours(distances, indices)


def _choose(backend: Backend, points: Tensor) -> Backend:
    if backend == "auto" and points.dtype not in (torch.float32, torch.float64):
        return "torch"
    return choose_backend(backend, points.device)


def _check_coordinates(name: str, points: Float[Tensor, "n 3"]) -> None:
    limit = torch.finfo(points.dtype).max ** 0.5 / 4  # three squared differences must not overflow
    wrong = ~(points.abs() <= limit).all(-1)
    if bool(wrong.any()):
        row = int(wrong.nonzero()[0, 0])
        raise ValueError(
            f"{name} must hold finite coordinates below {limit:.3g},"
            f" got {points[row].tolist()} in row {row}"
        )
