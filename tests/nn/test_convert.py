"""Converted weights in the libraries they come from."""

from types import ModuleType

import torch

from sparse3d.nn.convert import (
    from_ocnn_deconvolution,
    from_spconv,
    from_spconv1,
    to_ocnn_deconvolution,
    to_spconv,
    to_spconv1,
)
from sparse3d.nn.sparse import SparseTensor
from sparse3d.nn.sparse_conv import SparseConv3d, SparseInverseConv3d, SubMConv3d
from sparse3d.ops.neighbours import Kernel

SHAPE = (7, 4, 6)
WIDE = Kernel((3, 1, 5))
UNEVEN = Kernel((3, 1, 5), (2, 1, 3))


def test_ways_there_and_back() -> None:
    weight = torch.randn(15, 4, 2)
    size = WIDE.size
    assert to_spconv(weight, size).shape == (2, 5, 1, 3, 4)
    assert to_spconv1(weight, size).shape == (5, 1, 3, 4, 2)
    assert torch.equal(from_spconv(to_spconv(weight, size)), weight)
    assert torch.equal(from_spconv1(to_spconv1(weight, size)), weight)
    for stride in (1, 2):
        there = to_ocnn_deconvolution(weight, stride)
        assert there.shape == (15, 2, 4)
        assert torch.equal(from_ocnn_deconvolution(there, stride), weight)


def test_the_place_of_an_offset_in_each_layout() -> None:
    weight = torch.randn(27, 4, 2)
    number = Kernel().offsets().tolist().index([-1, 0, 1])
    assert torch.equal(to_spconv(weight, (3, 3, 3))[:, 2, 1, 0].T, weight[number])
    assert torch.equal(to_spconv1(weight, (3, 3, 3))[2, 1, 0], weight[number])
    opposite = Kernel().offsets().tolist().index([1, 0, -1])
    assert torch.equal(to_ocnn_deconvolution(weight, 1)[opposite].T, weight[number])


def test_a_network_of_spconv_computes_the_same(spconv: ModuleType, dense: ModuleType) -> None:
    grid = dense.random_grid(1, SHAPE)
    tensor = SparseTensor(grid, torch.randn(len(grid), 4))
    ours = [SubMConv3d(4, 5, WIDE), SparseConv3d(5, 6, UNEVEN), SparseInverseConv3d(6, 3, UNEVEN)]
    theirs = [
        spconv.SubMConv3d(4, 5, WIDE.size[::-1]),
        spconv.SparseConv3d(5, 6, (5, 1, 3), (3, 1, 2), padding=(2, 0, 1), indice_key="down"),
        spconv.SparseInverseConv3d(6, 3, (5, 1, 3), indice_key="down"),
    ]
    for layer, peer in zip(ours, theirs, strict=True):
        torch.nn.init.normal_(peer.bias)
        layer.load_state_dict({"weight": from_spconv(peer.weight), "bias": peer.bias})
        assert torch.equal(to_spconv(layer.weight, layer.kernel.size), peer.weight)
    cells = grid.coordinates()[:, [0, 3, 2, 1]].int().contiguous()
    wanted = spconv.SparseConvTensor(tensor.features, cells, list(SHAPE[::-1]), 2)
    for layer, peer in zip(ours, theirs, strict=True):
        tensor = layer(tensor)
        with torch.no_grad():
            wanted = peer(wanted)
        rows = SparseTensor(tensor.grid, tensor.features)
        assert list(tensor.grid.shape[::-1]) == wanted.spatial_shape
        assert torch.allclose(rows.features, dense.in_our_order(wanted), atol=1e-5)
