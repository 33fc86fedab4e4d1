"""Maxima and averages over the cells that a kernel reads, and the way back.

``backend="auto"`` takes the C++ kernels for float32 and bfloat16 on the CPU where they were built,
else torch. Sums are taken in a fixed order; the C++ kernels take those of bfloat16 in float32.
"""

from types import ModuleType
from typing import NamedTuple

from jaxtyping import Float, Int64
from torch import Tensor

from sparse3d.ops.backend import FastBackend, choose_backend
from sparse3d.ops.neighbours import Rulebook
from sparse3d.ops.pool import _native, _torch

__all__ = ["MaxPooled", "average_pool", "average_unpool", "max_pool", "max_unpool"]

_BACKENDS = {"torch": _torch, "native": _native}


class MaxPooled(NamedTuple):
    """The largest inputs of each output, channel by channel."""

    features: Float[Tensor, "m c"]
    """0 where an output reads no input."""
    winners: Int64[Tensor, "m c"]
    """Row of the input that it was, -1 where there is none; of equal ones that of the first offset
    of the kernel."""


def max_pool(
    features: Float[Tensor, "n c"], rulebook: Rulebook, *, backend: FastBackend = "auto"
) -> MaxPooled:
    """The largest of the inputs that each output reads; cells without features do not count.

    The gradient flows to the winners. What is not a number wins.

    Args:
        features: Inputs, one row a cell.
        rulebook: Of the grid and the kernel.
        backend: See the module.

    Raises:
        ValueError: If the features are not those of the rulebook's inputs, or ``native`` is asked
            for and cannot do the dtype or the device.
        MissingDependencyError: If ``native`` is asked for and was not built.
    """
    _check_rows(features, rulebook.inputs, "inputs")
    return MaxPooled(*_chosen(backend, features).max_pool(features, rulebook))


def average_pool(
    features: Float[Tensor, "n c"], rulebook: Rulebook, *, backend: FastBackend = "auto"
) -> Float[Tensor, "m c"]:
    """The mean of the inputs that each output reads; cells without features do not count.

    Where an output reads no input it is 0.

    Args:
        features: Inputs, one row a cell.
        rulebook: Of the grid and the kernel.
        backend: See the module.

    Raises:
        ValueError: If the features are not those of the rulebook's inputs, or ``native`` is asked
            for and cannot do the dtype or the device.
        MissingDependencyError: If ``native`` is asked for and was not built.
    """
    _check_rows(features, rulebook.inputs, "inputs")
    return _chosen(backend, features).average(features, rulebook)


def max_unpool(
    features: Float[Tensor, "m c"],
    winners: Int64[Tensor, "m c"],
    inputs: int,
    *,
    backend: FastBackend = "auto",
) -> Float[Tensor, "n c"]:
    """Put features of outputs where the largest inputs were; elsewhere is 0.

    An input that was the largest of several outputs gets the sum of them, so that this is the
    adjoint of :func:`max_pool` with the same winners.

    Args:
        features: One row an output.
        winners: As :func:`max_pool` returns them.
        inputs: Number of cells to unpool to.
        backend: See the module.

    Raises:
        ValueError: If there is not a winner for each feature, one is not among the inputs, or
            ``native`` is asked for and cannot do the dtype or the device.
        MissingDependencyError: If ``native`` is asked for and was not built.
    """
    if features.shape != winners.shape:
        raise ValueError(
            f"a winner for each feature {tuple(features.shape)} expected, got"
            f" {tuple(winners.shape)}"
        )
    if winners.numel():
        low, high = (int(bound) for bound in winners.aminmax())
        if not -1 <= low <= high < inputs:
            raise ValueError(f"winners must lie in [-1, {inputs}), got {low} to {high}")
    return _chosen(backend, features).max_unpool(features, winners, inputs)


def average_unpool(
    features: Float[Tensor, "m c"], rulebook: Rulebook, *, backend: FastBackend = "auto"
) -> Float[Tensor, "n c"]:
    """Copy features of outputs to the inputs that they read.

    An input that several outputs read gets their mean, one that none reads 0.

    Args:
        features: One row an output.
        rulebook: Of the pooling: from the cells to unpool to, to those of the features.
        backend: See the module.

    Raises:
        ValueError: If the features are not those of the rulebook's outputs, or ``native`` is asked
            for and cannot do the dtype or the device.
        MissingDependencyError: If ``native`` is asked for and was not built.
    """
    _check_rows(features, rulebook.outputs, "outputs")
    return _chosen(backend, features).average(features, rulebook.reversed())


def _check_rows(features: Tensor, expected: int, name: str) -> None:
    if len(features) != expected:
        raise ValueError(f"the rulebook is for {expected} {name}, got {len(features)} features")


def _chosen(backend: FastBackend, features: Tensor) -> ModuleType:
    if backend == "auto" and features.dtype not in _native.DTYPES:
        return _torch
    return _BACKENDS[choose_backend(backend, features.device)]
