"""The residual UNet and its blocks against the same network of dense layers."""

from types import ModuleType

import pytest
import torch

from sparse3d.nn.octree_unet import OctreeUNet
from sparse3d.nn.sparse import SparseTensor
from sparse3d.nn.sparse_blocks import ResidualBlock
from sparse3d.nn.sparse_unet import SparseUNet
from sparse3d.scene.sparse_grid import SparseGrid

SHAPE = (9, 6, 7)


def random_norms(network: torch.nn.Module) -> None:
    """Statistics and scales unlike those of the start."""
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm1d):
            assert module.running_mean is not None
            assert module.running_var is not None
            torch.nn.init.normal_(module.running_mean)
            torch.nn.init.uniform_(module.running_var, 0.5, 2.0)
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias)


@pytest.mark.parametrize("training", [True, False])
def test_the_network_equals_the_dense_one_at_the_cells(training: bool, dense: ModuleType) -> None:
    torch.manual_seed(2)
    network = SparseUNet(3, (4, 5, 6), (1, 2, 1), momentum=0.1).double()
    random_norms(network)
    network.train(training)
    grid = dense.random_grid(8, SHAPE)
    tensor = SparseTensor(grid, dense.random_rows(9, len(grid), 3).requires_grad_())
    wanted = dense.unet(dense.Dense.of(tensor), network)
    got = network(tensor)
    assert got.grid is grid
    assert network.outputs == got.features.shape[1] == 4
    inputs = [tensor.features, *network.parameters()]
    dense.assert_same(got.features, wanted.rows(grid), inputs)


@pytest.mark.parametrize("training", [True, False])
def test_the_octree_network_equals_the_dense_one_at_the_leaves(
    training: bool, dense: ModuleType
) -> None:
    torch.manual_seed(5)
    network = OctreeUNet(3, (4, 5, 6), (1, 2, 1), momentum=0.1).double()
    random_norms(network)
    network.train(training)
    grid = dense.random_grid(14, SHAPE)
    tensor = SparseTensor(grid, dense.random_rows(15, len(grid), 3).requires_grad_())
    cube = SparseTensor(SparseGrid(grid.keys, (16, 16, 16), 2), tensor.features)
    wanted = dense.unet(dense.Dense.of(cube), network)
    got = network(tensor)
    assert got.grid is grid
    inputs = [tensor.features, *network.parameters()]
    dense.assert_same(got.features, wanted.rows(cube.grid), inputs)


def test_an_octree_without_enough_levels_is_refused() -> None:
    grid = SparseGrid.of_coordinates(torch.tensor([[0, 1, 2, 0]]), (2, 3, 1), 1)
    tensor = SparseTensor(grid, torch.ones(1, 2))
    assert OctreeUNet(2, (4, 4, 4), (1, 1, 1), 0.1)(tensor).features.shape == (1, 4)
    with pytest.raises(ValueError, match="at least 3 levels"):
        OctreeUNet(2, (4, 4, 4, 4), (1, 1, 1, 1), 0.1)(tensor)


@pytest.mark.parametrize("outputs", [3, 5])
def test_a_residual_block_equals_the_dense_one(outputs: int, dense: ModuleType) -> None:
    torch.manual_seed(3)
    block = ResidualBlock(3, outputs, 0.1).double()
    random_norms(block)
    grid = dense.random_grid(10, SHAPE)
    tensor = SparseTensor(grid, dense.random_rows(11, len(grid), 3).requires_grad_())
    wanted = dense.residual(dense.Dense.of(tensor), block)
    inputs = [tensor.features, *block.parameters()]
    dense.assert_same(block(tensor).features, wanted.rows(grid), inputs)


def test_one_level_has_no_way_down() -> None:
    network = SparseUNet(2, (4,), (1,), 0.1)
    assert not len(network.downs) + len(network.ups) + len(network.decoders)
    grid = SparseGrid.of_coordinates(torch.tensor([[0, 1, 2, 3], [0, 1, 2, 4]]), SHAPE, 1)
    assert network(SparseTensor(grid, torch.randn(2, 2))).features.shape == (2, 4)


def test_elements_of_a_batch_do_not_see_each_other(dense: ModuleType) -> None:
    network = SparseUNet(2, (4, 4), (1, 1), 0.1).eval()
    both = dense.random_grid(12, SHAPE)
    features = torch.randn(len(both), 2)
    first = both.coordinates()[:, 0] == 0
    alone = SparseGrid(both.keys[first], SHAPE, 1)
    got = network(SparseTensor(both, features)).features[first]
    assert torch.allclose(got, network(SparseTensor(alone, features[first])).features, atol=1e-5)


@pytest.mark.parametrize("rows", [0, 1])
@pytest.mark.parametrize("training", [True, False])
def test_grids_of_no_or_one_cell_are_fine(rows: int, training: bool) -> None:
    network = SparseUNet(2, (4, 4, 4), (1, 1, 1), 0.1).train(training)
    grid = SparseGrid.of_coordinates(torch.tensor([[0, 8, 5, 6]])[:rows], SHAPE, 1)
    result = network(SparseTensor(grid, torch.randn(rows, 2)))
    result.features.sum().backward()
    assert result.features.shape == (rows, 4)
    assert bool(result.features.isfinite().all())


def test_it_learns_a_label_that_only_surroundings_tell(dense: ModuleType) -> None:
    torch.manual_seed(4)
    grid = dense.random_grid(13, (12, 12, 6), 0.15)
    x = grid.coordinates()[:, 1]
    labels = (x % 8 < 4).long()
    features = torch.ones(len(grid), 1)
    network, head = SparseUNet(1, (8, 16), (1, 1), 0.1), torch.nn.Linear(8, 2)
    optimizer = torch.optim.Adam([*network.parameters(), *head.parameters()], 0.02)
    losses = []
    for _ in range(40):
        logits = head(network(SparseTensor(grid, features)).features)
        loss = torch.nn.functional.cross_entropy(logits, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[0] > 0.5
    assert losses[-1] < 0.2


@pytest.mark.parametrize(
    ("channels", "layers"), [((), ()), ((4, 8), (1,)), ((4, 0), (1, 1)), ((4, 8), (1, 0))]
)
def test_sizes_must_be_positive_and_equally_many(
    channels: tuple[int, ...], layers: tuple[int, ...]
) -> None:
    with pytest.raises(ValueError, match="positive and equally many"):
        SparseUNet(1, channels, layers, 0.1)
