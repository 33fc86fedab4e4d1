"""Adam steps of the visible rows only: against the formula, and against the whole step."""

import copy
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from sparse3d.ops.adam import Adam
from sparse3d.ops.backend import Backend, has_native, native_module

needs_native = pytest.mark.skipif(not has_native(), reason="the C++ kernels were not built")
BACKENDS = ["torch", pytest.param("native", marks=needs_native)]
ALL_BACKENDS = ["reference", *BACKENDS]
MOMENTS = [torch.float32, torch.bfloat16]
ROWS = 13
NAMES = ("exp_avg", "exp_avg_sq")


def parameters(rows: int = ROWS, seed: int = 0) -> list[nn.Parameter]:
    generator = torch.Generator().manual_seed(seed)
    shapes = [(rows, 3), (rows,), (rows, 5, 3), (rows, 0)]
    return [nn.Parameter(torch.randn(shape, generator=generator)) for shape in shapes]


def masks(rows: int = ROWS) -> Iterator[Tensor]:
    generator = torch.Generator().manual_seed(77)
    while True:
        yield torch.rand(rows, generator=generator) < 0.4


def set_gradients(values: list[nn.Parameter], step: int) -> None:
    generator = torch.Generator().manual_seed(1000 + step)
    for value in values:
        value.grad = torch.randn(value.shape, generator=generator) * 10.0 ** (step % 3 - 1)


def trained(
    backend: Backend, moments: torch.dtype, steps: int, rows: int = ROWS
) -> tuple[list[nn.Parameter], Adam]:
    values = parameters(rows)
    optimizer = Adam(values, lr=0.01, moments=moments, backend=backend)
    for step, visible in zip(range(steps), masks(rows), strict=False):
        set_gradients(values, step)
        optimizer.step(visible=visible)
    return values, optimizer


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("moments", MOMENTS, ids=str)
@pytest.mark.parametrize("rows", [0, 1, ROWS])
def test_follows_the_reference(backend: Backend, moments: torch.dtype, rows: int) -> None:
    ours, optimizer = trained(backend, moments, 20, rows)
    exact, expected = trained("reference", moments, 20, rows)
    for a, b in zip(ours, exact, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)
        for name in NAMES:
            # Rarely, float32 and float64 arithmetic fall on two sides of a rounding boundary.
            rtol, atol = (1e-4, 1e-6) if moments == torch.float32 else (2**-6, 1e-30)
            got, wanted = optimizer.state[a][name], expected.state[b][name]
            torch.testing.assert_close(got, wanted, rtol=rtol, atol=atol)
        assert optimizer.state[a]["step"] == 20


@pytest.mark.parametrize("backend", ALL_BACKENDS)
@pytest.mark.parametrize("moments", MOMENTS, ids=str)
def test_an_all_true_mask_is_the_plain_step_to_the_bit(
    backend: Backend, moments: torch.dtype
) -> None:
    plain, masked = parameters(), parameters()
    optimizers = [Adam(values, moments=moments, backend=backend) for values in (plain, masked)]
    for step in range(5):
        set_gradients(plain, step)
        set_gradients(masked, step)
        optimizers[0].step()
        optimizers[1].step(visible=torch.ones(ROWS, dtype=torch.bool))
    for a, b in zip(plain, masked, strict=True):
        assert torch.equal(a, b)
        for name in NAMES:
            assert torch.equal(optimizers[0].state[a][name], optimizers[1].state[b][name])


@needs_native
@pytest.mark.parametrize("moments", MOMENTS, ids=str)
@pytest.mark.parametrize("isa", ["baseline", "avx2", "avx512"])
def test_visible_rows_step_as_in_the_whole_to_the_bit(isa: str, moments: torch.dtype) -> None:
    native = native_module()
    if isa not in native.available_isas():
        pytest.skip(f"this machine or build has no {isa}")
    plain, masked = parameters(1000), parameters(1000)
    mask = next(masks(1000))
    try:
        native.set_isa(isa)
        for values, visible in ((plain, None), (masked, mask)):
            set_gradients(values, 0)
            Adam(values, moments=moments, backend="native").step(visible=visible)
    finally:
        native.set_isa("auto")
    for a, b, start in zip(plain, masked, parameters(1000), strict=True):
        assert torch.equal(b[mask], a[mask])
        assert torch.equal(b[~mask], start[~mask])


@pytest.mark.parametrize("backend", ALL_BACKENDS)
@pytest.mark.parametrize("moments", MOMENTS, ids=str)
def test_hidden_rows_keep_everything_whatever_their_gradient(
    backend: Backend, moments: torch.dtype
) -> None:
    values = parameters()
    optimizer = Adam(values, moments=moments, backend=backend)
    set_gradients(values, 0)
    optimizer.step()
    before = copy.deepcopy([(value.detach(), optimizer.state[value]) for value in values])
    mask = next(masks())
    set_gradients(values, 1)
    for value in values:
        assert value.grad is not None
        value.grad[~mask] = torch.nan
    optimizer.step(visible=mask)
    for value, (old, state) in zip(values, before, strict=True):
        assert torch.equal(value[~mask], old[~mask])
        assert bool(value.isfinite().all())
        for name in NAMES:
            assert torch.equal(optimizer.state[value][name][~mask], state[name][~mask])
        assert optimizer.state[value]["step"] == 2


@needs_native
@pytest.mark.parametrize("moments", MOMENTS, ids=str)
def test_native_gives_the_same_bits_for_any_number_of_threads(moments: torch.dtype) -> None:
    threads, results = torch.get_num_threads(), []
    try:
        for count in (1, 2, 5):
            torch.set_num_threads(count)
            results.append(trained("native", moments, 2, rows=20_011)[0])
    finally:
        torch.set_num_threads(threads)
    for one in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(one, results[0], strict=True))


@pytest.mark.parametrize("backend", BACKENDS)
def test_strided_parameters_and_masks(backend: Backend) -> None:
    generator = torch.Generator().manual_seed(6)
    start, gradient = torch.randn(2, 5, 4, generator=generator).unbind()
    plain, turned = nn.Parameter(start.clone()), nn.Parameter(start.T.contiguous().T)
    plain.grad, turned.grad = gradient, gradient.T.contiguous().T
    mask = torch.tensor([True, False, False, True, False])
    Adam([plain], backend=backend).step(visible=mask)
    Adam([turned], backend=backend).step(visible=mask.repeat_interleave(2)[::2])
    assert torch.equal(plain, turned)
    assert torch.equal(plain[1:3], start[1:3])


def test_a_state_looks_the_same_and_continues_without_a_mask() -> None:
    values, optimizer = trained("auto", torch.float32, 3)
    state = optimizer.state_dict()
    assert set(state["state"][0]) == {"step", *NAMES}
    other = [nn.Parameter(value.detach().clone()) for value in values]
    resumed = Adam(other, lr=0.01)
    resumed.load_state_dict(copy.deepcopy(state))
    for one, parameters_of in ((optimizer, values), (resumed, other)):
        set_gradients(parameters_of, 9)
        one.step()
    assert all(torch.equal(a, b) for a, b in zip(values, other, strict=True))


def test_a_closure_and_a_mask() -> None:
    value = nn.Parameter(torch.ones(2))
    optimizer = Adam([value], lr=0.5)

    def closure() -> Tensor:
        loss = (3 * value).sum()
        loss.backward()
        return loss

    assert float(optimizer.step(closure, visible=torch.tensor([True, False])).detach()) == 6.0
    torch.testing.assert_close(value.detach(), torch.tensor([0.5, 1.0]))


@pytest.mark.parametrize("backend", ALL_BACKENDS)
@pytest.mark.parametrize("mask", [torch.ones(2).bool(), torch.ones(3), torch.ones(3, 1).bool()])
def test_other_masks_are_named(backend: Backend, mask: Tensor) -> None:
    value = nn.Parameter(torch.ones(3, 2))
    value.grad = torch.ones(3, 2)
    # Where shapes and types are checked at run time, the annotation refuses some of them first.
    with pytest.raises((ValueError, TypeError), match=r"visible|Type-check"):
        Adam([value], backend=backend).step(visible=mask)


def test_numbers_have_no_rows() -> None:
    value = nn.Parameter(torch.ones(()))
    value.grad = torch.ones(())
    with pytest.raises(ValueError, match=r"mask of the rows of a parameter of shape \(\)"):
        Adam([value]).step(visible=torch.ones(0, dtype=torch.bool))
