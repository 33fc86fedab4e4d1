"""Octree convolutions against ocnn's, and against the keys."""

import importlib
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor

from sparse3d.nn.convert import from_ocnn_deconvolution
from sparse3d.nn.octree import OctreeConv, OctreeDeconv, as_octree
from sparse3d.nn.sparse import SparseTensor
from sparse3d.scene.sparse_grid import SparseGrid

DEPTH = 5


@pytest.fixture(scope="module")
def ocnn() -> ModuleType:
    """The peer; skips where it is missing."""
    try:
        return importlib.import_module("ocnn")
    except ImportError as error:
        pytest.skip(f"{error}; pip install ocnn")


@pytest.fixture(scope="module")
def their_octree(ocnn: ModuleType) -> Any:
    """Two clouds on the same noisy shell."""
    clouds = []
    for number in range(2):
        rng = torch.Generator().manual_seed(number)
        points = torch.nn.functional.normalize(torch.randn(400, 3, generator=rng))
        clouds.append(ocnn.octree.Points(points * torch.tensor([0.9, 0.5, 0.7])))
    octrees = []
    for cloud in clouds:
        octree = ocnn.octree.Octree(DEPTH, full_depth=1)
        octree.build_octree(cloud)
        octrees.append(octree)
    merged = ocnn.octree.merge_octrees(octrees)
    merged.construct_all_neigh()
    return merged


def level(octree: Any, depth: int) -> SparseGrid:
    """Nodes that are not empty."""
    x, y, z, batch = octree.xyzb(depth, nempty=True)
    cells = torch.stack([batch, x, y, z], 1)
    edge = 1 << depth
    return SparseGrid.of_coordinates(cells, (edge, edge, edge), octree.batch_size)


def leaves(octree: Any, channels: int) -> SparseTensor:
    grid = level(octree, DEPTH)
    rng = torch.Generator().manual_seed(3)
    features = torch.randn(len(grid), channels, generator=rng, dtype=torch.float64)
    return SparseTensor(grid, features.requires_grad_())


def same(ours: list[Tensor], theirs: list[Tensor]) -> None:
    for a, b in zip(ours, theirs, strict=True):
        assert torch.allclose(a, b, atol=1e-10)
        assert bool(a.any())


def test_nodes_come_in_the_same_order(their_octree: Any) -> None:
    for depth in (DEPTH, DEPTH - 1, DEPTH - 2):
        keys = their_octree.key(depth, nempty=True)
        assert torch.equal(level(their_octree, depth).keys, keys)


@pytest.mark.parametrize("size", [(3, 3, 3), (3, 1, 1), (1, 3, 3)])
def test_a_convolution_equals_theirs_forward_and_backward(
    size: tuple[int, int, int], their_octree: Any, ocnn: ModuleType
) -> None:
    peer = ocnn.nn.OctreeConv(3, 4, list(size), nempty=True, use_bias=True).double()
    torch.nn.init.normal_(peer.bias)
    ours = OctreeConv(3, 4, size, bias=True).double()
    ours.conv.load_state_dict({"weight": peer.weights, "bias": peer.bias})
    tensor = leaves(their_octree, 3)
    got, wanted = ours(tensor).features, peer(tensor.features, their_octree, DEPTH)
    cotangent = torch.randn_like(wanted)
    grads = [
        torch.autograd.grad(y, [tensor.features, *parameters], cotangent)
        for y, parameters in ((got, ours.parameters()), (wanted, peer.parameters()))
    ]
    same([got, *grads[0]], [wanted, *grads[1]])


def test_there_and_back_equals_theirs_forward_and_backward(
    their_octree: Any, ocnn: ModuleType
) -> None:
    up = ocnn.nn.OctreeConv(3, 4, [2], 2, nempty=True).double()
    down = ocnn.nn.OctreeDeconv(4, 5, [2], 2, nempty=True).double()
    ours = [OctreeConv(3, 4, stride=2).double(), OctreeDeconv(4, 5, stride=2).double()]
    ours[0].conv.load_state_dict({"weight": up.weights})
    ours[1].conv.load_state_dict({"weight": from_ocnn_deconvolution(down.weights, 2)})
    tensor = leaves(their_octree, 3)
    above = ours[0](tensor)
    got = ours[1](above)
    assert torch.equal(above.grid.keys, level(their_octree, DEPTH - 1).keys)
    assert got.grid is tensor.grid
    their_above = up(tensor.features, their_octree, DEPTH)
    wanted = down(their_above, their_octree, DEPTH - 1)
    cotangent = torch.randn_like(wanted)
    mine = torch.autograd.grad(
        got.features, [tensor.features, ours[0].conv.weight, ours[1].conv.weight], cotangent
    )
    peers = list(
        torch.autograd.grad(wanted, [tensor.features, up.weights, down.weights], cotangent)
    )
    peers[2] = from_ocnn_deconvolution(peers[2], 2)
    same([above.features, got.features, *mine], [their_above, wanted, *peers])


def test_a_deconvolution_on_a_level_equals_theirs(their_octree: Any, ocnn: ModuleType) -> None:
    peer = ocnn.nn.OctreeDeconv(3, 4, [3], nempty=True).double()
    ours = OctreeDeconv(3, 4).double()
    ours.conv.load_state_dict({"weight": from_ocnn_deconvolution(peer.weights, 1)})
    tensor = leaves(their_octree, 3)
    got, wanted = ours(tensor).features, peer(tensor.features, their_octree, DEPTH)
    cotangent = torch.randn_like(wanted)
    mine = torch.autograd.grad(got, [tensor.features, ours.conv.weight], cotangent)
    peers = list(torch.autograd.grad(wanted, [tensor.features, peer.weights], cotangent))
    peers[1] = from_ocnn_deconvolution(peers[1], 1)
    same([got, *mine], [wanted, *peers])


def test_parents_are_shifts_of_keys_and_add_up_their_children(dense: ModuleType) -> None:
    grid = dense.random_grid(1, (11, 6, 4))
    tensor = as_octree(SparseTensor(grid, dense.random_rows(2, len(grid), 2)))
    assert tensor.grid.shape == (16, 16, 16)
    assert tensor.grid.keys is grid.keys
    layer = OctreeConv(2, 3, stride=2).double()
    above = layer(tensor)
    batch, cells = grid.keys >> 48, grid.keys & ((1 << 48) - 1)
    parents = (batch << 48) | (cells >> 3)
    assert torch.equal(above.grid.keys, parents.unique())
    terms = torch.einsum("ni,nio->no", tensor.features, layer.conv.weight[cells & 7])
    for key, row in zip(above.grid.keys.tolist(), above.features, strict=True):
        assert torch.allclose(row, terms[parents == key].sum(0))


def test_grids_that_are_no_levels_are_refused(dense: ModuleType) -> None:
    grid = dense.random_grid(3, (7, 8, 8))
    tensor = SparseTensor(grid, torch.zeros(len(grid), 2))
    with pytest.raises(ValueError, match="level of an octree"):
        OctreeConv(2, 2, stride=2)(tensor)
    with pytest.raises(ValueError, match="to invert, from none"):
        OctreeDeconv(2, 2, stride=2)(as_octree(tensor))
    root = SparseTensor(
        SparseGrid(torch.zeros(1, dtype=torch.int64), (1, 1, 1), 1), torch.ones(1, 2)
    )
    with pytest.raises(ValueError, match="level of an octree"):
        OctreeConv(2, 2, stride=2)(root)


@pytest.mark.parametrize("layer", [OctreeConv, OctreeDeconv])
def test_other_strides_are_refused(layer: Any) -> None:
    with pytest.raises(ValueError, match="1 or 2"):
        layer(2, 2, stride=3)
