"""Sparse layers by dense ones: features on the full grid, and a mask of the cells that count."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from sparse3d.geometry.morton import morton_encode
from sparse3d.nn.sparse import SparseTensor
from sparse3d.ops.neighbours import Kernel
from sparse3d.scene.sparse_grid import SparseGrid


def random_grid(seed: int, shape: tuple[int, int, int], share: float = 0.3) -> SparseGrid:
    """Cells of two grids."""
    generator = torch.Generator().manual_seed(seed)
    cells = (torch.rand(2, *shape, generator=generator) < share).nonzero()
    return SparseGrid.of_coordinates(cells, shape, 2)


def random_rows(seed: int, rows: int, channels: int) -> Tensor:
    """Float64, from a normal distribution."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rows, channels, generator=generator, dtype=torch.float64)


def assert_same(got: Tensor, wanted: Tensor, inputs: list[Tensor], atol: float = 1e-9) -> None:
    """Equal values, and equal gradients that are not all zero, for a random cotangent."""
    assert torch.allclose(got, wanted, atol=atol)
    cotangent = torch.randn(got.shape, dtype=got.dtype)
    ours, theirs = (torch.autograd.grad(y, inputs, cotangent) for y in (got, wanted))
    for a, b in zip(ours, theirs, strict=True):
        assert torch.allclose(a, b, rtol=1e-6, atol=10 * atol)
        assert bool(a.any())


@dataclass
class Dense:
    """Features, zero where the mask is."""

    values: Tensor  # [b, c, x, y, z]
    mask: Tensor  # [b, 1, x, y, z]

    @classmethod
    def of(cls, tensor: SparseTensor) -> "Dense":
        """Put rows at their cells."""
        b, x, y, z = tensor.grid.coordinates().T
        shape = (tensor.grid.batch_size, *tensor.grid.shape)
        values = tensor.features.new_zeros(*shape, tensor.features.shape[1])
        values = values.index_put((b, x, y, z), tensor.features).movedim(4, 1)
        mask = torch.zeros(shape, dtype=values.dtype).index_put(
            (b, x, y, z), torch.tensor(1.0).to(values)
        )
        return cls(values, mask[:, None])

    def rows(self, grid: SparseGrid) -> Tensor:
        """Features in the order of a grid, whose cells must be those of the mask."""
        b, x, y, z = grid.coordinates().T
        assert len(grid) == int(self.mask.sum())
        assert bool(self.mask[b, 0, x, y, z].all())
        return self.values[b, :, x, y, z]


def filters(weight: Tensor, kernel: Kernel) -> Tensor:
    """[out, in, x, y, z]."""
    return weight.reshape(*kernel.size, *weight.shape[1:]).permute(4, 3, 0, 1, 2)


def convolve(dense: Dense, weight: Tensor, kernel: Kernel, bias: Tensor | None = None) -> Dense:
    """Submanifold or strided convolution."""
    settings = (kernel.stride, kernel.pad, kernel.dilation)
    mask = dense.mask
    if not kernel.submanifold:
        ones = mask.new_ones(1, 1, *kernel.size)
        mask = (functional.conv3d(mask, ones, None, *settings) > 0).to(mask)
    values = functional.conv3d(dense.values, filters(weight, kernel), bias, *settings)
    return Dense(values * mask, mask)


def transpose(dense: Dense, weight: Tensor, kernel: Kernel, bias: Tensor) -> Dense:
    """Transposed convolution to all cells that it reaches."""
    settings = (kernel.stride, kernel.pad, kernel.output_padding, 1, kernel.dilation)
    weights = filters(weight, kernel).transpose(0, 1)
    ones = weights.new_ones(1, 1, *kernel.size)
    mask = (functional.conv_transpose3d(dense.mask, ones, None, *settings) > 0).to(dense.mask)
    return Dense(functional.conv_transpose3d(dense.values, weights, bias, *settings) * mask, mask)


def invert(
    dense: Dense, weight: Tensor, kernel: Kernel, mask: Tensor, bias: Tensor | None = None
) -> Dense:
    """Transposed convolution to the cells of a finer mask."""
    extra = [
        fine - ((coarse - 1) * s - 2 * p + d * (k - 1) + 1)
        for fine, coarse, s, p, d, k in zip(
            *(mask.shape[2:], dense.mask.shape[2:], kernel.stride, kernel.pad, kernel.dilation),
            kernel.size,
            strict=True,
        )
    ]
    values = functional.conv_transpose3d(
        *(dense.values, filters(weight, kernel).transpose(0, 1), bias),
        *(kernel.stride, kernel.pad, extra, 1, kernel.dilation),
    )
    return Dense(values * mask, mask)


def normalise(dense: Dense, norm: Any) -> Dense:
    """``RowNorm`` by the statistics of the cells of the mask, population variance."""
    values, mask = dense.values, dense.mask
    mean, spread = norm.running_mean, norm.running_var
    if norm.training:
        mean = values.sum((0, 2, 3, 4)) / mask.sum()
        spread = ((values - _channel(mean)) ** 2 * mask).sum((0, 2, 3, 4)) / mask.sum()
    values = (values - _channel(mean)) / _channel(spread + norm.eps).sqrt()
    return Dense((values * _channel(norm.weight) + _channel(norm.bias)) * mask, mask)


def block(dense: Dense, layer: Any) -> Dense:
    """``ConvBlock``."""
    result = normalise(convolve(dense, layer.conv.weight, layer.conv.kernel), layer.norm)
    return Dense(result.values.relu(), result.mask)


def inverse_block(dense: Dense, layer: Any, mask: Tensor) -> Dense:
    """``InverseBlock``."""
    result = normalise(invert(dense, layer.conv.weight, layer.conv.kernel, mask), layer.norm)
    return Dense(result.values.relu(), mask)


def residual(dense: Dense, layer: Any) -> Dense:
    """``ResidualBlock``."""
    result = convolve(block(dense, layer.first), layer.second.weight, layer.second.kernel)
    result = normalise(result, layer.norm)
    beside = dense
    if isinstance(layer.shortcut, torch.nn.Sequential):
        linear, norm = layer.shortcut
        mixed = torch.einsum("oi,bixyz->boxyz", linear.weight, dense.values)
        beside = normalise(Dense(mixed, dense.mask), norm)
    return Dense((result.values + beside.values).relu(), dense.mask)


def unet(dense: Dense, network: Any) -> Dense:
    """``SparseUNet``."""
    dense, skipped = block(dense, network.stem), []
    for level, encoder in enumerate(network.encoders):
        if level:
            skipped.append(dense)
            dense = block(dense, network.downs[level - 1])
        for layer in encoder:
            dense = residual(dense, layer)
    for level in reversed(range(len(skipped))):
        beside = skipped[level]
        dense = inverse_block(dense, network.ups[level], beside.mask)
        dense = Dense(torch.cat([beside.values, dense.values], 1), beside.mask)
        for layer in network.decoders[level]:
            dense = residual(dense, layer)
    return dense


def _channel(values: Tensor) -> Tensor:
    return values[:, None, None, None]


def in_our_order(theirs: Any) -> Tensor:
    """Features of a tensor of spconv, sorted by our keys of their cells."""
    cells = theirs.indices[:, [0, 3, 2, 1]].long()
    return theirs.features[morton_encode(cells).argsort()]
