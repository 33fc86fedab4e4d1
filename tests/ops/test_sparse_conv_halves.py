"""Sparse convolution of bfloat16 by every unit that multiplies it, against float64.

Units of hardware that this machine lacks are skipped; what imitates them runs everywhere.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from sparse3d.ops.backend import has_native, native_module
from sparse3d.ops.neighbours import Kernel, neighbours
from sparse3d.ops.sparse_conv import sparse_conv
from sparse3d.ops.sparse_conv._reference import sparse_conv as reference
from sparse3d.scene.sparse_grid import SparseGrid

pytestmark = pytest.mark.skipif(not has_native(), reason="no C++ kernels")

UNITS = ("widened", "dot", "tiles", "dot-emulated", "tiles-emulated")
CHANNELS = (1, 3, 5, 16, 17, 33, 64, 100, 128)
COUNTS = (0, 1, 15, 16, 17, 100, 32, 33)
"""Pairs of the offsets, around the 16 rows of a tile."""
ROWS = (110, 300)
"""Inputs and outputs; the latter are more than one block."""
STEP = 2.0**-24
"""Rounding of float32, of the size of the number; that of bfloat16 is 2**-8."""


@pytest.fixture(params=UNITS)
def unit(request: pytest.FixtureRequest) -> Iterator[str]:
    use(request.param)
    yield request.param
    native_module().set_halves("auto")


def use(name: str) -> None:
    if name not in native_module().available_halves():
        pytest.skip(f"this machine or build has no '{name}' for bfloat16")
    native_module().set_halves(name)
    assert native_module().halves() == name


@dataclass(frozen=True)
class Case:
    """Rows, matrices and random pairs of them."""

    features: Tensor
    weight: Tensor
    pairs: list[list[tuple[int, int]]]

    @classmethod
    def random(cls, inputs: int, outputs: int) -> "Case":
        """As many pairs as there are of each in ``COUNTS``."""
        rng = torch.Generator().manual_seed(inputs * 1000 + outputs)
        pairs = []
        for count in COUNTS:
            sources = torch.randint(ROWS[0], (count,), generator=rng)
            targets = torch.randperm(ROWS[1], generator=rng)[:count].sort().values
            pairs.append(list(zip(sources.tolist(), targets.tolist(), strict=True)))
        features = torch.randn(ROWS[0], inputs, generator=rng).bfloat16()
        weight = torch.randn(len(COUNTS), inputs, outputs, generator=rng).bfloat16()
        return cls(features, weight, pairs)

    def native(self, *, transposed: bool = False) -> Tensor:
        """The convolution, by the unit in use."""
        every = [pair for offset in self.pairs for pair in offset]
        rows = torch.tensor(every, dtype=torch.int32).reshape(-1, 2).T.contiguous()
        counts = torch.tensor([len(offset) for offset in self.pairs], dtype=torch.int64)
        weight = self.weight.mT.contiguous() if transposed else self.weight
        out = torch.full((ROWS[1], self.weight.shape[2]), 7.0, dtype=torch.bfloat16)
        native_module().sparse_conv_forward(
            self.features, weight, transposed, rows[0], rows[1], counts, out
        )
        return out

    def exact(self) -> Tensor:
        """In float64."""
        return reference(self.features, self.weight, self.pairs, ROWS[1])

    def bound(self) -> Tensor:
        """What sums in float32, each rounded once more than it has terms, may be off by."""
        terms = len(self.pairs) * (self.weight.shape[1] + 2)
        sizes = reference(self.features.abs(), self.weight.abs(), self.pairs, ROWS[1])
        return terms * STEP * sizes + 1.01 * 2**-8 * self.exact().abs()


def shifted(steps: int) -> list[tuple[int, int]]:
    """Every number of channels with others."""
    return list(zip(CHANNELS, (*CHANNELS[steps:], *CHANNELS[:steps]), strict=True))


@pytest.mark.parametrize("channels", [*shifted(0), *shifted(1), *shifted(5)])
@pytest.mark.parametrize("transposed", [False, True])
def test_every_unit_is_float64_within_rounding(
    unit: str, channels: tuple[int, int], transposed: bool
) -> None:
    case = Case.random(*channels)
    got = case.native(transposed=transposed).double()
    assert bool(((got - case.exact()).abs() <= case.bound()).all())


@pytest.mark.parametrize("channels", shifted(2))
@pytest.mark.parametrize("transposed", [False, True])
def test_whole_numbers_are_rounded_at_the_end_only(
    unit: str, channels: tuple[int, int], transposed: bool
) -> None:
    case = Case.random(*channels)
    case = Case(case.features.mul(4).round(), case.weight.mul(4).round(), case.pairs)
    assert torch.equal(case.native(transposed=transposed), case.exact().bfloat16())


@pytest.mark.parametrize("name", UNITS)
@given(data=st.data())
def test_any_shape(name: str, data: st.DataObject) -> None:
    inputs, outputs = (data.draw(st.integers(0, 70)) for _ in range(2))
    counts = data.draw(st.lists(st.integers(0, 70), max_size=3))
    rng = torch.Generator().manual_seed(data.draw(st.integers(0, 1000)))
    targets = [torch.randperm(ROWS[1], generator=rng)[:count].sort().values for count in counts]
    pairs = [[(7 * int(t) % ROWS[0], int(t)) for t in offset] for offset in targets]
    features = torch.randint(-9, 10, (ROWS[0], inputs), generator=rng).bfloat16()
    weight = torch.randint(-9, 10, (len(counts), inputs, outputs), generator=rng).bfloat16()
    case = Case(features, weight, pairs)
    try:
        use(name)
        assert torch.equal(case.native(), case.exact().bfloat16())
        assert torch.equal(case.native(transposed=True), case.exact().bfloat16())
    finally:
        native_module().set_halves("auto")


@pytest.mark.parametrize("count", [0, 1, 15, 16, 17, 100])
def test_any_number_of_pairs(unit: str, count: int) -> None:
    case = Case.random(33, 17)
    chosen = [offset[:count] for offset in case.pairs if len(offset) == 100]
    case = Case(case.features, case.weight[:1], chosen)
    got = case.native().double()
    assert bool(((got - case.exact()).abs() <= case.bound()).all())
    untouched = torch.ones(ROWS[1], dtype=torch.bool)
    untouched[[target for _, target in chosen[0]]] = False
    assert not got[untouched].any()


@pytest.mark.parametrize("channels", [(5, 17), (64, 33)])
def test_what_is_no_number_stays_where_it_is(unit: str, channels: tuple[int, int]) -> None:
    case = Case.random(*channels)
    case.features[3, 1], case.features[40, 4] = float("inf"), float("nan")
    case.features[77, 0], case.features[78, 4] = -float("inf"), float("inf")
    case.weight[5, 1, 2] = 0.0
    got, exact = case.native().double(), case.exact()
    assert bool(exact.isnan().any())
    assert bool(exact.isinf().any())
    torch.testing.assert_close(got.isnan(), exact.isnan())
    assert torch.equal(got[exact.isinf()], exact[exact.isinf()])
    finite = exact.isfinite()
    assert bool(((got - exact).abs() <= case.bound())[finite].all())


def test_both_passes_by_every_unit(unit: str) -> None:
    """The gradient of the features goes by the unit, too; that of the weight is float32's."""
    grid, rng = sheet(20), torch.Generator().manual_seed(4)
    for kernel in (Kernel(), Kernel(stride=(2, 2, 2))):
        _, book = neighbours(grid, kernel)
        features = torch.randn(len(grid), 20, generator=rng).bfloat16().requires_grad_()
        weight = torch.randn(27, 20, 24, generator=rng).bfloat16().requires_grad_()
        cotangent = torch.randn(book.outputs, 24, generator=rng).bfloat16()
        got = sparse_conv(features, weight, book, backend="native")
        ours = torch.autograd.grad(got, (features, weight), cotangent)
        wide = [leaf.detach().double().requires_grad_() for leaf in (features, weight)]
        exact = sparse_conv(wide[0], wide[1], book, backend="torch")
        theirs = torch.autograd.grad(exact, wide, cotangent.double())
        for a, b in zip((got.detach(), *ours), (exact.detach(), *theirs), strict=True):
            assert a.dtype == torch.bfloat16
            torch.testing.assert_close(a.double(), b, rtol=2**-8, atol=1e-5 * float(b.abs().max()))


def sheet(cells: int) -> SparseGrid:
    """A bumpy sheet of cells."""
    x, y = torch.meshgrid(torch.arange(cells), torch.arange(cells), indexing="ij")
    z = (5 + 3 * (x / 7).sin() + 2 * (y / 5).cos()).long()
    cell = torch.stack([torch.zeros_like(x), x, y, z], -1).reshape(-1, 4)
    return SparseGrid.of_coordinates(cell, (cells, cells, 16), 1)


def test_the_same_bits_for_any_number_of_threads(unit: str) -> None:
    _, book = neighbours(sheet(40), Kernel())
    rng = torch.Generator().manual_seed(1)
    features = torch.randn(book.inputs, 17, generator=rng).bfloat16()
    weight = torch.randn(27, 17, 20, generator=rng).bfloat16()
    before, results = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 5):
            torch.set_num_threads(threads)
            results.append(sparse_conv(features, weight, book, backend="native"))
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(results[0], other) for other in results[1:])


@pytest.mark.parametrize("features", [[2.0**24, 1, -(2.0**24), 0], [2.0**24, 0, 1, -(2.0**24)]])
def test_products_are_summed_in_the_documented_order(unit: str, features: list[float]) -> None:
    """Of the dot product the second of two channels first; of tiles first and second ones apart."""
    if unit in ("dot", "tiles"):
        pytest.skip("of what imitates the instructions as they are documented")
    one = Case(torch.tensor([features] * ROWS[0]).bfloat16(), torch.ones(1, 4, 1), [[(0, 0)]])
    case = Case(one.features, one.weight.bfloat16(), one.pairs)
    number = 0 if features[1] else 1
    expected = {"widened": (0, 0), "dot": (0, 1), "tiles": (1, 0)}[unit.removesuffix("-emulated")]
    assert float(case.native()[0, 0]) == expected[number]


def test_units_take_subnormal_numbers_for_zero(unit: str) -> None:
    features = torch.tensor([[1e-39, 1e-20]] * ROWS[0]).bfloat16()
    weight = torch.tensor([[[2.0**60, 0.0], [0.0, 1e-19]]]).bfloat16()
    made = Case(features, weight, [[(0, 0)]]).native()[0].tolist()
    exact = (features[0].float() @ weight[0].float()).tolist()
    assert exact[0] > 0
    assert (made[0] > 0) == (unit == "widened")
    assert (made[1] > 0) == (unit == "widened")


@pytest.mark.parametrize("hardware", ["dot", "tiles"])
@pytest.mark.parametrize("channels", shifted(4))
def test_hardware_gives_what_imitates_it(hardware: str, channels: tuple[int, int]) -> None:
    """But for roundings on the way, which makers of CPUs do not all document alike."""
    case, results = Case.random(*channels), []
    try:
        for name in (hardware, f"{hardware}-emulated"):
            use(name)
            results.append(case.native())
    finally:
        native_module().set_halves("auto")
    got, wanted = (result.float() for result in results)
    torch.testing.assert_close(got, wanted, rtol=2**-7, atol=1e-4 * float(wanted.abs().max()))


def test_no_tensor_is_converted_on_the_way() -> None:
    """The result would be written into a copy."""
    native, rows = native_module(), torch.zeros(1, dtype=torch.int32)
    features, weight = torch.ones(1, 2).bfloat16(), torch.ones(1, 2, 2).bfloat16()
    given = [features, weight, False, rows, rows, torch.tensor([1]), torch.zeros(1, 2).bfloat16()]
    native.sparse_conv_forward(*given)
    assert given[-1].tolist() == [[2.0, 2.0]]
    for place in (0, 1, 3, 4, 5, 6):
        wrong = [*given[:place], given[place].double(), *given[place + 1 :]]
        with pytest.raises(TypeError, match="incompatible function arguments"):
            native.sparse_conv_forward(*wrong)


def test_the_choice_is_named_and_follows_the_instruction_set() -> None:
    native = native_module()
    assert native.halves() == native.available_halves()[0]
    assert {"widened", "dot-emulated", "tiles-emulated"} <= set(native.available_halves())
    with pytest.raises(ValueError, match="by 'fpga' are not available on this machine"):
        native.set_halves("fpga")
    native.set_isa("baseline")
    try:
        assert native.halves() == "widened"
        assert not {"dot", "tiles"} & set(native.available_halves())
        with pytest.raises(ValueError, match="by 'tiles' are not available"):
            native.set_halves("tiles")
    finally:
        native.set_isa("auto")
