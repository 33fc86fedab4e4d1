"""The C++ entry points of the sparse operators, given rows and widths that may not fit.

Whatever comes, there is an error or what loops over the same rows give; the sanitisers watch the
memory (``make sanitize``).
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from sparse3d.ops.backend import has_native, native_module
from sparse3d.ops.segment._reference import segment_reduce as segments_one_by_one

pytestmark = pytest.mark.skipif(not has_native(), reason="no C++ kernels")

few = st.integers(0, 4)
widths = st.integers(0, 19)


@dataclass
class Rules:
    """Pairs of rows, offset by offset."""

    sources: list[int]
    targets: list[int]
    counts: list[int]
    inputs: int
    outputs: int

    def tensors(self) -> list[Tensor]:
        """Sources and targets."""
        return [torch.tensor(rows, dtype=torch.int32) for rows in (self.sources, self.targets)]

    def fit(self) -> bool:
        """Whether targets grow with each offset, and all rows are there."""
        if min(self.counts, default=0) < 0 or sum(self.counts) != len(self.sources):
            return False
        if len(self.sources) != len(self.targets):
            return False
        chunks = torch.tensor(self.targets, dtype=torch.int64).split(self.counts)
        there = all(0 <= row < self.inputs for row in self.sources)
        return there and all(grow(chunk.tolist(), self.outputs) for chunk in chunks)


@st.composite
def rules(draw: st.DrawFn) -> Rules:
    """Rules that fit, but for what one slip in two of them changes."""
    inputs, outputs = draw(st.integers(1, 6)), draw(st.integers(0, 6))
    chunks = [sorted(draw(st.sets(st.integers(0, 5)))) for _ in range(draw(st.integers(0, 3)))]
    kept = [[row for row in chunk if row < outputs] for chunk in chunks]
    targets = [row for chunk in kept for row in chunk]
    below = st.integers(0, inputs - 1)
    sources = draw(st.lists(below, min_size=len(targets), max_size=len(targets)))
    made = Rules(sources, targets, [len(chunk) for chunk in kept], inputs, outputs)
    slip(draw, draw(st.sampled_from([made.sources, made.targets, made.counts])))
    return made


def slip(draw: st.DrawFn, values: list[int]) -> None:
    """Change, drop or repeat a number, or do nothing."""
    if not values or draw(st.booleans()):
        return
    place = draw(st.integers(0, len(values) - 1))
    values[place : place + 1] = draw(
        st.just([]) | st.just([values[place]] * 2) | st.integers(-2, 7).map(lambda n: [n])
    )


def slipped(values: st.SearchStrategy[list[int]]) -> st.SearchStrategy[list[int]]:
    """Lists of which every other one holds a slip."""

    @st.composite
    def make(draw: st.DrawFn) -> list[int]:
        drawn = list(draw(values))
        slip(draw, drawn)
        return drawn

    return make()


cuts = slipped(st.sets(st.integers(1, 3)).map(lambda inner: [0, *sorted(inner), 4]))


def numbers(count: int, width: int, seed: int = 0) -> Tensor:
    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed))


def accepted(call: Callable[[], object]) -> bool:
    """Whether there was no error; one that is not meant is not caught."""
    try:
        call()
    except (ValueError, TypeError):
        return False
    return True


def grow(rows: list[int], below: int) -> bool:
    return all(0 <= row < below for row in rows) and all(a < b for a, b in pairwise(rows))


@given(rules(), widths)
def test_convolution(rules: Rules, width: int) -> None:
    native, kernels = native_module(), len(rules.counts)
    features, out = numbers(rules.inputs, 3), numbers(rules.outputs, width, 1)
    weight = numbers(3 * kernels, width, 2).view(kernels, 3, width)
    cotangent, gradient = numbers(rules.outputs, width, 3), torch.zeros_like(weight)
    pairs = *rules.tensors(), torch.tensor(rules.counts, dtype=torch.int64)
    good = rules.fit()
    assert good == accepted(
        lambda: native.sparse_conv_forward(features, weight, False, *pairs, out)
    )
    assert good == accepted(
        lambda: native.sparse_conv_weight_gradient(features, cotangent, *pairs, gradient)
    )
    if not good:
        return
    wanted, wanted_gradient = torch.zeros_like(out), torch.zeros_like(weight)
    offsets = [k for k, count in enumerate(rules.counts) for _ in range(count)]
    for k, source, target in zip(offsets, rules.sources, rules.targets, strict=True):
        wanted[target] += features[source] @ weight[k]
        wanted_gradient[k] += features[source][:, None] * cotangent[target]
    torch.testing.assert_close(out, wanted)
    torch.testing.assert_close(gradient, wanted_gradient)


@given(few, few, few, widths, st.booleans())
def test_convolution_of_tensors_that_do_not_fit(
    channels: int, given_channels: int, kernels: int, width: int, transposed: bool
) -> None:
    native = native_module()
    rows, counts = torch.zeros(1, dtype=torch.int32), torch.tensor([1, 0])
    shape = (width, channels) if transposed else (channels, width)
    weight = torch.ones(kernels, *shape)
    out = torch.zeros(1, width)
    features = torch.ones(1, given_channels)
    assert accepted(
        lambda: native.sparse_conv_forward(features, weight, transposed, rows, rows, counts, out)
    ) == (channels == given_channels and kernels == 2)
    assert bool((out == channels).all()) or kernels != 2 or channels != given_channels


@given(rules())
def test_rules_turned_round(rules: Rules) -> None:
    old = rules.tensors()
    new = [torch.full_like(rows, -7) for rows in old]
    good = accepted(lambda: native_module().reverse_rules(*old, rules.counts, rules.inputs, *new))
    if not good:
        return
    for a, b, c, d in zip(*(r.split(rules.counts) for r in (*old, *new)), strict=True):
        there = zip(a.tolist(), b.tolist(), strict=True)
        assert sorted(there) == sorted(zip(d.tolist(), c.tolist(), strict=True))


@given(
    cuts,
    st.none() | slipped(st.permutations(range(4))),
    st.integers(3, 5),
    widths,
    st.sampled_from(["sum", "mean", "max", "first"]),
)
def test_segments(
    cuts: list[int], rows: list[int] | None, count: int, width: int, reduction: str
) -> None:
    native, values = native_module(), numbers(count, width)
    offsets = torch.tensor(cuts, dtype=torch.int64)
    listed = None if rows is None else torch.tensor(rows, dtype=torch.int64)
    reduced, result = numbers(max(0, len(cuts) - 1), width, 1), torch.zeros_like(values)
    good = accepted(lambda: native.reduce_segments(values, listed, offsets, reduction, reduced))
    accepted(
        lambda: native.spread_segments(values, listed, offsets, reduction, reduced, reduced, result)
    )
    named = range(count) if rows is None else rows
    ends = cuts[:1] == [0] and cuts[-1] == len(named)
    assert good == (ends and grow(cuts, len(named) + 1) and all(0 <= row < count for row in named))
    if good:
        wanted = segments_one_by_one(values.double(), offsets, reduction, listed)
        torch.testing.assert_close(reduced.double(), wanted)


@given(
    slipped(st.lists(st.integers(-1, 2), min_size=16, max_size=16)),
    st.integers(2, 5),
    st.integers(1, 2),
    widths,
)
def test_corners(rows: list[int], count: int, points: int, width: int) -> None:
    native, features = native_module(), numbers(count, width)
    corners, weights = torch.tensor(rows[: len(rows) // 8 * 8]).view(-1, 8), numbers(2, 8, 1)
    sums, back = numbers(points, width, 2), torch.zeros_like(features)
    good = points == len(corners) == 2 and all(-1 <= row < count for row in rows[:16])
    assert good == accepted(lambda: native.gather_rows(features, corners, weights, sums))
    assert good == accepted(lambda: native.scatter_rows(sums, corners, weights, back))
    products = torch.zeros(2, 8)
    named = native.multiply_rows
    assert good == accepted(lambda: named(features, corners, sums, products))
    if good:
        found = features.new_zeros(count + 1, width)
        found[:count] = features
        picked = found[torch.where(corners < 0, count, corners)]
        torch.testing.assert_close(sums, (picked * weights[..., None]).sum(1))
        torch.testing.assert_close(products, (picked * sums[:, None]).sum(2))


@given(slipped(st.permutations(range(4)).map(list)), cuts, st.integers(3, 6))
def test_owners(rows: list[int], cuts: list[int], count: int) -> None:
    listed, offsets = torch.tensor(rows), torch.tensor(cuts, dtype=torch.int64)
    owners = torch.full((count,), -7)
    if not accepted(lambda: native_module().write_owners(listed, offsets, owners)):
        return
    segments = torch.arange(len(cuts) - 1).repeat_interleave(offsets.diff()).tolist()
    for owner, number in enumerate(owners.tolist()):
        named = [s for row, s in zip(rows, segments, strict=True) if row == owner]
        assert number in (named or [-1])


@given(
    st.lists(st.floats(width=32), max_size=4),
    st.integers(-1, 3),
    st.lists(st.floats(width=32), min_size=6, max_size=6),
    st.lists(st.sampled_from([-1, 0, 1, 2, 65536, 65537, 1 << 62]), min_size=3, max_size=3),
    st.sampled_from([-1, 0, 2, 16384, 16385]),
)
def test_voxels(
    values: list[float], number: int, box: list[float], shape: list[int], batch_size: int
) -> None:
    native, count = native_module(), len(values)
    positions = torch.tensor(values)[:, None].expand(count, 3).contiguous()
    batch = torch.full((count,), number)
    try:
        plan = native.VoxelPlan(positions, batch, box[:3], box[3:], shape, batch_size)
    except ValueError:
        return
    if not plan.valid():
        assert not (positions.isfinite().all() and 0 <= number < batch_size)
        return
    keys, points = (torch.full((n,), -7) for n in (plan.cells(), plan.points()))
    offsets = torch.full((plan.cells() + 1,), -7)
    plan.write(keys, points, offsets)
    assert len(set(points.tolist())) == len(points) <= count
    assert all(0 <= point < count for point in points.tolist())
    assert grow(keys.tolist(), 1 << 62)
    assert offsets.tolist()[0] == 0
    assert int(offsets[-1]) == plan.points()
