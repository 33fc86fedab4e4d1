"""Losses against loops, finite differences and definitions."""

import math

import pytest
import torch

from sparse3d.segment.losses import balance_weights, lovasz_softmax, point_cross_entropy


def drawn(points: int = 40, classes: int = 5, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(points, classes, generator=generator, dtype=torch.float64) * 2
    return logits, torch.randint(classes - 1, (points,), generator=generator)  # one never occurs


def test_cross_entropy_against_a_loop() -> None:
    logits, classes = drawn()
    weights = torch.tensor([0.5, 2.0, 1.0, 0.25, 7.0], dtype=torch.float64)
    expected = 0.0
    for row, kind in zip(logits.tolist(), classes.tolist(), strict=True):
        total = sum(map(math.exp, row))
        expected -= weights[kind].item() * math.log(math.exp(row[kind]) / total) / len(logits)
    assert point_cross_entropy(logits, classes, weights).item() == pytest.approx(expected)
    plain = torch.nn.functional.cross_entropy(logits, classes)
    torch.testing.assert_close(point_cross_entropy(logits, classes, None), plain)


def jaccard_loss(wrong: set[int], inside: set[int]) -> float:
    """One minus the IoU of a class when just these points are mistaken."""
    union = inside | wrong
    return len(wrong) / len(union) if union else 0.0


def lovasz_by_sets(logits: torch.Tensor, classes: torch.Tensor) -> float:
    """The Lovasz extension by its definition over sets (Berman et al. 2018, definition 1)."""
    probabilities = logits.softmax(1).tolist()
    values = []
    for kind in sorted(set(classes.tolist())):
        inside = {i for i, c in enumerate(classes.tolist()) if c == kind}
        errors = [abs((i in inside) - row[kind]) for i, row in enumerate(probabilities)]
        order = sorted(range(len(errors)), key=lambda i: -errors[i])
        value, before = 0.0, 0.0
        for count in range(1, len(order) + 1):
            after = jaccard_loss(set(order[:count]), inside)
            value += errors[order[count - 1]] * (after - before)
            before = after
        values.append(value)
    return sum(values) / len(values)


@pytest.mark.parametrize("seed", range(3))
def test_lovasz_against_sets(seed: int) -> None:
    logits, classes = drawn(seed=seed)
    expected = lovasz_by_sets(logits, classes)
    assert lovasz_softmax(logits, classes).item() == pytest.approx(expected, abs=1e-12)


def test_lovasz_of_sure_answers_is_one_minus_the_iou() -> None:
    logits, classes = drawn(200)
    sure = torch.full_like(logits, -1e3)
    said = logits.argmax(1)
    sure[torch.arange(len(said)), said] = 1e3
    losses = []
    for kind in classes.unique():
        hits = ((said == kind) & (classes == kind)).sum().item()
        losses.append(1 - hits / ((said == kind) | (classes == kind)).sum().item())
    expected = sum(losses) / len(losses)
    assert lovasz_softmax(sure, classes).item() == pytest.approx(expected)
    right = torch.nn.functional.one_hot(classes, 5) * 1e3
    assert lovasz_softmax(right.double(), classes).item() == pytest.approx(0, abs=1e-12)


def test_gradients() -> None:
    logits, classes = drawn(12)
    logits.requires_grad_()
    weights = torch.linspace(0.5, 2, 5, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: lovasz_softmax(x, classes), (logits,))
    assert torch.autograd.gradcheck(lambda x: point_cross_entropy(x, classes, weights), (logits,))


def test_no_points_are_no_loss() -> None:
    logits = torch.zeros(0, 5, requires_grad=True)
    none = torch.zeros(0, dtype=torch.int64)
    for loss in (lovasz_softmax(logits, none), point_cross_entropy(logits, none, torch.ones(5))):
        assert loss.item() == 0
        loss.backward()


def test_weights_balance_and_average_to_one() -> None:
    counts = torch.tensor([900, 100, 0, 25])
    weights = balance_weights(counts)
    assert weights.dtype == torch.float32
    assert (weights[1] / weights[0]).item() == pytest.approx(3)
    assert (weights[3] / weights[1]).item() == pytest.approx(2)
    assert (weights[2] / weights[3]).item() == pytest.approx(5)
    known = counts.clamp_min(1)
    assert ((weights * known).sum() / known.sum()).item() == pytest.approx(1, rel=1e-6)
