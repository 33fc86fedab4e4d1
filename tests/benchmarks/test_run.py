"""What a script of a benchmark does with its command line."""

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness import Clock, Row, UnavailableError, cache, run
from harness.machine import Quietness, Watch

SCRIPT = str(cache.ROOT / "benchmarks/limits.py")  # stands for any script


@dataclass(frozen=True)
class Settings:
    """What a toy benchmark depends on."""

    size: int = 3


@pytest.fixture
def start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., list[dict[str, object]]]:
    """Runs a benchmark that counts its calls, on a machine as quiet as the test says."""
    calls: list[int] = []

    def measure(settings: Settings, clock: Clock) -> Iterator[Row]:
        calls.append(clock.repeats)
        yield Row("calls", float(len(calls)), "", goal=float(settings.size))

    def run_it(
        *words: str, busy: float = 0.0, later: float = 0.0, size: int = 3
    ) -> list[dict[str, object]]:
        file = tmp_path / "rows.json"
        monkeypatch.setattr("sys.argv", ["limits.py", "--json", str(file), *words])
        monkeypatch.setattr(Quietness, "now", lambda: Quietness(0.5, busy))
        monkeypatch.setattr(Watch, "seen", lambda _: Quietness(0.5, later))
        run(SCRIPT, measure, Settings(size), code=[], folder=tmp_path / "cache")
        return json.loads(file.read_text())

    return run_it


def test_rows_are_written_with_their_circumstances(start) -> None:
    (row,) = start()
    assert (row["benchmark"], row["name"], row["value"], row["met"]) == ("limits", "calls", 1, True)
    assert row["quiet"] is True
    assert row["machine"]
    assert row["commit"]


def test_a_stored_result_is_not_measured_again(start, capsys: pytest.CaptureFixture[str]) -> None:
    first = start()
    assert start() == first
    assert "stored result" in capsys.readouterr().out


@pytest.mark.parametrize("words", [("--again",), ("--quick",)])
def test_it_is_if_asked_to_be_or_measured_otherwise(start, words: tuple[str, ...]) -> None:
    start()
    assert start(*words)[0]["value"] == 2


def test_other_settings_are_measured(start) -> None:
    start()
    assert start(size=4)[0]["value"] == 2


@pytest.mark.parametrize("busy", [{"busy": 1.5}, {"later": 1.5}])
def test_a_machine_busy_before_or_meanwhile_is_named_and_its_result_not_stored(
    start, busy: dict[str, float], capsys: pytest.CaptureFixture[str]
) -> None:
    assert start(**busy)[0]["quiet"] is False
    assert capsys.readouterr().out.count("WARNING: the machine is not quiet") == 1
    assert start(**busy)[0]["value"] == 2


def test_work_of_our_own_is_not_that_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """All cores were busy for 10 s, 8 s of it with our own threads and processes."""
    table, times = [100.0, 110.0], [(1.0, 0.5, 0.5, 0.0, 0.0), (6.0, 2.0, 1.5, 0.5, 0.0)]
    ticks = os.sysconf("SC_CLK_TCK")
    line = (f"cpu {int(busy * ticks)} 0 0 999 9 0 0 0 0 0\n" for busy in table)
    monkeypatch.setattr(Path, "is_file", lambda _: True)
    monkeypatch.setattr(Path, "read_text", lambda _: next(line))
    own, clock = iter(times), iter([50.0, 60.0])
    monkeypatch.setattr("os.times", lambda: next(own))
    monkeypatch.setattr("time.perf_counter", lambda: next(clock))
    assert Watch().seen().busy == pytest.approx(0.2)


def test_what_cannot_be_measured_here_is_skipped_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def measure(settings: Settings, clock: Clock) -> Iterator[Row]:
        raise UnavailableError("no guitar")
        yield Row(str(settings), clock.repeats, "")

    file = tmp_path / "rows.json"
    monkeypatch.setattr("sys.argv", ["limits.py", "--again", "--json", str(file)])
    monkeypatch.setattr(Quietness, "now", lambda: Quietness(0.0, 0.0))
    run(SCRIPT, measure, Settings(), code=[], folder=tmp_path)
    assert json.loads(file.read_text()) == []
    assert "limits: skipped: no guitar" in capsys.readouterr().out
