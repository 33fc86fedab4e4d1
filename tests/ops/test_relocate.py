"""Shares of copies against the paper's double sum, and what they promise."""

import math

import pytest
import torch
from torch import Tensor

from sparse3d.ops.relocate import MAX_COPIES, share_among_copies


def some(n: int, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    rng = torch.Generator().manual_seed(seed)
    opacities = torch.rand(n, generator=rng) * 0.99 + 0.005
    scales = torch.rand(n, 3, generator=rng) * torch.tensor([1.0, 0.1, 7.0])
    return opacities, scales, torch.randint(1, MAX_COPIES + 1, (n,), generator=rng)


@pytest.mark.parametrize("n", [0, 1, 400])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_torch_equals_reference(n: int, dtype: torch.dtype) -> None:
    opacities, scales, copies = some(n)
    opacities, scales = opacities.to(dtype), scales.to(dtype)
    actual = share_among_copies(opacities, scales, copies)
    expected = share_among_copies(opacities, scales, copies, backend="reference")
    # The alternating sum loses about six of float64's sixteen digits at 51 nearly opaque copies.
    tolerance = 1e-6 if dtype == torch.float32 else 1e-9
    torch.testing.assert_close(actual, expected, rtol=tolerance, atol=0)
    assert actual.opacities.dtype == dtype


@pytest.mark.parametrize("copies", range(1, MAX_COPIES + 1))
def test_copies_together_shine_through_like_the_one(copies: int) -> None:
    opacities, scales, _ = some(30)
    shares = share_among_copies(opacities.double(), scales.double(), torch.full((30,), copies))
    together = 1 - (1 - shares.opacities) ** copies
    torch.testing.assert_close(together, opacities.double(), rtol=1e-9, atol=0)


@pytest.mark.parametrize(("opacity", "copies"), [(0.3, 2), (0.9, 5), (0.99, 51)])
def test_copies_cover_as_much_of_a_line_as_the_one(opacity: float, copies: int) -> None:
    one = torch.tensor([opacity], dtype=torch.float64)
    scale = torch.full((1, 3), 0.5, dtype=torch.float64)
    shares = share_among_copies(one, scale, torch.tensor([copies]))
    x = torch.linspace(-20, 20, 200_001, dtype=torch.float64)
    falloff = torch.exp(-(x**2) / (2 * shares.scales[0, 0] ** 2))
    covered = 1 - (1 - shares.opacities * falloff) ** copies
    expected = opacity * 0.5 * math.sqrt(2 * math.pi)
    assert float(torch.trapezoid(covered, x)) == pytest.approx(expected, rel=1e-6)


def test_a_single_one_stays_to_the_bit() -> None:
    opacities, scales, _ = some(50)
    opacities[0], opacities[1] = 0.0, 1.0
    shares = share_among_copies(opacities, scales, torch.ones(50, dtype=torch.long))
    assert torch.equal(shares.opacities, opacities)
    assert torch.equal(shares.scales, scales)


def test_axes_keep_their_ratio() -> None:
    opacities, scales, copies = some(50)
    shares = share_among_copies(opacities, scales, copies)
    ratio = shares.scales / scales
    torch.testing.assert_close(ratio[:, 0], ratio[:, 2])


def test_more_than_the_largest_number_counts_as_that() -> None:
    opacities, scales, _ = some(5)
    most = share_among_copies(opacities, scales, torch.full((5,), MAX_COPIES))
    more = share_among_copies(opacities, scales, torch.full((5,), 1000))
    assert all(torch.equal(a, b) for a, b in zip(most, more, strict=True))


@pytest.mark.parametrize("copies", [2, MAX_COPIES])
def test_invisible_and_opaque_ones_stay_finite(copies: int) -> None:
    opacities = torch.tensor([0.0, 1e-9, 1.0, 1 - 1e-7])
    shares = share_among_copies(opacities, torch.ones(4, 3), torch.full((4,), copies))
    assert bool(((shares.opacities > 0) & (shares.opacities < 1)).all())
    assert bool((shares.scales.isfinite() & (shares.scales > 0)).all())
    torch.testing.assert_close(shares.scales[:2], torch.ones(2, 3))  # thin ones just add up


def test_there_is_no_gradient() -> None:
    opacities, scales, copies = some(3)
    shares = share_among_copies(opacities.requires_grad_(), scales.requires_grad_(), copies)
    assert not shares.opacities.requires_grad
    assert not shares.scales.requires_grad


@pytest.mark.parametrize("value", [-0.1, 1.1, math.nan])
def test_impossible_opacities_are_named(value: float) -> None:
    with pytest.raises(ValueError, match="opacities must lie in"):
        share_among_copies(torch.tensor([value]), torch.ones(1, 3), torch.tensor([2]))


def test_other_impossible_values_are_named() -> None:
    half = torch.tensor([0.5])
    with pytest.raises(ValueError, match="scales must be finite"):
        share_among_copies(half, torch.tensor([[1.0, math.inf, 1.0]]), torch.tensor([2]))
    with pytest.raises(ValueError, match="copies must be at least 1"):
        share_among_copies(half, torch.ones(1, 3), torch.tensor([0]))
