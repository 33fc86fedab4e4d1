"""Segments against loops, forward and backward."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sparse3d.ops.segment import Reduction, segment_reduce
from sparse3d.ops.segment._reference import segment_reduce as reference

REDUCTIONS: tuple[Reduction, ...] = ("sum", "mean", "max")


def offsets_of(counts: list[int]) -> torch.Tensor:
    return torch.tensor([0, *counts]).cumsum(0)


@given(st.lists(st.integers(1, 5), max_size=8), st.sampled_from(REDUCTIONS))
def test_equals_the_reference_forward_and_backward(counts: list[int], reduction: Reduction) -> None:
    offsets = offsets_of(counts)
    values = torch.randn(int(offsets[-1]), 3, dtype=torch.float64, requires_grad=True)
    got, wanted = (f(values, offsets, reduction) for f in (segment_reduce, reference))
    assert torch.allclose(got, wanted)
    if counts:
        cotangent = torch.randn_like(got)
        ours, theirs = (
            torch.autograd.grad((r * cotangent).sum(), values)[0] for r in (got, wanted)
        )
        assert torch.allclose(ours, theirs)


def test_equal_maxima_share_the_gradient() -> None:
    values = torch.tensor([[1.0], [1.0], [0.0]], requires_grad=True)
    segment_reduce(values, offsets_of([3]), "max").sum().backward()
    assert values.grad is not None
    assert values.grad.tolist() == [[0.5], [0.5], [0.0]]


@pytest.mark.parametrize("offsets", [[0, 2, 2, 3], [1, 3], [0, 2], [0, 4], [0, 2, 1, 3]])
def test_offsets_that_do_not_cut_the_rows_are_refused(offsets: list[int]) -> None:
    with pytest.raises(ValueError, match="offsets must increase"):
        segment_reduce(torch.zeros(3, 1), torch.tensor(offsets), "sum")
