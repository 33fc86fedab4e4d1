"""Masked images as sparse grids against masked dense convolutions."""

from types import ModuleType

import pytest
import torch
from torch.nn import functional

from sparse3d.nn.masked import fill_hidden, hidden_loss, random_patches, visible_pixels
from sparse3d.nn.sparse import SparseTensor, to_dense
from sparse3d.nn.sparse_conv import SparseConv3d, SubMConv3d
from sparse3d.ops.neighbours import Kernel
from sparse3d.scene.sparse_grid import SparseGrid

FLAT = Kernel((3, 3, 1))


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random_images(seed: int, height: int = 12, width: int = 8) -> torch.Tensor:
    shape = (2, 3, height, width)
    return torch.randn(shape, generator=generator(seed), dtype=torch.float64)


def test_patches_are_hidden_in_equal_number_and_at_random() -> None:
    visible = random_patches(200, (4, 5), 0.6, generator(1))
    assert visible.shape == (200, 4, 5)
    assert bool((visible.sum((1, 2)) == 8).all())
    assert bool((visible.double().mean(0) - 0.4).abs().max() < 0.15)
    assert torch.equal(visible, random_patches(200, (4, 5), 0.6, generator(1)))
    assert not torch.equal(visible, random_patches(200, (4, 5), 0.6, generator(2)))


def test_all_or_none_can_be_hidden() -> None:
    assert not bool(random_patches(2, (3, 3), 1.0, generator(0)).any())
    assert bool(random_patches(2, (3, 3), 0.0, generator(0)).all())
    with pytest.raises(ValueError, match="from 0 to 1"):
        random_patches(2, (3, 3), 1.5, generator(0))


def test_visible_pixels_keep_their_place_and_come_back() -> None:
    images, visible = random_images(2), random_patches(2, (3, 2), 0.5, generator(3))
    tensor = visible_pixels(images, visible)
    assert tensor.grid.shape == (8, 12, 1)
    mask = functional.interpolate(visible[:, None].double(), scale_factor=4)
    assert torch.equal(to_dense(tensor)[..., 0].transpose(2, 3), images * mask)
    token = torch.tensor([5.0, 6.0, 7.0], dtype=torch.float64)
    wanted = images * mask + token[:, None, None] * (1 - mask)
    assert torch.equal(fill_hidden(tensor, token), wanted)


def test_a_submanifold_network_equals_dense_convolutions_masked_after_each(
    dense: ModuleType,
) -> None:
    images = random_images(4).requires_grad_()
    visible = random_patches(2, (3, 2), 0.5, generator(5))
    layers = [SubMConv3d(3, 5, FLAT).double(), SubMConv3d(5, 2, FLAT).double()]
    token = torch.randn(2, dtype=torch.float64).requires_grad_()
    tensor = visible_pixels(images, visible)
    got = fill_hidden(layers[1](layers[0](tensor)), token)
    mask = functional.interpolate(visible[:, None].double(), scale_factor=4)
    wanted = images * mask
    for layer in layers:
        by_axis = layer.weight.reshape(3, 3, *layer.weight.shape[1:])  # column, row, in, out
        filters = by_axis.permute(3, 2, 1, 0)
        wanted = functional.conv2d(wanted, filters, layer.bias, padding=1) * mask
    wanted = wanted + token[:, None, None] * (1 - mask)
    inputs = [images, token, *layers[0].parameters(), *layers[1].parameters()]
    dense.assert_same(got, wanted, inputs)


def test_the_grid_may_be_a_coarser_one() -> None:
    images, visible = random_images(6), random_patches(2, (3, 2), 0.5, generator(7))
    half = Kernel((1, 1, 1), (2, 2, 1))
    coarse = SparseConv3d(3, 2, half, bias=False).double()(visible_pixels(images, visible))
    token = torch.zeros(2, dtype=torch.float64)
    filled = fill_hidden(coarse, token)
    mask = functional.interpolate(visible[:, None].double(), scale_factor=2)
    assert filled.shape == (2, 2, 6, 4)
    assert torch.equal(filled.ne(0).any(1, keepdim=True), mask.bool())


def test_only_hidden_patches_count_in_the_loss() -> None:
    images, visible = random_images(8), random_patches(2, (3, 2), 0.5, generator(9))
    predicted = random_images(10).requires_grad_()
    loss = hidden_loss(predicted, images, visible)
    errors = []
    for b, row, column in (~visible).nonzero().tolist():
        place = (b, slice(None), slice(4 * row, 4 * row + 4), slice(4 * column, 4 * column + 4))
        patch = images[place]
        spread = (patch.var((1, 2), unbiased=False, keepdim=True) + 1e-6).sqrt()
        normalised = (patch - patch.mean((1, 2), keepdim=True)) / spread
        errors.append(((predicted[place] - normalised) ** 2).mean())
    assert torch.allclose(loss, torch.stack(errors).mean(), atol=1e-12)
    loss.backward()
    mask = functional.interpolate(visible[:, None].double(), scale_factor=4)
    assert predicted.grad is not None
    assert torch.equal(predicted.grad.eq(0).all(1, keepdim=True), mask.bool())
    everything = torch.ones(2, 3, 2, dtype=torch.bool)
    assert hidden_loss(predicted, images, everything) == 0


@pytest.mark.parametrize("shape", [(2, 5, 2), (2, 3, 3), (1, 3, 2)])
def test_patches_that_do_not_fit_are_refused(shape: tuple[int, int, int]) -> None:
    visible = torch.ones(shape, dtype=torch.bool)
    with pytest.raises(ValueError, match="cannot divide images"):
        visible_pixels(random_images(0), visible)
    with pytest.raises(ValueError, match="cannot divide images"):
        hidden_loss(random_images(0), random_images(0), visible)


def test_grids_with_depth_are_no_images() -> None:
    grid = SparseGrid.of_coordinates(torch.tensor([[0, 1, 1, 1]]), (2, 2, 2), 1)
    with pytest.raises(ValueError, match="one cell along z"):
        fill_hidden(SparseTensor(grid, torch.ones(1, 3)), torch.zeros(3))
