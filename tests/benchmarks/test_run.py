"""What a script of a benchmark does with its command line."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness import Clock, Row, UnavailableError, cache, run
from harness.machine import Quietness

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

    def run_it(*words: str, busy: float = 0.0, size: int = 3) -> list[dict[str, object]]:
        file = tmp_path / "rows.json"
        monkeypatch.setattr("sys.argv", ["limits.py", "--json", str(file), *words])
        monkeypatch.setattr(Quietness, "now", lambda: Quietness(0.5, busy))
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


def test_a_busy_machine_is_named_and_its_result_not_stored(
    start, capsys: pytest.CaptureFixture[str]
) -> None:
    assert start(busy=1.5)[0]["quiet"] is False
    assert "WARNING: the machine is not quiet" in capsys.readouterr().out
    assert start(busy=1.5)[0]["value"] == 2


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
