"""Adam against torch's own, the formula in float64, and itself after being stored."""

import copy
import io
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from sparse3d.ops.adam import Adam, reset_rows, resize_rows
from sparse3d.ops.backend import Backend, has_native, native_module

needs_native = pytest.mark.skipif(not has_native(), reason="the C++ kernels were not built")
BACKENDS = ["torch", pytest.param("native", marks=needs_native)]
ALL_BACKENDS = ["reference", *BACKENDS]
MOMENTS = [torch.float32, torch.bfloat16]

Make = Callable[[list[nn.Parameter]], torch.optim.Optimizer]


def parameters(seed: int = 0) -> list[nn.Parameter]:
    generator = torch.Generator().manual_seed(seed)
    shapes = [(7, 3), (5,), (2, 3, 2), (0, 4), ()]
    return [nn.Parameter(torch.randn(shape, generator=generator)) for shape in shapes]


def gradients(like: list[nn.Parameter], step: int) -> list[Tensor]:
    """Random gradients whose sizes span what splats see."""
    generator = torch.Generator().manual_seed(1000 + step)
    return [
        torch.randn(p.shape, generator=generator)
        * 10.0 ** (3 * torch.randn((), generator=generator))
        for p in like
    ]


def train(make: Make, steps: int, first: int = 0) -> tuple[list[nn.Parameter], Any]:
    values = parameters()
    optimizer = make(values)
    proceed(optimizer, values, range(first, first + steps))
    return values, optimizer


def proceed(optimizer: torch.optim.Optimizer, values: list[nn.Parameter], steps: range) -> None:
    for step in steps:
        for value, gradient in zip(values, gradients(values, step), strict=True):
            value.grad = gradient
        optimizer.param_groups[0]["lr"] = 0.01 * 0.97**step
        optimizer.step()


@pytest.mark.parametrize("backend", ALL_BACKENDS)
@pytest.mark.parametrize("eps", [1e-8, 1e-15])
def test_follows_torch(backend: Backend, eps: float) -> None:
    ours, optimizer = train(lambda p: Adam(p, eps=eps, backend=backend), 50)
    theirs, expected = train(lambda p: torch.optim.Adam(p, eps=eps), 50)
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-6)
        for name in ("exp_avg", "exp_avg_sq"):
            torch.testing.assert_close(
                optimizer.state[a][name], expected.state[b][name], rtol=1e-4, atol=1e-6
            )
        assert optimizer.state[a]["step"] == 50


@pytest.mark.parametrize("backend", BACKENDS)
def test_bfloat16_moments_are_rounded_alike_in_all_backends(backend: Backend) -> None:
    ours, optimizer = train(lambda p: Adam(p, moments=torch.bfloat16, backend=backend), 20)
    exact, expected = train(lambda p: Adam(p, moments=torch.bfloat16, backend="reference"), 20)
    for a, b in zip(ours, exact, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)
        for name in ("exp_avg", "exp_avg_sq"):
            got, wanted = optimizer.state[a][name], expected.state[b][name]
            assert got.dtype == torch.bfloat16
            # Rarely, float32 and float64 arithmetic fall on two sides of a rounding boundary.
            torch.testing.assert_close(got, wanted, rtol=2**-6, atol=1e-30)


@pytest.mark.parametrize("backend", BACKENDS)
def test_bfloat16_moments_cost_about_a_percent_of_a_step(backend: Backend) -> None:
    generator = torch.Generator().manual_seed(5)
    start = torch.zeros(4000)
    values = [nn.Parameter(start.clone()) for _ in MOMENTS]
    optimizers = [
        Adam([value], lr=1.0, moments=dtype, backend=backend)
        for value, dtype in zip(values, MOMENTS, strict=True)
    ]
    for _ in range(300):
        gradient = torch.randn(4000, generator=generator) + 0.5
        for value, optimizer in zip(values, optimizers, strict=True):
            value.grad = gradient
            optimizer.step()
    full, half = (value.detach() for value in values)
    relative = (half - full).norm() / full.norm()
    assert float(relative) < 0.01
    bias = (half.mean() - full.mean()) / full.mean()
    assert abs(float(bias)) < 1e-3


@pytest.mark.parametrize("backend", BACKENDS)
def test_bfloat16_second_moments_forget_an_old_burst(backend: Backend) -> None:
    value = nn.Parameter(torch.zeros(2000))
    optimizer = Adam([value], betas=(0.9, 0.99), moments=torch.bfloat16, backend=backend)
    value.grad = torch.full((2000,), 10.0)
    optimizer.step()
    value.grad = torch.full((2000,), 0.1)
    for _ in range(299):
        optimizer.step()
    expected = 0.01 * 100 * 0.99**299 + 0.01 * (1 - 0.99**299)
    mean = optimizer.state[value]["exp_avg_sq"].float().mean()
    assert float(mean) == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("backend", ALL_BACKENDS)
@pytest.mark.parametrize("moments", MOMENTS, ids=str)
def test_non_finite_gradients_show(backend: Backend, moments: torch.dtype) -> None:
    value = nn.Parameter(torch.zeros(40))
    optimizer = Adam([value], moments=moments, backend=backend)
    value.grad = torch.ones(40)
    value.grad[3], value.grad[17] = torch.nan, -torch.inf
    optimizer.step()
    state = optimizer.state[value]
    assert state["exp_avg"].isnan().nonzero().tolist() == [[3]]
    assert state["exp_avg_sq"].isinf().nonzero().tolist() == [[17]]
    assert value.isnan().nonzero().tolist() == [[3], [17]]


@pytest.mark.parametrize("backend", BACKENDS)
def test_autograd_notices_the_change(backend: Backend) -> None:
    value = nn.Parameter(torch.ones(3))
    optimizer = Adam([value], backend=backend)
    memory, version = value.data_ptr(), value._version
    loss = (value**2).sum()  # saves the value for backward
    value.grad = torch.ones(3)
    optimizer.step()
    assert value.data_ptr() == memory
    assert value._version > version
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


@pytest.mark.parametrize("backend", BACKENDS)
def test_strided_parameters_and_gradients(backend: Backend) -> None:
    generator = torch.Generator().manual_seed(6)
    start, gradient = torch.randn(2, 5, 4, generator=generator).unbind()
    plain, turned = nn.Parameter(start.clone()), nn.Parameter(start.T.contiguous().T)
    plain.grad, turned.grad = gradient, gradient.T.contiguous().T
    assert not turned.is_contiguous()
    for value in (plain, turned):
        Adam([value], backend=backend).step()
    assert torch.equal(plain, turned)


@pytest.mark.parametrize("backend", BACKENDS)
def test_parameters_without_gradient_are_skipped(backend: Backend) -> None:
    used, unused = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2))
    optimizer = Adam([used, unused], backend=backend)
    used.grad = torch.ones(2)
    optimizer.step()
    assert torch.equal(unused, torch.ones(2))
    assert not torch.equal(used, torch.ones(2))
    assert unused not in optimizer.state


def test_a_closure_is_called_with_gradients_enabled() -> None:
    value = nn.Parameter(torch.ones(2))
    optimizer = Adam([value])

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = (3 * value).sum()
        loss.backward()
        return loss

    assert float(optimizer.step(closure).detach()) == 6.0
    assert bool((value < 1).all())


def test_float64_parameters_take_torch() -> None:
    value = nn.Parameter(torch.ones(3, dtype=torch.float64))
    value.grad = torch.ones_like(value)
    Adam([value], lr=0.25).step()
    torch.testing.assert_close(value.detach(), torch.full((3,), 0.75, dtype=torch.float64))


@needs_native
def test_native_refuses_other_dtypes() -> None:
    value = nn.Parameter(torch.ones(3, dtype=torch.float64))
    value.grad = torch.ones_like(value)
    with pytest.raises(ValueError, match=r"takes float32 parameters, got torch.float64"):
        Adam([value], backend="native").step()


@needs_native
@pytest.mark.parametrize("moments", MOMENTS, ids=str)
def test_native_gives_the_same_bits_for_any_number_of_threads(moments: torch.dtype) -> None:
    threads, results = torch.get_num_threads(), []
    try:
        for count in (1, 2, 5):
            torch.set_num_threads(count)
            value = nn.Parameter(torch.linspace(-1, 1, 70_001))
            optimizer = Adam([value], moments=moments, backend="native")
            for step in range(3):
                value.grad = torch.sin(value.detach() * 50 + step)
                optimizer.step()
            results.append((value, *(optimizer.state[value][k] for k in ("exp_avg", "exp_avg_sq"))))
    finally:
        torch.set_num_threads(threads)
    for one in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(one, results[0], strict=True))


@needs_native
@pytest.mark.parametrize("moments", MOMENTS, ids=str)
@pytest.mark.parametrize("isa", ["baseline", "avx2", "avx512"])
def test_native_agrees_on_every_instruction_set(isa: str, moments: torch.dtype) -> None:
    native = native_module()
    if isa not in native.available_isas():
        pytest.skip(f"this machine or build has no {isa}")
    try:
        native.set_isa(isa)
        ours, _ = train(lambda p: Adam(p, moments=moments, backend="native"), 10)
    finally:
        native.set_isa("auto")
    theirs, _ = train(lambda p: Adam(p, moments=moments, backend="torch"), 10)
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("moments", MOMENTS, ids=str)
def test_a_stored_state_continues_to_the_bit(moments: torch.dtype) -> None:
    whole, _ = train(lambda p: Adam(p, moments=moments), 12)
    half, optimizer = train(lambda p: Adam(p, moments=moments), 5)
    file = io.BytesIO()
    torch.save(optimizer.state_dict(), file)
    file.seek(0)
    resumed = Adam(half)
    resumed.load_state_dict(torch.load(file, weights_only=True))
    assert resumed.state[half[0]]["step"] == 5
    assert resumed.state[half[0]]["exp_avg"].dtype == moments
    proceed(resumed, half, range(5, 12))
    assert all(torch.equal(a, b) for a, b in zip(whole, half, strict=True))


def test_the_state_of_torch_is_taken_over() -> None:
    theirs, theirs_optimizer = train(lambda p: torch.optim.Adam(p, eps=1e-15), 5)
    ours = [nn.Parameter(value.detach().clone()) for value in theirs]
    optimizer = Adam(ours)
    optimizer.load_state_dict(copy.deepcopy(theirs_optimizer.state_dict()))
    proceed(theirs_optimizer, theirs, range(5, 20))
    proceed(optimizer, ours, range(5, 20))
    assert optimizer.state[ours[0]]["step"] == 20
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-6)


def test_a_copy_keeps_its_backend() -> None:
    value = nn.Parameter(torch.ones(2))
    copied = copy.deepcopy(Adam([value], backend="torch"))
    (twin,) = copied.param_groups[0]["params"]
    twin.grad = torch.ones(2)
    copied.step()
    assert copied._backend == "torch"
    assert torch.equal(value, torch.ones(2))


@pytest.mark.parametrize(
    "make", [Adam, lambda p: Adam(p, moments=torch.bfloat16), torch.optim.Adam, torch.optim.AdamW]
)
@pytest.mark.parametrize("as_mask", [False, True])
def test_moments_follow_the_rows_of_a_parameter(make: Make, as_mask: bool) -> None:
    value = nn.Parameter(torch.randn(6, 2, generator=torch.Generator().manual_seed(8)))
    optimizer = make([value])
    value.grad = torch.arange(12.0).view(6, 2) + 1
    optimizer.step()
    before = {k: torch.as_tensor(v).clone() for k, v in optimizer.state[value].items()}
    rows = torch.tensor([0, 2, 3] if as_mask else [3, 0, 0])
    value.data = torch.cat([value.data[rows], torch.zeros(2, 2)])
    mask = torch.zeros(6, dtype=torch.bool).index_fill(0, rows, True)
    resize_rows(optimizer, value, mask if as_mask else rows, appended=2)
    after = optimizer.state[value]
    for name in ("exp_avg", "exp_avg_sq"):
        assert after[name].dtype == before[name].dtype
        assert torch.equal(after[name], torch.cat([before[name][rows], torch.zeros(2, 2)]))
    assert after["step"] == before["step"]
    value.grad = torch.ones(5, 2)
    optimizer.step()


def test_all_rows_may_go() -> None:
    value = nn.Parameter(torch.ones(3, 2))
    optimizer = Adam([value])
    value.grad = torch.ones(3, 2)
    optimizer.step()
    value.data = torch.zeros(0, 2)
    resize_rows(optimizer, value, torch.zeros(0, dtype=torch.long))
    value.grad = torch.zeros(0, 2)
    optimizer.step()
    assert optimizer.state[value]["exp_avg"].shape == (0, 2)


def test_rows_of_a_parameter_without_state_need_nothing() -> None:
    value = nn.Parameter(torch.ones(3, 2))
    optimizer = Adam([value])
    value.data = torch.ones(1, 2)
    resize_rows(optimizer, value, torch.tensor([0]))
    assert value not in optimizer.state


@pytest.mark.parametrize("make", [Adam, torch.optim.Adam])
@pytest.mark.parametrize("as_mask", [False, True])
def test_moments_of_replaced_rows_are_forgotten(make: Make, as_mask: bool) -> None:
    value = nn.Parameter(torch.randn(4, 2, generator=torch.Generator().manual_seed(8)))
    optimizer = make([value])
    rows = torch.tensor([True, False, True, False]) if as_mask else torch.tensor([2, 0])
    reset_rows(optimizer, value, rows)
    assert value not in optimizer.state
    value.grad = torch.arange(8.0).view(4, 2) + 1
    optimizer.step()
    before = copy.deepcopy(optimizer.state[value])
    reset_rows(optimizer, value, rows)
    for name in ("exp_avg", "exp_avg_sq"):
        after = optimizer.state[value][name]
        assert torch.equal(after[[0, 2]], torch.zeros(2, 2))
        assert torch.equal(after[[1, 3]], before[name][[1, 3]])
    assert optimizer.state[value]["step"] == before["step"]


def test_rows_that_do_not_add_up_are_named() -> None:
    value = nn.Parameter(torch.ones(3, 2))
    optimizer = Adam([value])
    value.grad = torch.ones(3, 2)
    optimizer.step()
    value.data = torch.ones(4, 2)
    with pytest.raises(ValueError, match=r"2 kept and 1 appended rows .* shape \(4, 2\)"):
        resize_rows(optimizer, value, torch.tensor([0, 1]), appended=1)
    assert optimizer.state[value]["exp_avg"].shape == (3, 2)


@pytest.mark.parametrize(
    "setting",
    [{"lr": -1.0}, {"eps": 0.0}, {"betas": (0.9, 1.0)}, {"moments": torch.float16}],
    ids=str,
)
def test_settings_out_of_range_are_named(setting: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(setting))):
        Adam([nn.Parameter(torch.ones(1))], **setting)


@pytest.mark.parametrize("backend", ALL_BACKENDS)
def test_gradients_of_another_kind_are_named(backend: Backend) -> None:
    value = nn.Parameter(torch.ones(3, 2))
    optimizer = Adam([value], backend=backend)
    value.grad = torch.ones(3, 2).to_sparse()
    with pytest.raises(
        ValueError, match=r"dense gradient of shape \(3, 2\) expected, got .*sparse"
    ):
        optimizer.step()
    value.grad = torch.ones(3, 2)
    value.data = torch.ones(2, 2)  # rows removed, stale gradient
    with pytest.raises(ValueError, match=r"shape \(2, 2\) expected, got .*\(3, 2\)"):
        optimizer.step()
