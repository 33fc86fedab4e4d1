"""Segments against loops, forward and backward."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from sparse3d.ops.backend import FastBackend, has_native, native_module
from sparse3d.ops.segment import Reduction, segment_reduce
from sparse3d.ops.segment._reference import segment_reduce as reference

REDUCTIONS: tuple[Reduction, ...] = ("sum", "mean", "max", "first")
needs_native = pytest.mark.skipif(not has_native(), reason="no C++ kernels")
each_backend = pytest.mark.parametrize(
    "backend", ["torch", pytest.param("native", marks=needs_native)]
)
ISAS = native_module().available_isas() if has_native() else []


def offsets_of(counts: list[int]) -> Tensor:
    return torch.tensor([0, *counts]).cumsum(0)


def both_passes(
    values: Tensor, offsets: Tensor, reduction: Reduction, rows: Tensor | None, backend: FastBackend
) -> tuple[Tensor, Tensor]:
    """Reduced rows, and the gradient for a random cotangent of them."""
    leaf = values.detach().clone().requires_grad_()
    reduced = segment_reduce(leaf, offsets, reduction, rows=rows, backend=backend)
    rng = torch.Generator().manual_seed(5)
    cotangent = torch.randn(reduced.shape, generator=rng, dtype=values.dtype)
    return reduced.detach(), torch.autograd.grad(reduced, leaf, cotangent)[0]


@each_backend
@given(
    counts=st.lists(st.integers(1, 7), max_size=8),
    reduction=st.sampled_from(REDUCTIONS),
    channels=st.sampled_from((1, 2, 3, 4, 5, 19, 35)),
    seed=st.integers(0, 1000),
    ties=st.booleans(),
    shuffled=st.booleans(),
)
def test_equals_the_reference_forward_and_backward(
    counts: list[int],
    reduction: Reduction,
    channels: int,
    seed: int,
    ties: bool,
    shuffled: bool,
    backend: FastBackend,
) -> None:
    offsets, rng = offsets_of(counts), torch.Generator().manual_seed(seed)
    listed = int(offsets[-1])
    values = torch.randn(listed + 3 * shuffled, channels, generator=rng, dtype=torch.float64)
    if ties:
        values = values.round()
    rows = torch.randperm(len(values), generator=rng)[:listed] if shuffled else None
    leaf = values.clone().requires_grad_()
    wanted = reference(leaf, offsets, reduction, rows)
    got, gradient = both_passes(values, offsets, reduction, rows, backend)
    torch.testing.assert_close(got, wanted)
    if counts:
        cotangent = torch.Generator().manual_seed(5)
        toward = torch.randn(wanted.shape, generator=cotangent, dtype=torch.float64)
        torch.testing.assert_close(gradient, torch.autograd.grad(wanted, leaf, toward)[0])


@each_backend
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_float32_is_near_the_reference(reduction: Reduction, backend: FastBackend) -> None:
    rng = torch.Generator().manual_seed(3)
    values, offsets = torch.randn(900, 21, generator=rng), offsets_of([1, 700, 50, 149])
    got = segment_reduce(values, offsets, reduction, backend=backend)
    wanted = reference(values.double(), offsets, reduction).float()
    torch.testing.assert_close(got, wanted, rtol=1e-5, atol=1e-4)


@needs_native
def test_native_adds_in_double() -> None:
    values = torch.cat([torch.full((1, 1), 2.0**24), torch.ones(1000, 1)])
    got = segment_reduce(values, torch.tensor([0, 1001]), "sum", backend="native")
    assert got.item() == 2.0**24 + 1000


@each_backend
def test_equal_maxima_share_the_gradient(backend: FastBackend) -> None:
    values = torch.tensor([[1.0], [1.0], [0.0]], requires_grad=True)
    segment_reduce(values, offsets_of([3]), "max", backend=backend).sum().backward()
    assert values.grad is not None
    assert values.grad.tolist() == [[0.5], [0.5], [0.0]]


@each_backend
def test_what_is_not_a_number_is_the_maximum(backend: FastBackend) -> None:
    values = torch.tensor([[1.0, 5.0], [torch.nan, 2.0], [3.0, -torch.inf]])
    got = segment_reduce(values, offsets_of([3]), "max", backend=backend)
    assert got[0, 0].isnan()
    assert got[0, 1] == 5


@each_backend
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_strided_values_are_no_obstacle(reduction: Reduction, backend: FastBackend) -> None:
    values = torch.randn(6, 20, generator=torch.Generator().manual_seed(1)).T[::2]
    rows = torch.tensor([3, 9, 0, 9, 1, 9, 2, 9])[::2]
    offsets = torch.tensor([[0, 1, 4], [7, 7, 7]]).T[:, 0]
    got = segment_reduce(values, offsets, reduction, rows=rows, backend=backend)
    wanted = reference(values.double(), offsets, reduction, rows)
    torch.testing.assert_close(got.double(), wanted)


@needs_native
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("isa", ["baseline", "avx2", "avx512"])
def test_every_instruction_set_and_any_threads_give_the_same_bits(
    reduction: Reduction, isa: str
) -> None:
    native = native_module()
    if isa not in ISAS:
        pytest.skip(f"this machine or build has no {isa}")
    rng = torch.Generator().manual_seed(2)
    offsets = offsets_of(torch.randint(1, 9, (2000,), generator=rng).tolist())
    values = torch.randn(int(offsets[-1]), 21, generator=rng).round(decimals=1)
    rows, threads = torch.randperm(len(values), generator=rng), torch.get_num_threads()
    wanted = both_passes(values, offsets, reduction, rows, "native")
    try:
        native.set_isa(isa)
        for count in (1, 3):
            torch.set_num_threads(count)
            got = both_passes(values, offsets, reduction, rows, "native")
            assert all(torch.equal(a, b) for a, b in zip(got, wanted, strict=True))
    finally:
        torch.set_num_threads(threads)
        native.set_isa("auto")


@each_backend
@pytest.mark.parametrize("offsets", [[0, 2, 2, 3], [1, 3], [0, 2], [0, 4], [0, 2, 1, 3], []])
def test_offsets_that_do_not_cut_the_rows_are_refused(
    offsets: list[int], backend: FastBackend
) -> None:
    given_offsets = torch.tensor(offsets, dtype=torch.int64)
    with pytest.raises(ValueError, match="offsets must increase"):
        segment_reduce(torch.zeros(3, 1), given_offsets, "sum", backend=backend)


@each_backend
@pytest.mark.parametrize("row", [-1, 3, 1 << 62, -(1 << 63)])
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_rows_that_are_not_there_are_refused(
    row: int, reduction: Reduction, backend: FastBackend
) -> None:
    rows = torch.tensor([0, row, 1])
    with pytest.raises(ValueError, match="rows must be rows of the"):
        segment_reduce(torch.zeros(3, 1), offsets_of([2, 1]), reduction, rows=rows, backend=backend)


@needs_native
def test_native_refuses_gradients_to_repeated_rows() -> None:
    values, rows = torch.zeros(3, 1, requires_grad=True), torch.tensor([0, 1, 0])
    reduced = segment_reduce(values, offsets_of([2, 1]), "sum", rows=rows, backend="native")
    with pytest.raises(ValueError, match="rows must be distinct"):
        reduced.sum().backward()


@pytest.mark.usefixtures("no_type_checks")
def test_mistakes_are_named() -> None:
    values, offsets = torch.zeros(3, 1), offsets_of([3])
    with pytest.raises(ValueError, match="sum, mean, max, first expected, got 'median'"):
        segment_reduce(values, offsets, "median")  # pyright: ignore[reportArgumentType]
    if has_native():
        with pytest.raises(ValueError, match=r"takes float32 or float64, got torch.float16"):
            segment_reduce(values.half(), offsets, "max", backend="native")


def test_other_dtypes_take_torch() -> None:
    values = torch.tensor([[1.0], [4.0]], dtype=torch.bfloat16)
    assert segment_reduce(values, offsets_of([2]), "sum").tolist() == [[5.0]]
