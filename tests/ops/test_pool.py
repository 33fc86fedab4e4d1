"""Sparse pooling against loops and the dense pooling, forward and backward."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from sparse3d.ops.backend import FastBackend, has_native
from sparse3d.ops.neighbours import Kernel, Rulebook, neighbours
from sparse3d.ops.pool import _reference as reference
from sparse3d.ops.pool import average_pool, average_unpool, max_pool, max_unpool
from sparse3d.scene.sparse_grid import SparseGrid

SHAPE = (5, 3, 4)
each_backend = pytest.mark.parametrize(
    "backend",
    [
        "torch",
        pytest.param("native", marks=pytest.mark.skipif(not has_native(), reason="no C++ kernels")),
    ],
)
KERNELS = (Kernel(), Kernel(stride=(2, 2, 2)), Kernel((3, 1, 3), (2, 1, 3)), Kernel((1, 1, 1)))


def random_rules(seed: int, kernel: Kernel) -> tuple[SparseGrid, SparseGrid, Rulebook]:
    rng = torch.Generator().manual_seed(seed)
    cells = (torch.rand(2, *SHAPE, generator=rng) < 0.2).nonzero()
    grid = SparseGrid.of_coordinates(cells, SHAPE, 2)
    output, rules = neighbours(grid, kernel)
    return grid, output, rules


def pairs_of(rules: Rulebook) -> list[tuple[int, int]]:
    return list(zip(rules.sources.tolist(), rules.targets.tolist(), strict=True))


def leaf(rows: int, channels: int, seed: int, ties: bool = False) -> Tensor:
    rng = torch.Generator().manual_seed(seed)
    values = torch.randn(rows, channels, generator=rng, dtype=torch.float64)
    return (values.round() if ties else values).requires_grad_()


def assert_same_passes(got: Tensor, wanted: Tensor, features: Tensor) -> None:
    """Equal values, and equal gradients for a random cotangent."""
    torch.testing.assert_close(got, wanted)
    cotangent = leaf(len(got), got.shape[1], 77).detach()
    ours, theirs = (
        torch.autograd.grad(each, features, cotangent, retain_graph=True)[0]
        for each in (got, wanted)
    )
    torch.testing.assert_close(ours, theirs)


@given(seed=st.integers(0, 1000), kernel=st.sampled_from(KERNELS), ties=st.booleans())
def test_maxima_equal_the_reference(seed: int, kernel: Kernel, ties: bool) -> None:
    _, _, rules = random_rules(seed, kernel)
    features = leaf(rules.inputs, 3, seed, ties)
    got = max_pool(features, rules)
    wanted, winners = reference.max_pool(features, pairs_of(rules), rules.outputs)
    assert got.winners.tolist() == winners
    assert_same_passes(got.features, wanted, features)


@given(seed=st.integers(0, 1000), kernel=st.sampled_from(KERNELS))
def test_averages_equal_the_reference(seed: int, kernel: Kernel) -> None:
    _, _, rules = random_rules(seed, kernel)
    features = leaf(rules.inputs, 3, seed)
    wanted = reference.average(features, pairs_of(rules), rules.outputs)
    assert_same_passes(average_pool(features, rules), wanted, features)


@given(seed=st.integers(0, 1000), kernel=st.sampled_from(KERNELS))
def test_unpooling_equals_the_reference(seed: int, kernel: Kernel) -> None:
    _, _, rules = random_rules(seed, kernel)
    features = leaf(rules.outputs, 3, seed)
    winners = max_pool(leaf(rules.inputs, 3, seed + 1), rules).winners
    wanted = reference.max_unpool(features, winners.tolist(), rules.inputs)
    assert_same_passes(max_unpool(features, winners, rules.inputs), wanted, features)
    back = [(target, source) for source, target in pairs_of(rules)]
    wanted = reference.average(features, back, rules.inputs)
    assert_same_passes(average_unpool(features, rules), wanted, features)


@pytest.mark.parametrize("kernel", KERNELS[:3])
def test_pooling_a_full_grid_is_dense_pooling(kernel: Kernel) -> None:
    cells = torch.ones(1, *SHAPE).nonzero()
    grid = SparseGrid.of_coordinates(cells, SHAPE, 1)
    output, rules = neighbours(grid, kernel)
    features = leaf(len(grid), 2, 5)
    x, y, z = grid.coordinates()[:, 1:].unbind(1)
    dense = features.new_zeros(2, *SHAPE).index_put((torch.arange(2)[:, None], x, y, z), features.T)
    padding = tuple(k // 2 for k in kernel.size)
    pool = torch.nn.functional
    largest = pool.max_pool3d(dense, kernel.size, kernel.stride, padding)
    mean = pool.avg_pool3d(dense, kernel.size, kernel.stride, padding, count_include_pad=False)
    x, y, z = output.coordinates()[:, 1:].unbind(1)
    assert_same_passes(max_pool(features, rules).features, largest[:, x, y, z].T, features)
    assert_same_passes(average_pool(features, rules), mean[:, x, y, z].T, features)


@each_backend
def test_unpooling_copies_where_windows_do_not_overlap(backend: FastBackend) -> None:
    grid, output, rules = random_rules(3, Kernel((1, 1, 1)))
    features = leaf(len(output), 2, 1).detach().float()
    assert len(grid) == len(output)
    assert torch.equal(average_unpool(features, rules, backend=backend), features)
    pooled = max_pool(features, rules, backend=backend)
    assert torch.equal(max_unpool(*pooled, len(grid), backend=backend), features)


@each_backend
def test_outputs_without_inputs_are_zero(backend: FastBackend) -> None:
    rules = Rulebook(torch.tensor([1, 0]).int(), torch.tensor([2, 0]).int(), (1, 1), 2, 4)
    features = torch.tensor([[-1.0], [-2.0]], requires_grad=True)
    pooled = max_pool(features, rules, backend=backend)
    assert pooled.features.tolist() == [[-1.0], [0.0], [-2.0], [0.0]]
    assert pooled.winners.tolist() == [[0], [-1], [1], [-1]]
    mean = average_pool(features, rules, backend=backend)
    assert mean.tolist() == [[-1.0], [0.0], [-2.0], [0.0]]
    back = max_unpool(pooled.features, pooled.winners, 2, backend=backend)
    assert back.tolist() == [[-1.0], [-2.0]]


@each_backend
def test_nothing_in_nothing_out(backend: FastBackend) -> None:
    _, rules = neighbours(SparseGrid.of_coordinates(torch.zeros(0, 4).long(), SHAPE, 1), Kernel())
    none = torch.zeros(0, 3, requires_grad=True)
    pooled = max_pool(none, rules, backend=backend)
    assert max_unpool(*pooled, 2, backend=backend).tolist() == [[0.0] * 3] * 2
    means = (average_pool, average_unpool)
    for got in (pooled.features, *(mean(none, rules, backend=backend) for mean in means)):
        assert got.shape == (0, 3)
        assert torch.autograd.grad(got.sum(), none)[0].shape == (0, 3)


@each_backend
def test_what_is_not_a_number_wins(backend: FastBackend) -> None:
    rules = Rulebook(torch.tensor([0, 1, 2]).int(), torch.zeros(3).int(), (1, 1, 1), 3, 1)
    for place in range(3):
        features = torch.zeros(3, 1)
        features[place] = torch.nan
        pooled = max_pool(features, rules, backend=backend)
        assert pooled.winners.item() == place
        assert pooled.features.isnan().all()


@each_backend
@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf, 0.0])
def test_the_first_of_equal_ones_wins(value: float, backend: FastBackend) -> None:
    rules = Rulebook(torch.tensor([2, 0, 1]).int(), torch.zeros(3).int(), (1, 1, 1), 3, 1)
    features = torch.full((3, 5), value)
    pooled = max_pool(features, rules, backend=backend)
    assert pooled.winners.tolist() == [[2] * 5]
    torch.testing.assert_close(pooled.features, features[:1], equal_nan=True)
    signs = torch.tensor([[0.0], [-0.0], [-0.0]])
    assert max_pool(signs, rules, backend=backend).features.signbit().item()


def test_mistakes_are_named() -> None:
    _, _, rules = random_rules(0, Kernel(stride=(2, 2, 2)))
    wrong = torch.zeros(rules.inputs + 1, 2)
    for call in (max_pool, average_pool):
        with pytest.raises(ValueError, match=f"is for {rules.inputs} inputs, got"):
            call(wrong, rules)
    with pytest.raises(ValueError, match=f"is for {rules.outputs} outputs, got"):
        average_unpool(wrong, rules)
    with pytest.raises(ValueError, match=r"winners must lie in \[-1, 3\), got 3 to 3"):
        max_unpool(torch.zeros(1, 1), torch.tensor([[3]]), 3)


@pytest.mark.usefixtures("no_type_checks")
def test_winners_must_be_as_many_as_features() -> None:
    with pytest.raises(ValueError, match=r"each feature \(1, 1\) expected, got \(1, 2\)"):
        max_unpool(torch.zeros(1, 1), torch.tensor([[0, 0]]), 3)
