"""The same encoder in spconv, with the same weights."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from convolution.spconv_peer import Spconv, import_spconv
from sparse3d.nn.convert import to_spconv
from sparse3d.nn.sparse_blocks import ConvBlock
from sparse3d.nn.sparse_encoder import SparseEncoder
from sparse3d.ops.neighbours import Kernel
from sparse3d.scene.sparse_grid import SparseGrid

__all__ = ["SpconvEncoder"]


class SpconvEncoder:
    """Made of an encoder of ours, for inference on the CPU.

    Layers without new cells share the rules of their stage, as in OpenPCDet.

    Raises:
        UnavailableError: If spconv is not installed or does not come up.
    """

    def __init__(self, encoder: SparseEncoder) -> None:
        self._spconv: Any = import_spconv("spconv.pytorch")
        self._native = import_spconv("spconv.core").ConvAlgo.Native
        layers: list[nn.Module] = []
        stage = 0
        for block in encoder.steps:
            if not isinstance(block, ConvBlock):
                raise TypeError(f"blocks of a convolution each expected, got {type(block)}")
            stage += not block.conv.kernel.submanifold
            layers += [self._layer(block, stage), block.norm, nn.ReLU()]
        self._network = self._spconv.SparseSequential(*layers).eval()

    def __call__(
        self, grid: SparseGrid, cells: Tensor, features: Float[Tensor, "n c"]
    ) -> Float[Tensor, "b c x y"]:
        """The bird's eye view; ``cells`` are those of the grid in spconv's order."""
        shape = list(grid.shape[::-1])
        with torch.no_grad():
            tensor = self._spconv.SparseConvTensor(features, cells, shape, grid.batch_size)
            return self._network(tensor).dense().flatten(1, 2).transpose(2, 3)

    cells = staticmethod(Spconv.cells)

    def _layer(self, block: ConvBlock, stage: int) -> nn.Module:
        kernel, weight = block.conv.kernel, block.conv.weight.detach()
        inputs, outputs = weight.shape[1:]
        size, stride = kernel.size[::-1], kernel.stride[::-1]
        options = {"bias": False, "algo": self._native}
        if kernel.submanifold:
            own = {"indice_key": f"stage{stage}", **options}
            layer = self._spconv.SubMConv3d(inputs, outputs, size, **own)
        else:
            own = {"padding": _pad(kernel), **options}
            layer = self._spconv.SparseConv3d(inputs, outputs, size, stride, **own)
        layer.weight = nn.Parameter(to_spconv(weight, kernel.size))
        return layer


def _pad(kernel: Kernel) -> tuple[int, ...]:
    return tuple(kernel.pad[::-1])
