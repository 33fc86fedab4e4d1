"""Raw calls of the bindings of pooling: what is accepted is right, all else is refused."""

from collections.abc import Callable
from itertools import accumulate
from math import isnan

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sparse3d.ops.backend import has_native, native_module
from sparse3d.ops.pool import _reference as reference

pytestmark = pytest.mark.skipif(not has_native(), reason="no C++ kernels")
DTYPES = (torch.float32, torch.bfloat16)
Rules = tuple[list[int], list[int], list[int], int, int]
"""Sources, targets and counts of pairs, numbers of inputs and outputs."""


def random_values(rows: int, channels: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """With ties, infinities and what is not a number."""
    rng = torch.Generator().manual_seed(rows + channels)
    values = torch.randn(rows, channels, generator=rng).round(decimals=1)
    for odd, share in ((torch.nan, 0.02), (torch.inf, 0.05), (-torch.inf, 0.2)):
        values[torch.rand(values.shape, generator=rng) < share] = odd
    return values.to(dtype)


@st.composite
def any_pairs(draw: st.DrawFn) -> Rules:
    """Of a few offsets; most are good."""
    inputs, outputs = draw(st.integers(0, 5)), draw(st.integers(0, 5))
    odd = st.sampled_from([-(2**31), -1, 5, 6, 2**31 - 1])
    sources, targets, counts = [], [], []
    for _ in range(draw(st.integers(0, 3))):
        places = draw(st.sets(st.integers(0, max(outputs - 1, 0)), max_size=outputs))
        row = st.integers(0, max(inputs - 1, 0))
        sources += [draw(row) for _ in places]
        targets += sorted(places)
        counts.append(len(places))
    for rows in (sources, targets):
        if rows and draw(st.integers(0, 3)) == 0:
            rows[draw(st.integers(0, len(rows) - 1))] = draw(st.one_of(odd, st.integers(0, 5)))
    if counts and draw(st.integers(0, 5)) == 0:
        counts[draw(st.integers(0, len(counts) - 1))] += draw(st.sampled_from([-9, -1, 1, 2**62]))
    return sources, targets, counts, inputs, outputs


def are_good(rules: Rules) -> bool:
    """Whether the kernels can take them."""
    sources, targets, counts, inputs, outputs = rules
    if sum(counts) != len(sources) or min(counts, default=0) < 0:
        return False
    ends = list(accumulate(counts))
    parts = [targets[end - count : end] for end, count in zip(ends, counts, strict=True)]
    return (
        all(sorted(set(own)) == own for own in parts)
        and all(0 <= row < inputs for row in sources)
        and all(0 <= row < outputs for row in targets)
    )


@settings(max_examples=300)
@given(rules=any_pairs(), dtype=st.sampled_from(DTYPES), channels=st.integers(0, 9))
def test_bindings_take_good_pairs_and_no_others(
    rules: Rules, dtype: torch.dtype, channels: int
) -> None:
    sources, targets, counts, inputs, outputs = rules
    native, features = native_module(), random_values(inputs, channels, dtype)
    finite, divisors = features.nan_to_num(3, 2, -2), torch.arange(1.0, inputs + 1)
    rows = [torch.tensor(each, dtype=torch.int32) for each in (sources, targets)]
    given_rules = (*rows, torch.tensor(counts, dtype=torch.int64))
    largest, means, shares = torch.empty(3, outputs, channels, dtype=dtype).unbind()
    winners, reads = torch.empty(outputs, channels, dtype=torch.int64), torch.empty(outputs)
    calls: tuple[Callable[[], None], ...] = (
        lambda: native.pool_largest(features, *given_rules, largest, winners),
        lambda: native.pool_means(finite, *given_rules, means, reads),
        lambda: native.pool_shares(finite, divisors, *given_rules, shares),
    )
    if not are_good(rules):
        for call in calls:
            with pytest.raises(ValueError, match=r"counts must be|pairs must name"):
                call()
        return
    for call in calls:
        call()
    for row in range(outputs):
        read = [source for source, target in zip(sources, targets, strict=True) if target == row]
        for channel in range(channels):
            best = first_largest([float(features[source, channel]) for source in read])
            assert winners[row, channel] == (-1 if best is None else read[best])
            own = largest[row, channel]
            wanted = own.new_zeros(()) if best is None else features[read[best], channel]
            torch.testing.assert_close(own, wanted, rtol=0, atol=0, equal_nan=True)
        total = finite[read].double().sum(0)
        share = (finite[read].double() / divisors[read, None]).sum(0)
        assert reads[row] == max(1, len(read))
        torch.testing.assert_close(means[row], (total / max(1, len(read))).to(dtype))
        torch.testing.assert_close(shares[row], share.to(dtype))


def first_largest(offered: list[float]) -> int | None:
    """The first that is not a number, else the first of the largest."""
    for place, value in enumerate(offered):
        if isnan(value):
            return place
    return offered.index(max(offered)) if offered else None


@settings(max_examples=200)
@given(
    rows=st.integers(0, 4),
    channels=st.integers(0, 3),
    inputs=st.integers(0, 4),
    dtype=st.sampled_from(DTYPES),
    data=st.data(),
)
def test_bindings_take_good_winners_and_no_others(
    rows: int, channels: int, inputs: int, dtype: torch.dtype, data: st.DataObject
) -> None:
    odd = st.sampled_from([-(2**63), -2, inputs, 2**31, 2**62, 2**63 - 1])
    winner = st.one_of(st.integers(-1, inputs - 1), st.integers(-1, inputs - 1), odd)
    size = rows * channels
    drawn = data.draw(st.lists(winner, min_size=size, max_size=size))
    winners = torch.tensor(drawn, dtype=torch.int64).reshape(rows, channels)
    native, values = native_module(), torch.arange(1.0, size + 1).reshape(rows, channels).to(dtype)
    out, back = torch.empty(inputs, channels, dtype=dtype), torch.empty_like(values)
    if any(not -1 <= each < inputs for each in drawn):
        with pytest.raises(ValueError, match="winners must be -1 or rows"):
            native.scatter_to_winners(values, winners, out)
        with pytest.raises(ValueError, match="winners must be -1 or rows"):
            native.gather_from_winners(out, winners, back)
        return
    native.scatter_to_winners(values, winners, out)
    if inputs and channels:
        wanted = reference.max_unpool(values.double(), winners.tolist(), inputs)
        assert torch.equal(out.double(), wanted)
    native.gather_from_winners(out, winners, back)
    for row in range(rows):
        for channel in range(channels):
            own = int(winners[row, channel])
            assert back[row, channel] == (0 if own < 0 else out[own, channel])


def test_bindings_refuse_other_shapes_and_dtypes() -> None:
    native = native_module()
    row, one = torch.zeros(1, dtype=torch.int32), torch.ones(1, dtype=torch.int64)
    features, winners = torch.ones(1, 2), torch.zeros(1, 2, dtype=torch.int64)
    for bad in (torch.zeros(1, 3), torch.zeros(0, 2)):
        with pytest.raises(ValueError, match=r"extent|pairs must name"):
            native.pool_largest(features, row, row, one, bad, winners)
        with pytest.raises(ValueError, match="extent"):
            native.scatter_to_winners(bad, winners, torch.zeros(1, 2))
        with pytest.raises(ValueError, match="extent"):
            native.gather_from_winners(features, winners, bad)
    with pytest.raises(ValueError, match="extent"):
        native.pool_means(features, row, row, one, torch.zeros(1, 2), torch.zeros(2))
    with pytest.raises(ValueError, match="extent"):
        native.pool_shares(features, torch.ones(2), row, row, one, torch.zeros(1, 2))
    with pytest.raises(ValueError, match="extent"):
        native.pool_largest(features, row, row[:0], one, torch.zeros(1, 2), winners)
    for bad in (torch.zeros(1, 2).double(), torch.zeros(1, 4)[:, ::2], torch.zeros(2)):
        with pytest.raises(TypeError, match="incompatible function arguments"):
            native.scatter_to_winners(features, winners, bad)
    for bad in (winners.int(), torch.zeros(1, 4, dtype=torch.int64)[:, ::2]):
        with pytest.raises(TypeError, match="incompatible function arguments"):
            native.pool_largest(features, row, row, one, torch.zeros(1, 2), bad)
