"""Plain convolutions against dense ones in float64, and what they share."""

import gc
import weakref
from types import ModuleType

import pytest
import torch

from sparse3d.nn.sparse import SparseTensor
from sparse3d.nn.sparse_conv import SparseConv3d, SparseInverseConv3d, SubMConv3d
from sparse3d.ops.neighbours import Kernel, Rulebook, neighbours
from sparse3d.scene.sparse_grid import SparseGrid

SHAPE = (7, 4, 6)
HALF = Kernel(stride=(2, 2, 2))
UP = Kernel((2, 2, 2), (2, 2, 2), padding=(0, 0, 0), transposed=True)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(
    "kernel",
    [
        Kernel(),
        Kernel((1, 3, 5)),
        Kernel(dilation=(2, 1, 2)),
        HALF,
        Kernel((3, 1, 3), (2, 1, 3)),
        Kernel((2, 2, 2), (2, 2, 2), padding=(0, 0, 0)),
        Kernel(stride=(2, 2, 2), padding=(1, 1, 0)),
    ],
)
def test_a_convolution_equals_the_dense_one(kernel: Kernel, bias: bool, dense: ModuleType) -> None:
    layer = (SubMConv3d if kernel.submanifold else SparseConv3d)(3, 4, kernel, bias=bias).double()
    if layer.bias is not None:
        torch.nn.init.normal_(layer.bias)
    grid = dense.random_grid(1, SHAPE)
    tensor = SparseTensor(grid, dense.random_rows(2, len(grid), 3).requires_grad_())
    got = layer(tensor)
    wanted = dense.convolve(dense.Dense.of(tensor), layer.weight, kernel, layer.bias)
    inputs = [tensor.features, *layer.parameters()]
    dense.assert_same(got.features, wanted.rows(got.grid), inputs)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(
    "kernel", [HALF, Kernel((3, 1, 5), (2, 1, 3)), Kernel((2, 1, 2), (2, 1, 2), padding=(0, 0, 0))]
)
def test_an_inverse_equals_the_transposed_convolution_at_the_cells_of_the_input(
    kernel: Kernel, bias: bool, dense: ModuleType
) -> None:
    down = SparseConv3d(2, 3, kernel).double()
    up = SparseInverseConv3d(3, 5, kernel, bias=bias).double()
    if up.bias is not None:
        torch.nn.init.normal_(up.bias)
    grid = dense.random_grid(3, SHAPE, 0.2)
    tensor = SparseTensor(grid, dense.random_rows(4, len(grid), 2).requires_grad_())
    got = up(down(tensor))
    fine = dense.Dense.of(tensor)
    coarse = dense.convolve(fine, down.weight, kernel, down.bias)
    wanted = dense.invert(coarse, up.weight, kernel, fine.mask, up.bias)
    assert got.grid is grid
    inputs = [tensor.features, *down.parameters(), *up.parameters()]
    dense.assert_same(got.features, wanted.rows(grid), inputs)


def test_layers_of_one_kernel_on_one_grid_share_rules(dense: ModuleType) -> None:
    grid, other = dense.random_grid(5, SHAPE), Kernel((1, 3, 3))
    start = SparseTensor(grid, torch.randn(len(grid), 2))
    first = SubMConv3d(2, 2, Kernel())(start)
    second = SubMConv3d(2, 2, other)(first)
    third = SubMConv3d(2, 2, Kernel())(second)
    beside = SubMConv3d(2, 2, Kernel())(start)
    assert list(start.rulebooks) == [Kernel(), other]
    assert all(each.rulebooks is start.rulebooks for each in (first, second, third, beside))
    down = SparseConv3d(2, 2, HALF)(third)
    assert not list(down.rulebooks)
    back = SparseInverseConv3d(2, 2, HALF)(SubMConv3d(2, 2, Kernel())(down))
    assert back.rulebooks is third.rulebooks
    assert list(down.rulebooks) == [Kernel()]


def test_layers_that_make_the_same_cells_share_rules_there_and_below(
    dense: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    grid, kernels = dense.random_grid(8, SHAPE), []

    def counted(grid: SparseGrid, kernel: Kernel) -> tuple[SparseGrid, Rulebook]:
        kernels.append(kernel)
        return neighbours(grid, kernel)

    monkeypatch.setattr("sparse3d.nn.rulebooks.neighbours", counted)
    layers = [SparseConv3d(2, 3, HALF), SparseConv3d(2, 3, HALF)]
    below, other = SubMConv3d(3, 3, Kernel()), Kernel((3, 3, 1), (2, 2, 1))
    tensor = SparseTensor(grid, torch.randn(len(grid), 2))
    shared = [below(layer(tensor)) for layer in layers]
    assert kernels == [HALF, Kernel()]
    assert shared[0].grid is shared[1].grid
    SparseConv3d(2, 3, other)(tensor)
    assert kernels == [HALF, Kernel(), other]
    for layer, got in zip(layers, shared, strict=True):
        alone = below(layer(SparseTensor(grid, tensor.features)))
        assert torch.equal(got.grid.keys, alone.grid.keys)
        assert torch.equal(got.features, alone.features)
    assert kernels == [HALF, Kernel(), other, *[HALF, Kernel()] * 2]


def test_rules_are_gone_with_their_tensors(dense: ModuleType) -> None:
    grid = dense.random_grid(5, SHAPE)
    tensor = SparseTensor(grid, torch.randn(len(grid), 2))
    SparseConv3d(2, 2, HALF)(SubMConv3d(2, 2, Kernel())(tensor))
    kept = weakref.ref(tensor.rulebooks)
    gc.disable()
    try:
        del tensor
        assert kept() is None
    finally:
        gc.enable()


def test_inverses_go_back_level_by_level(dense: ModuleType) -> None:
    flat = Kernel((3, 3, 1), (2, 2, 1))
    grid = dense.random_grid(6, SHAPE)
    first = SparseConv3d(1, 1, HALF)(SparseTensor(grid, torch.randn(len(grid), 1)))
    second = SparseConv3d(1, 1, flat)(first)
    back = SparseInverseConv3d(1, 1, flat)(second)
    assert back.grid is first.grid
    assert SparseInverseConv3d(1, 1, HALF)(back).grid is grid


def test_an_inverse_without_its_partner_is_refused(dense: ModuleType) -> None:
    grid = dense.random_grid(7, SHAPE)
    tensor = SparseTensor(grid, torch.randn(len(grid), 1))
    with pytest.raises(ValueError, match="to invert, from none"):
        SparseInverseConv3d(1, 1, HALF)(tensor)
    down = SparseConv3d(1, 1, Kernel(stride=(2, 2, 1)))(tensor)
    with pytest.raises(ValueError, match="to invert, with"):
        SparseInverseConv3d(1, 1, HALF)(down)


def test_kernels_must_suit_the_layer() -> None:
    with pytest.raises(ValueError, match="a submanifold kernel"):
        SubMConv3d(1, 1, HALF)
    for layer in (SparseConv3d, SparseInverseConv3d):
        with pytest.raises(ValueError, match="not submanifold"):
            layer(1, 1, Kernel())


@pytest.mark.parametrize("rows", [0, 1])
def test_grids_of_no_or_one_cell(rows: int) -> None:
    cells = torch.tensor([[1, 6, 3, 5]])[:rows]
    grid = SparseGrid.of_coordinates(cells, SHAPE, 2)
    tensor = SparseTensor(grid, torch.ones(rows, 2))
    down, up = SparseConv3d(2, 3, HALF), SparseInverseConv3d(3, 2, HALF)
    coarse = down(SubMConv3d(2, 2, Kernel())(tensor))
    back = up(coarse)
    assert back.features.shape == (rows, 2)
    back.features.sum().backward()
    assert down.weight.grad is not None
    assert bool(down.weight.grad.any()) == bool(rows)
