"""Spikes, their surrogate gradients, and the two forms of a spiking network."""

from types import ModuleType

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sparse3d.nn.sparse import SparseTensor
from sparse3d.nn.sparse_conv import SubMConv3d
from sparse3d.nn.spiking import (
    IntegrateAndFire,
    SpikeVoxelCoding,
    SpikingConv3d,
    SpikingResidualBlock,
)
from sparse3d.ops.neighbours import Kernel

SHAPE = (6, 5, 4)
EDGES = [-7.0, -0.6, 0.0, 0.4999, 0.5, 0.9, 1.4999, 1.5, 3.49, 3.51, 4.2, 40.0]


def test_a_neuron_fires_for_every_unit_of_its_potential_rounded_up_to_the_most() -> None:
    counts = IntegrateAndFire(4)(torch.tensor([EDGES]))
    assert counts.tolist() == [[0, 0, 0, 0, 1, 1, 1, 2, 3, 4, 4, 4]]
    assert IntegrateAndFire(1)(torch.tensor([EDGES])).tolist() == [[0.0] * 4 + [1.0] * 8]


@given(
    potential=st.one_of(st.floats(-1, 6, width=32), st.floats(width=32, allow_nan=False)),
    steps=st.integers(1, 6),
)
def test_binary_spikes_add_up_to_the_integer(potential: float, steps: int) -> None:
    neuron = IntegrateAndFire(steps)
    potentials = torch.tensor([[potential]])
    spikes = neuron.spikes(potentials)
    assert spikes.shape == (steps, 1, 1)
    assert bool(((spikes == 0) | (spikes == 1)).all())
    assert bool((spikes.diff(dim=0) <= 0).all())
    assert torch.equal(spikes.sum(0), neuron(potentials))


def test_the_rectangular_gradient_is_one_between_no_and_most_spikes() -> None:
    potentials = torch.tensor([[-0.1, 0.0, 0.1, 2.5, 3.9, 4.0, 5.0]]).requires_grad_()
    cotangent = torch.tensor([[2.0, 3.0, 5.0, 7.0, 11.0, 13.0, 17.0]])
    IntegrateAndFire(4)(potentials).backward(cotangent)
    assert potentials.grad is not None
    assert potentials.grad.tolist() == [[0, 0, 5, 7, 11, 0, 0]]


def test_the_sigmoid_gradient_is_that_of_soft_thresholds() -> None:
    potentials = torch.linspace(-2, 6, 41, dtype=torch.float64)[None].requires_grad_()
    cotangent = torch.randn(1, 41, dtype=torch.float64)
    IntegrateAndFire(3, "sigmoid")(potentials).backward(cotangent)
    soft = sum(torch.sigmoid(4 * (potentials - at)) for at in (0.5, 1.5, 2.5))
    assert isinstance(soft, torch.Tensor)
    (wanted,) = torch.autograd.grad(soft, potentials, cotangent)
    assert potentials.grad is not None
    assert torch.allclose(potentials.grad, wanted, atol=1e-12)


def test_neurons_without_steps_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one step"):
        IntegrateAndFire(0)


@pytest.mark.parametrize("kernel", [Kernel(), Kernel(stride=(2, 2, 2))])
def test_a_layer_convolves_integers_like_the_dense_one(kernel: Kernel, dense: ModuleType) -> None:
    layer = SpikingConv3d(3, 4, kernel, 0.1).double()
    grid = dense.random_grid(1, SHAPE)
    tensor = SparseTensor(grid, 3 * dense.random_rows(2, len(grid), 3))
    got = layer(tensor)
    counts = tensor.features.add(0.5).floor().clamp(0, 4)
    assert len(counts.unique()) == 5
    fired = dense.Dense.of(tensor.with_features(counts))
    wanted = dense.normalise(dense.convolve(fired, layer.conv.weight, kernel), layer.norm)
    assert torch.allclose(got.features, wanted.rows(got.grid), atol=1e-9)


@pytest.mark.parametrize("kernel", [Kernel(), Kernel(stride=(2, 2, 2))])
def test_a_trained_layer_gives_the_same_step_by_step(kernel: Kernel, dense: ModuleType) -> None:
    layer = SpikingConv3d(3, 4, kernel, 0.5, IntegrateAndFire(5), binary=True).double()
    grid = dense.random_grid(3, SHAPE)
    tensor = SparseTensor(grid, 3 * dense.random_rows(4, len(grid), 3))
    layer(tensor)  # takes statistics
    layer.eval()
    binary = layer(tensor)
    layer.binary = False
    integer = layer(tensor)
    assert torch.equal(binary.grid.keys, integer.grid.keys)
    assert torch.allclose(binary.features, integer.features, atol=1e-12)
    assert list(binary.rulebooks) == list(integer.rulebooks)


def test_step_by_step_only_zeros_and_ones_are_convolved(
    dense: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[torch.Tensor] = []
    whole = SubMConv3d.forward

    def watched(self: SubMConv3d, tensor: SparseTensor) -> SparseTensor:
        seen.append(tensor.features)
        return whole(self, tensor)

    monkeypatch.setattr(SubMConv3d, "forward", watched)
    grid = dense.random_grid(5, SHAPE)
    tensor = SparseTensor(grid, 3 * torch.randn(len(grid), 3))
    SpikingResidualBlock(3, 0.1, IntegrateAndFire(3), binary=True).eval()(tensor)
    assert len(seen) == 6
    assert all(bool(((spikes == 0) | (spikes == 1)).all()) for spikes in seen)


def test_a_spiking_network_learns(dense: ModuleType) -> None:
    torch.manual_seed(6)
    grid = dense.random_grid(6, (12, 12, 4), 0.2)
    labels = (grid.coordinates()[:, 2] < 6).long()
    edge = grid.coordinates()[:, 2].remainder(6).float()[:, None] / 3 - 1
    network = torch.nn.Sequential(
        SpikeVoxelCoding(2, 16, 0.1),
        SpikingResidualBlock(16, 0.1),
        SpikingConv3d(16, 2, Kernel(), 0.1),
    )
    optimizer = torch.optim.Adam(network.parameters(), 0.02)
    features = torch.cat([edge, (labels[:, None] - 0.5) + torch.randn(len(grid), 1)], 1)
    losses = []
    for _ in range(60):
        logits = network(SparseTensor(grid, features)).features
        loss = torch.nn.functional.cross_entropy(logits, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]
    assert all(p.grad is not None and bool(p.grad.any()) for p in network.parameters())


@pytest.mark.parametrize("binary", [True, False])
def test_no_cells_at_all_are_fine(binary: bool, dense: ModuleType) -> None:
    grid = dense.random_grid(7, SHAPE, 0.0)
    layer = SpikingConv3d(2, 3, Kernel(), 0.1, binary=binary).eval()
    assert layer(SparseTensor(grid, torch.zeros(0, 2))).features.shape == (0, 3)
