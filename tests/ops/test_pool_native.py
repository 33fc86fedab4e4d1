"""The C++ kernels of pooling against torch's."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor

from sparse3d.ops.backend import FastBackend, has_native, native_module
from sparse3d.ops.neighbours import Kernel, Rulebook, neighbours
from sparse3d.ops.pool import average_pool, average_unpool, max_pool, max_unpool
from sparse3d.scene.sparse_grid import SparseGrid

pytestmark = pytest.mark.skipif(not has_native(), reason="no C++ kernels")
KERNELS = (
    Kernel((2, 2, 2), (2, 2, 2), padding=(0, 0, 0)),
    Kernel(),
    Kernel((3, 1, 3), (2, 1, 3)),
    Kernel((2, 2, 2), (2, 2, 2), padding=(0, 0, 0), transposed=True),
)
DTYPES = (torch.float32, torch.bfloat16)
ISAS = native_module().available_isas() if has_native() else []
Passes = list[Tensor]


def surface(cells: int = 60) -> SparseGrid:
    """A bumpy sheet of cells, many blocks of the kernels."""
    x, y = torch.meshgrid(torch.arange(cells), torch.arange(cells), indexing="ij")
    z = (5 + 3 * (x / 7).sin() + 2 * (y / 5).cos()).long()
    sheet = torch.stack([torch.zeros_like(x), x, y, z], -1).reshape(-1, 4)
    return SparseGrid.of_coordinates(sheet, (cells, cells, 16), 1)


def random_values(rows: int, channels: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """With ties, infinities and what is not a number."""
    rng = torch.Generator().manual_seed(rows + channels)
    values = torch.randn(rows, channels, generator=rng).round(decimals=1)
    for odd, share in ((torch.nan, 0.02), (torch.inf, 0.05), (-torch.inf, 0.2)):
        values[torch.rand(values.shape, generator=rng) < share] = odd
    return values.to(dtype)


def both_passes(
    call: Callable[[Tensor], tuple[Tensor, ...]], values: Tensor, seed: int = 5
) -> Passes:
    """Outputs, and the gradient for a random cotangent of the first."""
    leaf = values.detach().requires_grad_()
    got = call(leaf)
    rng = torch.Generator().manual_seed(seed)
    cotangent = torch.randn(got[0].shape, generator=rng).to(values.dtype)
    (gradient,) = torch.autograd.grad(got[0], leaf, cotangent)
    return [*(each.detach() for each in got), gradient]


def all_passes(
    rules: Rulebook, channels: int, dtype: torch.dtype, backend: FastBackend
) -> list[Passes]:
    """Of all four operators. What is averaged is finite."""
    values = random_values(rules.inputs, channels, dtype)
    finite, above = values.nan_to_num(3, 2, -2), random_values(rules.outputs, channels, dtype)
    above = above.nan_to_num(1, 2, -2)
    winners = max_pool(values, rules, backend="torch").winners
    return [
        both_passes(lambda leaf: max_pool(leaf, rules, backend=backend), values),
        both_passes(
            lambda leaf: (max_unpool(leaf, winners, rules.inputs, backend=backend),), above
        ),
        both_passes(lambda leaf: (average_pool(leaf, rules, backend=backend),), finite),
        both_passes(lambda leaf: (average_unpool(leaf, rules, backend=backend),), above),
    ]


@contextmanager
def running(isa: str = "auto", threads: int = 1) -> Iterator[None]:
    before = torch.get_num_threads()
    native_module().set_isa(isa)
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
        native_module().set_isa("auto")


def assert_same_bits(got: list[Passes], wanted: list[Passes]) -> None:
    for ours, theirs in zip(got, wanted, strict=True):
        for a, b in zip(ours, theirs, strict=True):
            torch.testing.assert_close(a, b, rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("channels", [1, 3, 16, 37])
def test_every_instruction_set_has_torchs_bits(kernel: Kernel, channels: int, isa: str) -> None:
    _, rules = neighbours(surface(), kernel)
    with running():
        wanted = all_passes(rules, channels, torch.float32, "torch")
    with running(isa):
        assert_same_bits(all_passes(rules, channels, torch.float32, "native"), wanted)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("kernel", KERNELS)
def test_bfloat16_is_float32_rounded_once(kernel: Kernel, isa: str) -> None:
    _, rules = neighbours(surface(30), kernel)
    with running(isa):
        got = all_passes(rules, 19, torch.bfloat16, "native")
    values = random_values(rules.inputs, 19, torch.bfloat16)
    above = random_values(rules.outputs, 19, torch.bfloat16).nan_to_num(1, 2, -2)
    pooled = max_pool(values.float(), rules, backend="torch")
    assert torch.equal(got[0][1], pooled.winners)
    torch.testing.assert_close(got[0][0], pooled.features.bfloat16(), equal_nan=True)
    rng = torch.Generator().manual_seed(5)
    cotangent = torch.randn(above.shape, generator=rng).bfloat16()
    finite = values.nan_to_num(3, 2, -2).float().requires_grad_()
    mean = average_pool(finite, rules, backend="torch")
    (to_finite,) = torch.autograd.grad(mean, finite, cotangent.float())
    back = max_unpool(above.float(), pooled.winners, rules.inputs, backend="torch")
    to_values = max_unpool(cotangent.float(), pooled.winners, rules.inputs, backend="torch")
    up = average_unpool(above.float(), rules, backend="torch")
    wide = (mean, to_finite, back, to_values, up)
    ours = (got[2][0], got[2][1], got[1][0], got[0][2], got[3][0])
    for a, b in zip(ours, wide, strict=True):
        assert a.dtype == torch.bfloat16
        assert torch.equal(a, b.bfloat16())


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kernel", KERNELS[:2])
def test_any_number_of_threads_gives_the_same_bits(kernel: Kernel, dtype: torch.dtype) -> None:
    _, rules = neighbours(surface(), kernel)
    results = []
    for threads in (1, 2, 5):
        with running(threads=threads):
            results.append(all_passes(rules, 20, dtype, "native"))
    for other in results[1:]:
        assert_same_bits(other, results[0])


@pytest.mark.parametrize("threads", [1, 5])
@pytest.mark.parametrize("dtype", DTYPES)
def test_winners_may_be_anywhere_and_many(threads: int, dtype: torch.dtype) -> None:
    """Those of any rows, and many of one row, are added in the order of the rows."""
    rng = torch.Generator().manual_seed(1)
    values = torch.randn(3000, 7, generator=rng).to(dtype)
    winners = torch.randint(-1, 5000, values.shape, generator=rng)
    winners[:, 2], winners[:, 4] = 17, -1
    wanted = torch.zeros(5001, 7)
    for row, own in zip(values.float(), winners, strict=True):
        wanted[own, torch.arange(7)] += row  # the last row is that of -1
    with running(threads=threads):
        got = max_unpool(values, winners, 5000, backend="native")
        gradient = both_passes(
            lambda leaf: (max_unpool(leaf, winners, 5000, backend="native"),), values
        )[1]
    assert torch.equal(got, wanted[:5000].to(dtype))
    cotangent = torch.randn(5000, 7, generator=torch.Generator().manual_seed(5)).to(dtype)
    found = cotangent.gather(0, winners.clamp_min(0))
    assert torch.equal(gradient, torch.where(winners < 0, 0, found))


@pytest.mark.parametrize("dtype", DTYPES)
def test_strided_tensors_are_no_obstacle(dtype: torch.dtype) -> None:
    _, rules = neighbours(surface(12), KERNELS[0])
    wide = random_values(12, 2 * rules.inputs, dtype).T[::2].nan_to_num(0, 2, -2)
    above = random_values(6, rules.outputs, dtype).T.nan_to_num(0, 2, -2)[:, ::2]
    winners = max_pool(wide[:, ::4], rules, backend="torch").winners.T.contiguous().T
    assert not any(each.is_contiguous() for each in (wide, above, winners))
    leaf = wide.requires_grad_()
    for pool, values in ((average_pool, leaf), (average_unpool, above)):
        got = pool(values, rules, backend="native")
        assert torch.equal(got, pool(values.contiguous(), rules, backend="native"))
    pooled = max_pool(leaf, rules, backend="native").features
    toward = torch.ones(1, 1, dtype=dtype).expand(pooled.shape)
    ours = torch.autograd.grad(pooled, leaf, toward)[0]
    theirs = torch.autograd.grad(max_pool(leaf, rules, backend="torch").features, leaf, toward)[0]
    assert torch.equal(ours, theirs)
    got = max_unpool(above, winners, rules.inputs, backend="native")
    assert torch.equal(got, max_unpool(above, winners, rules.inputs, backend="torch"))


def test_strided_rules_are_no_obstacle() -> None:
    rows = torch.tensor([[0, 9, 1, 9, 2, 9], [0, 9, 1, 9, 1, 9]]).int()[:, ::2]
    strided = Rulebook(rows[0], rows[1], (2, 1), 3, 2)
    dense = Rulebook(rows[0].clone(), rows[1].clone(), (2, 1), 3, 2)
    assert_same_bits(*(all_passes(each, 3, torch.float32, "native") for each in (strided, dense)))


def test_other_dtypes_are_left_to_torch() -> None:
    _, rules = neighbours(surface(5), KERNELS[0])
    for dtype in (torch.float64, torch.float16):
        values = torch.ones(rules.inputs, 2, dtype=dtype)
        assert max_pool(values, rules).features.dtype == dtype
        assert average_pool(values, rules).dtype == dtype
        for pool in (max_pool, average_pool):
            with pytest.raises(ValueError, match=f"float32 and bfloat16, got {dtype}"):
                pool(values, rules, backend="native")
        with pytest.raises(ValueError, match=f"float32 and bfloat16, got {dtype}"):
            max_unpool(values, torch.zeros(values.shape).long(), 1, backend="native")


class _WithoutGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        return values.clone()

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> None:
        return None


def test_no_gradient_in_no_gradient_out() -> None:
    _, rules = neighbours(surface(5), KERNELS[0])
    values = torch.ones(rules.inputs, 2, requires_grad=True)
    pooled = max_pool(values, rules, backend="native")
    assert not pooled.winners.requires_grad
    through: Tensor = _WithoutGradient.apply(pooled.features)
    assert torch.autograd.grad(through.sum(), values, allow_unused=True) == (None,)
