"""Against AdamW of torch; the cycle of the learning rate."""

from itertools import pairwise

import pytest
import torch

from sparse3d.errors import ConfigError, UserError
from sparse3d.nn.config import RateConfig
from sparse3d.nn.optimizer import ClippedAdamW, one_cycle, one_cycle_group
from sparse3d.nn.training import load_weights


def trained(
    steps: int, gradients: list[torch.Tensor], clip: float, decay: float
) -> list[torch.Tensor]:
    matrix = torch.nn.Parameter(torch.ones(2, 3))
    vector = torch.nn.Parameter(torch.ones(3))
    optimizer = ClippedAdamW([matrix, vector], 0.01, decay, clip)
    for _ in range(steps):
        for parameter, gradient in zip((matrix, vector), gradients, strict=True):
            parameter.grad = gradient.clone()
        optimizer.step()
    return [matrix.detach(), vector.detach()]


def test_without_clipping_it_is_adamw_with_decay_of_matrices_only() -> None:
    gradients = [torch.randn(2, 3), torch.randn(3)]
    ours = trained(5, gradients, clip=1e9, decay=0.1)
    theirs = [torch.nn.Parameter(torch.ones(2, 3)), torch.nn.Parameter(torch.ones(3))]
    groups = [{"params": theirs[:1]}, {"params": theirs[1:], "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=0.01, betas=(0.9, 0.99), eps=1e-8, weight_decay=0.1)
    for _ in range(5):
        for parameter, gradient in zip(theirs, gradients, strict=True):
            parameter.grad = gradient.clone()
        optimizer.step()
    for a, b in zip(ours, theirs, strict=True):
        assert torch.allclose(a, b.detach(), atol=1e-6)


def test_long_gradients_are_shortened_together() -> None:
    parameters = [torch.nn.Parameter(torch.zeros(2, 2)), torch.nn.Parameter(torch.zeros(2))]
    optimizer = ClippedAdamW(parameters, 0.0, 0.0, 2.0)
    parameters[0].grad, parameters[1].grad = torch.full((2, 2), 3.0), torch.tensor([0.0, 8.0])
    optimizer.step()  # of length 10
    assert torch.allclose(parameters[0].grad, torch.full((2, 2), 0.6))
    assert torch.allclose(parameters[1].grad, torch.tensor([0.0, 1.6]))


def test_short_and_missing_gradients_are_left_alone() -> None:
    used, unused = torch.nn.Parameter(torch.zeros(2)), torch.nn.Parameter(torch.ones(2, 2))
    optimizer = ClippedAdamW([used, unused], 0.1, 0.5, 100.0)
    used.grad = torch.tensor([3.0, -4.0])
    optimizer.step()
    assert used.grad.tolist() == [3.0, -4.0]
    assert torch.equal(unused.detach(), torch.ones(2, 2))


def test_gradients_that_are_not_finite_stop_the_training_and_change_nothing() -> None:
    parameter = torch.nn.Parameter(torch.ones(2, 2))
    optimizer = ClippedAdamW([parameter], 0.1, 0.1, 1.0)
    parameter.grad = torch.tensor([[1.0, torch.nan], [0.0, 0.0]])
    with pytest.raises(UserError, match="not finite"):
        optimizer.step()
    assert torch.equal(parameter.detach(), torch.ones(2, 2))


def test_closures_are_refused() -> None:
    optimizer = ClippedAdamW([torch.nn.Parameter(torch.zeros(1))], 0.1, 0.0, 1.0)
    with pytest.raises(ValueError, match="without closure"):
        optimizer.step(lambda: 0.0)


def test_the_rate_goes_up_once_and_down_once() -> None:
    rates = [one_cycle(i / 100, 2.0, 0.3, 10.0, 1000.0) for i in range(101)]
    assert rates[0] == pytest.approx(0.2)
    assert rates[30] == pytest.approx(2.0)
    assert rates[-1] == pytest.approx(0.002)
    assert all(a < b for a, b in pairwise(rates[:31]))
    assert all(a > b for a, b in pairwise(rates[30:]))


@pytest.mark.parametrize("warmup", [0.0, 1.0])
def test_either_half_of_the_cycle_may_be_missing(warmup: float) -> None:
    rates = [one_cycle(i / 10, 1.0, warmup, 10.0, 100.0) for i in range(11)]
    assert max(rates) == pytest.approx(1.0)


def test_a_network_in_one_group_follows_the_cycle() -> None:
    network, rates = torch.nn.Linear(2, 3), RateConfig(peak=2.0, warmup=0.5, start_divisor=4.0)
    group = one_cycle_group(network, rates, iterations=11)
    assert [id(one) for one in group.parameters] == [id(one) for one in network.parameters()]
    assert [group.learning_rate(step) for step in (0, 5)] == pytest.approx([0.5, 2.0])
    assert group.learning_rate(10) == group.learning_rate(99) == pytest.approx(2.0 / 1e3)
    assert isinstance(group.make_optimizer(group.parameters, 0.5), ClippedAdamW)
    assert one_cycle_group(network, rates, iterations=1).learning_rate(0) == pytest.approx(0.5)


def test_weights_of_another_network_are_refused_and_change_nothing() -> None:
    network = torch.nn.Linear(2, 3)
    before = network.weight.detach().clone()
    with pytest.raises(ConfigError, match=r"weight is \(4, 2\), expected \(3, 2\)"):
        load_weights(network, {"bias": torch.ones(3), "weight": torch.ones(4, 2)})
    with pytest.raises(ConfigError, match=r"bias is None, expected \(3,\)"):
        load_weights(network, {"weight": torch.ones(3, 2)})
    assert torch.equal(network.weight.detach(), before)
    load_weights(network, {"bias": torch.ones(3), "weight": torch.ones(3, 2)})
    assert bool((network.weight == 1).all())
