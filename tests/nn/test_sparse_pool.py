"""Pooling layers against dense pooling of the cells that count."""

from types import ModuleType

import pytest
import torch
from torch.nn import functional

from sparse3d.nn.sparse import SparseTensor
from sparse3d.nn.sparse_conv import SparseConv3d
from sparse3d.nn.sparse_pool import SparseAvgPool3d, SparseMaxPool3d, SparseUnpool3d
from sparse3d.ops.neighbours import Kernel

SHAPE = (7, 4, 6)
KERNELS = (Kernel(), Kernel(stride=(2, 2, 2)), Kernel((2, 1, 2), (2, 1, 2), padding=(0, 0, 0)))


@pytest.mark.parametrize("kernel", KERNELS)
def test_the_maximum_is_that_of_a_dense_grid_of_minus_infinity(
    kernel: Kernel, dense: ModuleType
) -> None:
    grid = dense.random_grid(1, SHAPE)
    tensor = SparseTensor(grid, dense.random_rows(2, len(grid), 3).requires_grad_())
    got = SparseMaxPool3d(kernel)(tensor)
    given = dense.Dense.of(tensor)
    lowest = given.values.masked_fill(given.mask == 0, -torch.inf)
    pooled = functional.max_pool3d(lowest, kernel.size, kernel.stride, kernel.pad)
    b, x, y, z = got.grid.coordinates().T
    dense.assert_same(got.features, pooled[b, :, x, y, z], [tensor.features])


@pytest.mark.parametrize("kernel", KERNELS)
def test_the_mean_counts_cells_with_features_only(kernel: Kernel, dense: ModuleType) -> None:
    grid = dense.random_grid(3, SHAPE)
    tensor = SparseTensor(grid, dense.random_rows(4, len(grid), 3).requires_grad_())
    got = SparseAvgPool3d(kernel)(tensor)
    given = dense.Dense.of(tensor)
    sums, counts = (
        functional.avg_pool3d(each, kernel.size, kernel.stride, kernel.pad)
        for each in (given.values, given.mask)
    )
    b, x, y, z = got.grid.coordinates().T
    wanted = (sums / counts.clamp_min(1e-9))[b, :, x, y, z]
    dense.assert_same(got.features, wanted, [tensor.features])


def test_unpooling_copies_a_parents_features_to_its_children(dense: ModuleType) -> None:
    kernel = Kernel((2, 2, 2), (2, 2, 2), padding=(0, 0, 0))
    grid = dense.random_grid(5, (8, 4, 6))
    tensor = SparseTensor(grid, dense.random_rows(6, len(grid), 3).requires_grad_())
    coarse = SparseAvgPool3d(kernel)(tensor)
    back = SparseUnpool3d(kernel)(coarse)
    assert back.grid is grid
    b, x, y, z = grid.coordinates().T
    wanted = dense.Dense.of(coarse).values[b, :, x // 2, y // 2, z // 2]
    dense.assert_same(back.features, wanted, [tensor.features])


def test_pooling_shares_rules_with_convolutions_and_knows_its_origin(dense: ModuleType) -> None:
    grid = dense.random_grid(7, SHAPE)
    tensor = SparseTensor(grid, torch.randn(len(grid), 2))
    smooth = SparseAvgPool3d(Kernel())(tensor)
    assert list(smooth.rulebooks) == [Kernel()]
    half = KERNELS[1]
    assert SparseUnpool3d(half)(SparseConv3d(2, 2, half)(smooth)).rulebooks is smooth.rulebooks
    with pytest.raises(ValueError, match="to invert, from none"):
        SparseUnpool3d(half)(smooth)


@pytest.mark.parametrize("layer", [SparseMaxPool3d, SparseAvgPool3d])
def test_no_cells_are_fine(layer: type, dense: ModuleType) -> None:
    grid = dense.random_grid(8, SHAPE, 0.0)
    pooled = layer(KERNELS[1])(SparseTensor(grid, torch.zeros(0, 2)))
    assert pooled.features.shape == (0, 2)
