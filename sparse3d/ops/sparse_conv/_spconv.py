"""spconv's kernels: training on CUDA, inference on the CPU, for comparison."""

import importlib
import importlib.util
import warnings
from types import ModuleType
from typing import Any

import torch
from jaxtyping import Float, Int32
from torch import Tensor

from sparse3d.errors import MissingDependencyError
from sparse3d.ops.neighbours import Rulebook
from sparse3d.ops.sparse_conv._epilogue import Epilogue

__all__ = ["DTYPES", "is_installed", "pairs_of", "sparse_conv"]

DTYPES = (torch.float32, torch.float16)


def is_installed() -> bool:
    """Whether spconv can be found; it is not imported."""
    return importlib.util.find_spec("spconv") is not None


def sparse_conv(
    features: Float[Tensor, "n i"],
    weight: Float[Tensor, "k i o"],
    rulebook: Rulebook,
    epilogue: Epilogue,
) -> Float[Tensor, "m o"]:
    """The convolution; spconv 2 has gradients on CUDA only.

    Raises:
        ValueError: If the dtype is not spconv's, or a gradient is wanted on the CPU.
        MissingDependencyError: If spconv is not installed or does not come up.
    """
    if features.dtype not in DTYPES:
        raise ValueError(f"backend 'spconv' takes float32 and float16, got {features.dtype}")
    wanted = features.requires_grad or weight.requires_grad or epilogue.trained
    trained = torch.is_grad_enabled() and wanted
    if trained and features.device.type != "cuda":
        raise ValueError("backend 'spconv' has gradients on CUDA only; take 'native' or 'torch'")
    functional, native = (
        _module("spconv.pytorch.functional"),
        _module("spconv.core").ConvAlgo.Native,
    )
    pairs, counts = pairs_of(rulebook)
    filters = weight.permute(2, 0, 1)[:, :, None, None].contiguous()  # o k 1 1 i
    given: tuple[Any, ...] = (features.contiguous(), filters, pairs, counts, rulebook.outputs)
    sums: Tensor = functional.indice_conv(*given, native)
    return epilogue.of(sums)


def pairs_of(rulebook: Rulebook) -> tuple[Int32[Tensor, "2 k p"], Int32[Tensor, " k"]]:
    """A rulebook as spconv has them: sources and targets of each offset, -1 behind the last.

    Nothing waits for the device.
    """
    device, widest = rulebook.sources.device, max(rulebook.counts, default=0)
    counts = torch.tensor(rulebook.counts, dtype=torch.int64, device=device)
    total = len(rulebook.sources)
    offsets = torch.repeat_interleave(counts, output_size=total)
    places = torch.arange(total, device=device) - (counts.cumsum(0) - counts)[offsets]
    pairs = torch.full((2, len(counts), max(widest, 1)), -1, dtype=torch.int32, device=device)
    pairs[0, offsets, places], pairs[1, offsets, places] = rulebook.sources, rulebook.targets
    return pairs, counts.int()


def _module(name: str) -> ModuleType:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what spconv imports is older than its Python
            return importlib.import_module(name)
    except (ImportError, OSError) as error:
        missing = f"spconv is not installed or does not come up ({error})"
        raise MissingDependencyError(missing, "pip install spconv-cu126") from error
