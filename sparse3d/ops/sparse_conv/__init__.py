"""Convolution of features that are known at some cells of a grid only."""

from jaxtyping import Float
from torch import Tensor

from sparse3d.ops.backend import FastBackend, choose_backend
from sparse3d.ops.neighbours import Rulebook
from sparse3d.ops.sparse_conv import _native, _torch

__all__ = ["sparse_conv"]

_BACKENDS = {"torch": _torch.sparse_conv, "native": _native.sparse_conv}


def sparse_conv(
    features: Float[Tensor, "n i"],
    weight: Float[Tensor, "k i o"],
    rulebook: Rulebook,
    *,
    backend: FastBackend = "auto",
) -> Float[Tensor, "m o"]:
    """Sum over the kernel's offsets of the inputs there times the weight of the offset.

    Cells without features count as zero. Gradients flow to features and weight. The sums are taken
    in a fixed order; the C++ kernels take those of bfloat16 in float32.

    Args:
        features: Inputs, one row a cell.
        weight: A matrix for every offset, in the order of ``Kernel.offsets``.
        rulebook: Of the grid and the kernel.
        backend: ``auto`` takes the C++ kernels for float32 and bfloat16 on the CPU where they were
            built, else torch.

    Raises:
        ValueError: If shapes do not fit the rulebook, dtypes differ, or ``native`` is asked for and
            cannot do the dtype or the device.
        MissingDependencyError: If ``native`` is asked for and was not built.
    """
    if len(features) != rulebook.inputs or len(weight) != len(rulebook.counts):
        raise ValueError(
            f"the rulebook is for {rulebook.inputs} inputs and {len(rulebook.counts)} offsets,"
            f" got {len(features)} and {len(weight)}"
        )
    if features.dtype != weight.dtype:
        raise ValueError(f"one dtype expected, got {features.dtype} and {weight.dtype}")
    chosen = choose_backend(backend, features.device)
    if backend == "auto" and features.dtype not in _native.DTYPES:
        chosen = "torch"
    return _BACKENDS[chosen](features, weight, rulebook)
