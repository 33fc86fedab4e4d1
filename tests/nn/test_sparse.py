"""Sparse layers against dense ones; shapes and independence of the batch's elements."""

import pytest
import torch
from torch import nn

from sparse3d.nn.bev_neck import BevNeck
from sparse3d.nn.sparse import RowNorm, SparseTensor, to_birds_eye, to_dense
from sparse3d.nn.sparse_blocks import ConvBlock, ResidualBlock
from sparse3d.nn.sparse_conv import SparseConv3d, SubMConv3d
from sparse3d.nn.sparse_encoder import SparseEncoder
from sparse3d.nn.voxel_features import VoxelFeatures
from sparse3d.ops.neighbours import Kernel
from sparse3d.ops.voxelize import voxelize
from sparse3d.scene.sparse_grid import SparseGrid
from sparse3d.scene.voxel_space import VoxelSpace

SHAPE = (9, 6, 5)


def random_tensor(channels: int, batch: int = 2, share: float = 0.3) -> SparseTensor:
    cells = (torch.rand(batch, *SHAPE) < share).nonzero()
    grid = SparseGrid.of_coordinates(cells, SHAPE, batch)
    return SparseTensor(grid, torch.randn(len(grid), channels))


@pytest.mark.parametrize("kernel", [Kernel(), Kernel(stride=(2, 2, 2))])
def test_a_block_equals_dense_convolution_norm_and_relu(kernel: Kernel) -> None:
    tensor = random_tensor(3)
    layer = ConvBlock(3, 4, kernel, momentum=0.1).train()
    got = layer(tensor)
    filters = layer.conv.weight.detach().reshape(3, 3, 3, 3, 4).permute(4, 3, 0, 1, 2)
    dense = nn.functional.conv3d(to_dense(tensor), filters, stride=kernel.stride, padding=1)
    batch, x, y, z = got.grid.coordinates().T
    rows = dense[batch, :, x, y, z]
    spread = rows.var(0, unbiased=False) + layer.norm.eps
    wanted = torch.relu((rows - rows.mean(0)) / spread.sqrt())
    assert torch.allclose(got.features, wanted, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("kernel", [Kernel(), Kernel(stride=(2, 2, 2))])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("relu", [True, False])
def test_a_norm_is_folded_where_no_gradient_is_wanted(
    kernel: Kernel, bias: bool, relu: bool, dtype: torch.dtype
) -> None:
    torch.manual_seed(4)
    norm = RowNorm(5, eps=1e-3)
    for each in (norm.weight, norm.bias, norm.running_mean, norm.running_var):
        assert each is not None
        nn.init.uniform_(each, 0.2, 2)
    conv = (SubMConv3d if kernel.submanifold else SparseConv3d)(3, 5, kernel, bias=bias)
    if conv.bias is not None:
        nn.init.normal_(conv.bias)
    tensor, conv, norm = random_tensor(3), conv.to(dtype).eval(), norm.to(dtype).eval()
    tensor = tensor.with_features(tensor.features.to(dtype))
    plain = norm(conv(tensor).features)  # a gradient is wanted
    wanted = (torch.relu(plain) if relu else plain).detach()
    assert torch.equal(conv(tensor, norm, relu=relu).features, wanted)
    assert not norm.foldable
    with torch.no_grad():
        assert norm.foldable
        got = conv(tensor, norm, relu=relu).features
        rounding = {torch.float32: 1e-5, torch.float64: 1e-13, torch.bfloat16: 2**-6}[dtype]
        assert got.dtype == dtype
        assert float((got - wanted).abs().max()) < rounding * float(wanted.abs().max())
        norm.train()
        assert not norm.foldable
        assert norm.running_mean is not None
        before = norm.running_mean.clone()
        conv(tensor, norm)
        assert not torch.equal(norm.running_mean, before)


def test_a_norm_without_statistics_or_weights_is_not_folded() -> None:
    tensor, conv = random_tensor(3), SubMConv3d(3, 4, Kernel())
    for norm in (RowNorm(4, affine=False), RowNorm(4, track_running_stats=False)):
        norm.eval()
        with torch.no_grad():
            assert not norm.foldable
            assert torch.equal(conv(tensor, norm).features, norm(conv(tensor).features))


@pytest.mark.parametrize("block", [ConvBlock(3, 4, Kernel(), 0.1), ResidualBlock(3, 4, 0.1)])
def test_blocks_are_the_same_with_and_without_gradients(block: nn.Module) -> None:
    tensor = random_tensor(3)
    for _ in range(3):
        block(tensor)  # statistics
    wanted = block.eval()(tensor).features
    with torch.no_grad():
        got = block(tensor).features
    torch.testing.assert_close(got, wanted.detach(), rtol=1e-5, atol=1e-5)


def test_a_birds_eye_view_lays_columns_side_by_side() -> None:
    cells = torch.tensor([[0, 8, 5, 4], [0, 8, 5, 0], [1, 2, 0, 3], [2, 0, 3, 1]])
    grid = SparseGrid.of_coordinates(cells, SHAPE, 4)  # the last element is empty
    features = torch.randn(4, 3, generator=torch.Generator().manual_seed(0)).requires_grad_()
    tensor = SparseTensor(grid, features)
    expected = to_dense(tensor).permute(0, 1, 4, 2, 3).flatten(1, 2)
    view = to_birds_eye(tensor)
    assert torch.equal(view, expected)
    cotangent = torch.randn(view.shape, generator=torch.Generator().manual_seed(1))
    wanted = torch.autograd.grad(expected, features, cotangent)
    assert torch.equal(torch.autograd.grad(view, features, cotangent)[0], wanted[0])


def test_to_dense_puts_features_at_their_cells() -> None:
    tensor = random_tensor(3)
    dense = to_dense(tensor)
    assert dense.shape == (2, 3, *SHAPE)
    batch, x, y, z = tensor.grid.coordinates().T
    assert torch.equal(dense[batch, :, x, y, z], tensor.features)
    assert dense.ne(0).any(1).sum() == len(tensor.grid)


def test_the_encoder_lays_columns_side_by_side() -> None:
    encoder = SparseEncoder(SHAPE, 2, (4, 6), (1, 1), 0.1)
    bev = encoder(random_tensor(2))
    assert (encoder.stride, encoder.outputs) == (2, 6 * 3)
    assert bev.shape == (2, 18, 5, 3)


def test_stages_of_the_encoder_must_match() -> None:
    with pytest.raises(ValueError, match="got 1, 2 and 1"):
        SparseEncoder(SHAPE, 2, (4, 6), (1,), 0.1)
    with pytest.raises(ValueError, match="got 2, 2 and 2"):
        SparseEncoder(SHAPE, 2, (4, 6), (1, 1), 0.1, halvings=(Kernel(stride=(2, 2, 2)),) * 2)


def test_an_empty_element_of_a_batch_stays_empty_and_changes_nothing() -> None:
    encoder = SparseEncoder(SHAPE, 2, (4, 6), (1, 1), 0.1).eval()
    alone = random_tensor(2, batch=1)
    with_empty = SparseTensor(SparseGrid(alone.grid.keys, SHAPE, 3), alone.features)
    bev = encoder(with_empty)
    assert torch.equal(bev[:1], encoder(alone))
    assert not bool(bev[1:].any())


def test_the_neck_gives_back_the_resolution_it_promises() -> None:
    neck = BevNeck(5, (4, 6), (2, 1), 3, upsample=2, momentum=0.1)
    assert neck(torch.randn(2, 5, 7, 4)).shape == (2, 6, 14, 8)
    assert neck.outputs == 6


def test_voxel_features_do_not_depend_on_the_order_of_points() -> None:
    space = VoxelSpace((0.0, 0.0, 0.0), (0.5, 0.5, 0.5), (6, 6, 6))
    layer = VoxelFeatures(space, 8, 0.1).eval()
    positions, intensities = 3 * torch.rand(200, 3), torch.rand(200)
    batch = torch.randint(0, 2, (200,))
    results = []
    for order in (torch.arange(200), torch.randperm(200)):
        p, i = positions[order], intensities[order]
        results.append(layer(p, i, voxelize(p, batch[order], space, 2)))
    assert torch.equal(results[0].grid.keys, results[1].grid.keys)
    assert torch.allclose(results[0].features, results[1].features, atol=1e-5)


def test_voxel_features_see_position_and_intensity() -> None:
    space = VoxelSpace((0.0, 0.0, 0.0), (1.0, 1.0, 1.0), (4, 4, 4))
    layer = VoxelFeatures(space, 8, 0.1).eval()
    positions = torch.tensor([[1.2, 2.7, 0.4]]).requires_grad_()
    intensities = torch.tensor([0.3]).requires_grad_()
    voxels = voxelize(positions.detach(), torch.zeros(1, dtype=torch.int64), space, 1)
    layer(positions, intensities, voxels).features.sum().backward()
    assert positions.grad is not None
    assert intensities.grad is not None
    assert bool((positions.grad != 0).all())
    assert bool((intensities.grad != 0).all())


def test_no_points_at_all_give_no_features() -> None:
    space = VoxelSpace((0.0, 0.0, 0.0), (1.0, 1.0, 1.0), (4, 4, 4))
    layer = VoxelFeatures(space, 8, 0.1).eval()
    nothing, none = torch.zeros(0, 3), torch.zeros(0)
    voxels = voxelize(nothing, torch.zeros(0, dtype=torch.int64), space, 1)
    assert layer(nothing, none, voxels).features.shape == (0, 8)


def test_a_single_row_is_normalised_by_the_running_statistics() -> None:
    norm = RowNorm(3).train()
    norm(torch.randn(50, 3) * 4 + 1)
    before = norm.running_mean
    assert before is not None
    before = before.clone()
    row = torch.randn(1, 3)
    got = norm(row)
    assert torch.equal(got, norm.eval()(row))
    assert norm.running_mean is not None
    assert torch.equal(norm.running_mean, before)
    assert norm.train()(torch.zeros(0, 3)).shape == (0, 3)
