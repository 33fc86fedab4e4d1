"""spconv on the CPU, where it is installed: rulebooks, convolutions and pooling."""

import importlib
import warnings
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import torch
from jaxtyping import Float, Int32
from torch import Tensor

from harness import UnavailableError
from sparse3d.ops.neighbours import Kernel
from sparse3d.scene.sparse_grid import SparseGrid

__all__ = ["Spconv", "SpconvRules", "import_spconv"]


@dataclass(frozen=True)
class SpconvRules:
    """What spconv's kernels take."""

    pairs: Tensor
    counts: Tensor
    """Without stride those of half of the offsets: the others mirror them."""
    outputs: int
    submanifold: bool


def import_spconv(name: str) -> ModuleType:
    """One of its modules.

    Raises:
        UnavailableError: If it is not installed or does not come up.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what spconv imports is older than its Python
            return importlib.import_module(name)
    except (ImportError, OSError) as error:
        raise UnavailableError(f"{error}; pip install spconv") from error


class Spconv:
    """Its CPU kernels.

    Raises:
        UnavailableError: If it is not installed or does not come up.
    """

    def __init__(self) -> None:
        self._ops: Any = import_spconv("spconv.pytorch.ops")
        self._native = import_spconv("spconv.core").ConvAlgo.Native

    @staticmethod
    def cells(grid: SparseGrid) -> Int32[Tensor, "n 4"]:
        """Cells in its order: batch, z, y, x."""
        return grid.coordinates()[:, [0, 3, 2, 1]].int().contiguous()

    @staticmethod
    def filters(weight: Float[Tensor, "k i o"], kernel: Kernel) -> Float[Tensor, "o z y x i"]:
        """A weight in its layout."""
        by_axis = weight.reshape(*kernel.size, *weight.shape[1:])  # x y z i o
        return by_axis.permute(4, 2, 1, 0, 3).contiguous()

    def rules(self, cells: Int32[Tensor, "n 4"], grid: SparseGrid, kernel: Kernel) -> SpconvRules:
        """Its rulebook; ``cells`` are those of the grid in its order."""
        steps = (kernel.size, kernel.stride, kernel.pad, kernel.dilation, kernel.output_padding)
        size, stride, pad, dilation, more = (list(each[::-1]) for each in steps)
        outputs, pairs, counts = self._ops.get_indice_pairs(
            *(cells, grid.batch_size, list(grid.shape[::-1]), self._native, size, stride),
            *(pad, dilation, more, kernel.submanifold, kernel.transposed),
        )
        return SpconvRules(pairs, counts, len(outputs), kernel.submanifold)

    def convolve(
        self, features: Float[Tensor, "n i"], filters: Tensor, rules: SpconvRules
    ) -> Float[Tensor, "m o"]:
        """Its forward pass, without gradients."""
        given = (features, filters, rules.pairs, rules.counts, rules.outputs)
        with torch.no_grad():
            return self._ops.indice_conv(*given, subm=rules.submanifold, algo=self._native)

    def max_pool(self, features: Float[Tensor, "n c"], rules: SpconvRules) -> Float[Tensor, "m c"]:
        """Its maxima, which are never below 0."""
        return self._ops.indice_maxpool(features, rules.pairs, rules.counts, rules.outputs)

    def max_pool_backward(
        self,
        features: Float[Tensor, "n c"],
        pooled: Float[Tensor, "m c"],
        gradient: Float[Tensor, "m c"],
        rules: SpconvRules,
    ) -> Float[Tensor, "n c"]:
        """The gradient of its inputs, all of equal ones."""
        given = (features, pooled, gradient, rules.pairs, rules.counts)
        return self._ops.indice_maxpool_backward(*given)
