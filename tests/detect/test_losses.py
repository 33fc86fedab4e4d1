"""Losses against their formulas, cell by cell."""

import math

import torch

from sparse3d.detect.losses import box_loss, direction_loss, heatmap_loss


def focal(logits: torch.Tensor, target: torch.Tensor, known: torch.Tensor) -> float:
    """Equation 1 of the paper, cell by cell."""
    total, centers = 0.0, 0
    for (b, c, u, v), y in zip(
        torch.cartesian_prod(*map(torch.arange, target.shape)).tolist(),
        target.flatten().tolist(),
        strict=True,
    ):
        p = 1 / (1 + math.exp(-logits[b, c, u, v].item()))
        centers += y == 1
        if known[b, u, v]:
            total += (1 - p) ** 2 * math.log(p) if y == 1 else (1 - y) ** 4 * p**2 * math.log(1 - p)
    return -total / max(centers, 1)


def test_the_heatmap_loss_is_that_of_the_paper() -> None:
    logits = torch.randn(2, 2, 3, 4, dtype=torch.float64)
    target = torch.rand(2, 2, 3, 4, dtype=torch.float64)
    target[0, 1, 2, 3] = target[1, 0, 0, 0] = 1
    known = torch.rand(2, 3, 4) > 0.3
    got = heatmap_loss(logits, target, known).item()
    assert math.isclose(got, focal(logits, target, known), rel_tol=1e-9)


def test_without_objects_the_losses_are_finite_and_have_gradients() -> None:
    logits = torch.randn(1, 3, 4, 4, requires_grad=True)
    maps = torch.randn(1, 8, 4, 4, requires_grad=True)
    heat = heatmap_loss(logits, torch.zeros(1, 3, 4, 4), torch.ones(1, 4, 4, dtype=torch.bool))
    boxes = box_loss(maps, torch.zeros(0, 3, dtype=torch.int64), torch.zeros(0, 8), torch.zeros(0))
    assert boxes.item() == 0
    (heat + boxes).backward()
    assert logits.grad is not None
    assert bool(logits.grad.isfinite().all())
    assert bool((logits.grad > 0).all())  # everywhere: less heat


def test_extreme_logits_stay_finite() -> None:
    logits = torch.tensor([1e4, -1e4]).reshape(1, 1, 1, 2).requires_grad_()
    target = torch.tensor([0.0, 1.0]).reshape(1, 1, 1, 2)
    loss = heatmap_loss(logits, target, torch.ones(1, 1, 2, dtype=torch.bool))
    loss.backward()
    assert logits.grad is not None
    assert bool(loss.isfinite())
    assert bool(logits.grad.isfinite().all())


def test_the_box_loss_is_a_weighted_mean_over_cells() -> None:
    maps = torch.arange(2 * 8 * 3 * 2, dtype=torch.float32).reshape(2, 8, 3, 2)
    cells = torch.tensor([[0, 2, 1], [1, 0, 0]])
    target = torch.stack([maps[0, :, 2, 1] + 0.5, maps[1, :, 0, 0] - 2])
    weights = torch.tensor([1.0, 0.25])
    wanted = (1.0 * 8 * 0.5 + 0.25 * 8 * 2) / 1.25
    assert math.isclose(box_loss(maps, cells, target, weights).item(), wanted, rel_tol=1e-6)


def test_the_direction_loss_is_the_weighted_cross_entropy() -> None:
    logits = torch.tensor([[[1.5, -2.0], [0.5, 9.0]]])
    cells = torch.tensor([[0, 0, 0], [0, 0, 1], [0, 1, 0]])
    forward, weights = torch.tensor([True, True, False]), torch.tensor([1.0, 0.5, 0.25])
    wanted = math.log1p(math.exp(-1.5)) + 0.5 * math.log1p(math.exp(2.0))
    wanted += 0.25 * math.log1p(math.exp(0.5))
    got = direction_loss(logits, cells, forward, weights).item()
    assert math.isclose(got, wanted / 1.75, rel_tol=1e-6)
    assert direction_loss(logits, cells[:0], forward[:0], weights[:0]).item() == 0
