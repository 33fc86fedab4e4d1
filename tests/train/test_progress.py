"""Progress on a terminal and elsewhere, and the clock of the steps."""

import io
import sys
from collections.abc import Iterator

import pytest

from sparse3d.nn.training import PartSeconds
from sparse3d.train.loop import StepResult
from sparse3d.train.progress import TrainingProgress, _Pace, showing
from sparse3d.train.timing import StepClock, StepSeconds


def ticks(*seconds: float) -> Iterator[float]:
    yield from seconds


def test_elsewhere_a_line_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    with showing("training") as progress:
        watcher = TrainingProgress(progress, 100)
        for step in range(100):
            watcher.on_step(StepResult(step, {"a": 0.25, "b": 0.5}))
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "training 1/100  loss 0.7500"
    assert len(lines) == 21
    assert lines[-1].startswith("training 100/100  loss 0.7500  ")
    assert lines[-1].endswith("0:00 left")


def test_on_a_terminal_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        """Says that it is one."""

        def isatty(self) -> bool:
            """It is."""
            return True

    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("COLUMNS", "100")
    with showing("training") as progress:
        for done in range(1, 4):
            progress.show(done, 3, "loss 0.5")
    assert "3/3  loss 0.5" in stream.getvalue()


@pytest.mark.parametrize(
    ("seconds", "done", "text"),
    [
        (0.25, 2, "2/10  4.0 it/s  0:02 left"),
        (3.0, 2, "2/10  3.0 s/it  0:24 left"),
        (1000.0, 2, "2/10  1000.0 s/it  2:13:20 left"),
    ],
)
def test_rate_and_time_left(seconds: float, done: int, text: str) -> None:
    clock = ticks(0.0, 50.0, 50.0 + seconds)
    pace = _Pace(lambda: next(clock))
    assert pace.text(1, 10, "") == "1/10"
    assert pace.text(done, 10, "") == text


def test_the_rate_is_a_mean_at_first() -> None:
    clock = ticks(0.0, 9.0, 10.0, 13.0)
    pace = _Pace(lambda: next(clock))
    for done in (1, 2):
        pace.text(done, 4, "")
    assert pace.text(3, 4, "") == "3/4  2.0 s/it  0:02 left"


def test_the_clock_gives_medians_of_parts() -> None:
    marks = ticks(0, 1, 3, 6, 10, 15, 20, 22, 24, 26, 28, 130)
    clock = StepClock(lambda: float(next(marks)))
    assert clock.median() is None
    totals = []
    for _ in range(2):
        clock.start()
        for _ in range(5):
            clock.lap()
        totals.append(clock.stop())
    assert totals == [15.0, 110.0]
    assert clock.medians() == StepSeconds(1.5, 2.0, 2.5, 3.0, 53.5)
    assert clock.median() == 62.5


def test_the_clock_takes_over_what_a_part_is_made_of() -> None:
    marks = ticks(0, 1, 7, 8, 9, 9, 10, 12, 22, 23, 24, 24)
    clock = StepClock(lambda: float(next(marks)))
    for sort, draw in ((1.0, 3.0), (2.0, 5.0)):
        clock.start()
        clock.lap()
        clock.lap([PartSeconds("sort", sort), PartSeconds("draw", draw)])
        for _ in range(3):
            clock.lap()
        clock.stop()
    seconds = clock.medians()
    assert seconds.losses == 8.0
    assert seconds.inside == (("sort", 1.5), ("draw", 4.0), ("loss", 2.5))
    names = "data sort draw loss backward optimizer after_step"
    assert [part.name for part in seconds.parts()] == names.split()
    assert sum(part.seconds for part in seconds.parts()) == clock.median()


def test_a_part_that_nobody_divides_stays_whole() -> None:
    parts = StepSeconds(1.0, 2.0, 3.0, 4.0, 5.0).parts()
    names = ("data", "losses", "backward", "optimizer", "after_step")
    assert parts == tuple(zip(names, (1.0, 2.0, 3.0, 4.0, 5.0), strict=True))
