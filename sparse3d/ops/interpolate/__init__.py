"""Trilinear interpolation between voxels and points."""

from types import ModuleType

import torch
from jaxtyping import Float, Int, Int64
from torch import Tensor

from sparse3d.ops.backend import Backend, FastBackend, choose_backend
from sparse3d.ops.interpolate import _native, _torch
from sparse3d.ops.interpolate.corners import corner_weights, first_corners
from sparse3d.ops.voxelize.checks import check_points
from sparse3d.scene.sparse_grid import SparseGrid

__all__ = ["interpolate", "splat"]

_BACKENDS = {"torch": _torch, "native": _native}


def interpolate(
    features: Float[Tensor, "n c"],
    grid: SparseGrid,
    positions: Float[Tensor, "p 3"],
    batch: Int[Tensor, " p"],
    *,
    normalised: bool = True,
    backend: FastBackend = "auto",
) -> Float[Tensor, "p c"]:
    """Features at points, from the (up to) eight cells whose centres are around each.

    Centres are weighted by their distance along each axis, ``(1 - |dx|) (1 - |dy|) (1 - |dz|)`` in
    units of the cells. Gradients flow to features and positions.

    Args:
        features: One row a cell.
        grid: The cells, and where they are (``grid.space``).
        positions: Points, metres; those outside the space count, too.
        batch: Number of each point's grid.
        normalised: Divide by the weights of the cells that are there, so that missing ones do not
            count; else they count as 0. A point without any gets 0 either way.
        backend: ``auto`` takes the C++ kernels for float32 on the CPU where they were built, else
            torch.

    Raises:
        ValueError: If the grid does not say where it is, there is not a row of features for each
            cell or a grid's number for each point, a position is not finite, a grid's number is out
            of range, dtypes differ, or ``native`` is asked for and cannot do the dtype or the
            device.
        MissingDependencyError: If ``native`` is asked for and was not built.
    """
    _check_rows(features, len(grid), "cell")
    module = _BACKENDS[_choose(backend, features, positions)]
    rows, weights = _corners(grid, positions, batch, normalised, module)
    return module.gather(features, rows, weights)


def splat(
    values: Float[Tensor, "p c"],
    grid: SparseGrid,
    positions: Float[Tensor, "p 3"],
    batch: Int[Tensor, " p"],
    *,
    normalised: bool = True,
    backend: FastBackend = "auto",
) -> Float[Tensor, "n c"]:
    """Spread rows of points over the (up to) eight cells around each: sums of weighted rows.

    The adjoint of :func:`interpolate` with the same arguments. Splatting ones gives the sums of the
    weights, by which a mean is made. Gradients flow to values and positions. Sums are taken in the
    order of the points.

    Args:
        values: One row a point.
        grid: As of :func:`interpolate`, like the arguments after it.
        positions: Points, metres.
        batch: Number of each point's grid.
        normalised: Whether all of a point goes to the cells that are there.
        backend: As of :func:`interpolate`.

    Raises:
        ValueError: As :func:`interpolate`.
        MissingDependencyError: If ``native`` is asked for and was not built.
    """
    _check_rows(values, len(positions), "point")
    module = _BACKENDS[_choose(backend, values, positions)]
    rows, weights = _corners(grid, positions, batch, normalised, module)
    return module.scatter(values, rows, weights, len(grid))


def _corners(
    grid: SparseGrid,
    positions: Float[Tensor, "p 3"],
    batch: Int[Tensor, " p"],
    normalised: bool,
    module: ModuleType,
) -> tuple[Int64[Tensor, "p 8"], Float[Tensor, "p 8"]]:
    """Rows of the cells around each point, -1 where there is none, and their weights."""
    if batch.shape != positions.shape[:1]:
        raise ValueError(f"a grid's number for each of {len(positions)} points expected")
    check_points(positions, batch, grid.batch_size)
    first, above = first_corners(positions, batch, grid.require_space())
    rows: Tensor = module.find(grid.keys, first, grid.shape)
    weights = torch.where(rows >= 0, corner_weights(above), 0)
    if normalised:
        total = weights.sum(1, keepdim=True)
        weights = weights / torch.where(total > 0, total, 1)
    return rows, weights


def _check_rows(rows: Tensor, expected: int, name: str) -> None:
    if len(rows) != expected:
        raise ValueError(f"a row for each {name}, {expected} of them, expected, got {len(rows)}")


def _choose(backend: FastBackend, rows: Tensor, positions: Tensor) -> Backend:
    if rows.dtype != positions.dtype or rows.device != positions.device:
        raise ValueError(
            f"one dtype and device expected, got {rows.dtype} on {rows.device} and"
            f" {positions.dtype} on {positions.device}"
        )
    if rows.dtype != torch.float32:
        if backend == "native":
            raise ValueError(f"backend 'native' takes float32, got {rows.dtype}")
        return "torch"
    return choose_backend(backend, rows.device)
