"""Convolution of features that are known at some cells of a grid only."""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from sparse3d.ops.backend import FastBackend, choose_backend
from sparse3d.ops.neighbours import Rulebook
from sparse3d.ops.sparse_conv import _native, _spconv, _torch
from sparse3d.ops.sparse_conv._epilogue import Epilogue

__all__ = ["ConvBackend", "sparse_conv"]

ConvBackend = FastBackend | Literal["spconv"]
"""See :func:`sparse_conv`."""

_BACKENDS = {
    "torch": _torch.sparse_conv,
    "native": _native.sparse_conv,
    "spconv": _spconv.sparse_conv,
}


def sparse_conv(
    features: Float[Tensor, "n i"],
    weight: Float[Tensor, "k i o"],
    rulebook: Rulebook,
    *,
    bias: Float[Tensor, " _"] | None = None,
    relu: bool = False,
    backend: ConvBackend = "auto",
) -> Float[Tensor, "m o"]:
    """Sum over the kernel's offsets of the inputs there times the weight of the offset.

    Cells without features count as zero. Gradients flow to features, weight and bias. The sums are
    taken in a fixed order; the C++ kernels take those of bfloat16 in float32, and add the bias and
    rectify before they store them. Where they have AMX or AVX512-BF16 for bfloat16 (``sparse3d
    doctor`` says so), the order is another one than that of float32, and subnormal numbers count as
    zero; the gradient of the weight goes without.

    Args:
        features: Inputs, one row a cell.
        weight: A matrix for every offset, in the order of ``Kernel.offsets``.
        rulebook: Of the grid and the kernel.
        bias: Added to every output.
        relu: Whether what is negative then becomes zero.
        backend: ``auto`` takes the C++ kernels for float32 and bfloat16 on the CPU where they were
            built, spconv for float32 and float16 on CUDA where it is installed, else torch.
            ``spconv`` on the CPU is for comparison, without gradients.

    Raises:
        ValueError: If shapes do not fit the rulebook, dtypes differ, or a named backend cannot do
            the dtype, the device or the gradient.
        MissingDependencyError: If a named backend is not there.
    """
    if len(features) != rulebook.inputs or len(weight) != len(rulebook.counts):
        raise ValueError(
            f"the rulebook is for {rulebook.inputs} inputs and {len(rulebook.counts)} offsets,"
            f" got {len(features)} and {len(weight)}"
        )
    if features.dtype != weight.dtype:
        raise ValueError(f"one dtype expected, got {features.dtype} and {weight.dtype}")
    if bias is not None:
        _check_bias(bias, weight)
    chosen = _choose(backend, features.device, features.dtype)
    return _BACKENDS[chosen](features, weight, rulebook, Epilogue(bias, relu))


def _check_bias(bias: Tensor, weight: Tensor) -> None:
    if bias.shape != weight.shape[2:] or bias.dtype != weight.dtype:
        raise ValueError(
            f"a bias of {weight.shape[2]} values of {weight.dtype} expected, got"
            f" {tuple(bias.shape)} of {bias.dtype}"
        )


def _choose(backend: ConvBackend, device: torch.device, dtype: torch.dtype) -> str:
    if backend == "spconv":
        return backend
    if backend == "auto" and device.type == "cuda":
        fits = dtype in _spconv.DTYPES and _spconv.is_installed()
        return "spconv" if fits else "torch"
    if backend == "auto" and dtype not in _native.DTYPES:
        return "torch"
    return choose_backend(backend, device)
