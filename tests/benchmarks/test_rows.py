"""Rows: what a ratio is, when a goal is met, how they are written."""

import json

import pytest

from harness import Clock, Row, Timing
from harness.table import cells


def test_a_time_is_better_than_its_peer_by_the_peers_over_its_own() -> None:
    assert Row("draw", 5.0, "ms", "scalar", 200.0).ratio == 40.0


def test_a_rate_is_better_than_its_peer_by_its_own_over_the_peers() -> None:
    assert Row("pairs", 3.0, "G/s", "peak", 12.0, better="higher").ratio == 0.25


def test_without_a_peer_there_is_no_ratio() -> None:
    assert Row("draw", 5.0, "ms").ratio is None


def test_a_rate_of_zero_has_no_infinite_ratio() -> None:
    assert Row("draw", 0.0, "ms", "scalar", 1.0).ratio is None


@pytest.mark.parametrize(
    ("row", "met"),
    [
        (Row("a", 35.0, "ms", goal=35.0), True),
        (Row("a", 35.1, "ms", goal=35.0), False),
        (Row("a", 20.0, "1/s", goal=20.0, better="higher"), True),
        (Row("a", 19.9, "1/s", goal=20.0, better="higher"), False),
        (Row("a", 2.0, "ms", "b", 80.0, goal=40.0, goal_of="ratio"), True),
        (Row("a", 2.0, "ms", "b", 79.0, goal=40.0, goal_of="ratio"), False),
        (Row("a", 2.0, "ms", goal=40.0, goal_of="ratio"), None),
        (Row("a", 2.0, "ms"), None),
    ],
)
def test_goal(row: Row, met: bool | None) -> None:
    assert row.met is met


def test_json_holds_the_promised_names_and_gives_the_row_back() -> None:
    row = Row("a", 2.0, "ms", "b", 80.0, goal=40.0, goal_of="ratio", spread=0.1)
    data = json.loads(json.dumps(row.to_json()))
    assert set(data) >= {"name", "value", "unit", "peer", "peer_value", "ratio", "goal"}
    assert (data["ratio"], data["met"]) == (40.0, True)
    assert Row.from_json({**data, "benchmark": "c"}) == row


def test_cells_say_which_way_a_goal_goes() -> None:
    assert cells(Row("a", 12345.6, "ms", goal=35.0))[1:] == (
        "12,346 ms",
        "",
        "",
        "",
        "≤ 35 ms",
        "no",
    )
    row = Row("a", 2.0, "ms", "b", 80.0, goal=40.0, goal_of="ratio", spread=0.1)
    assert cells(row) == ("a", "2 ms ±5 %", "b", "80 ms", "40x", "≥ 40x", "yes")


def test_a_clock_warms_up_and_repeats() -> None:
    calls: list[int] = []
    assert Clock(repeats=7, warmups=2).repeat(lambda: calls.append(1)) == [None] * 7
    assert len(calls) == 9


def test_a_timing_is_the_median_and_the_interquartile_range() -> None:
    timing = Timing.of([4.0, 1.0, 100.0, 3.0, 2.0])
    assert timing.seconds == 3.0
    assert timing.spread == pytest.approx((4.0 - 2.0) / 3.0)
