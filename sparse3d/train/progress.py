"""Progress of long work: a bar on a terminal, a line now and then elsewhere."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Protocol, runtime_checkable

from sparse3d.train.loop import StepResult

__all__ = ["Progress", "TrainingProgress", "showing"]


@runtime_checkable
class Progress(Protocol):
    """Shows how much of a number of items is done."""

    def show(self, done: int, total: int, note: str = "") -> None:
        """Called after each item with the number of items done and in all."""
        ...


class TrainingProgress:
    """A watcher of the loop that passes the loss on.

    Args:
        progress: Where to show it.
        total: Number of steps in all.
    """

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress = progress
        self._total = total

    def on_step(self, result: StepResult) -> None:
        """Show the step and its loss."""
        self._progress.show(result.step + 1, self._total, f"loss {result.loss:.4f}")


@contextmanager
def showing(title: str) -> Iterator[Progress]:
    """Progress on stderr while the block runs.

    A terminal gets a bar with rate and time left, anything else about 20 lines.

    Args:
        title: What is done, such as ``training``.
    """
    if not sys.stderr.isatty():
        yield _Lines(title)
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as RichProgress

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[state]}"))
    with RichProgress(*columns, console=Console(stderr=True)) as bar:
        number = bar.add_task(title, total=None, state="")
        pace = _Pace()

        def show(done: int, total: int, note: str = "") -> None:
            bar.update(number, completed=done, total=total, state=pace.text(done, total, note))

        yield _Called(show)


class _Called:
    """Progress by a function."""

    def __init__(self, function: Callable[[int, int, str], None]) -> None:
        self._function = function

    def show(self, done: int, total: int, note: str = "") -> None:
        self._function(done, total, note)


class _Lines:
    """One line at the first item, the last, and every twentieth part of the whole."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._pace = _Pace()

    def show(self, done: int, total: int, note: str = "") -> None:
        text = self._pace.text(done, total, note)
        if done in (1, total) or done % max(1, total // 20) == 0:
            sys.stderr.write(f"{self._title} {text}\n")
            sys.stderr.flush()


class _Pace:
    """Rate and time left: the mean of the first fifty items, then smoothed over about as many."""

    def __init__(self, now: Callable[[], float] = perf_counter) -> None:
        self._now = now
        self._last = (now(), 0)
        self._seconds_each: float | None = None
        self._count = 0

    def text(self, done: int, total: int, note: str) -> str:
        self._advance(done)
        parts = [f"{done}/{total}", note, *self._rate(total - done)]
        return "  ".join(part for part in parts if part)

    def _advance(self, done: int) -> None:
        (then, before), now = self._last, self._now()
        self._last = (now, done)
        if before == 0 or done <= before:
            return  # The first item has no beginning that is known.
        each = (now - then) / (done - before)
        self._count += 1
        old = each if self._seconds_each is None else self._seconds_each
        self._seconds_each = old + (each - old) / min(self._count, 50)

    def _rate(self, left: int) -> list[str]:
        if not self._seconds_each:
            return []
        minutes, seconds = divmod(round(left * self._seconds_each), 60)
        hours, minutes = divmod(minutes, 60)
        time = f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
        rate = 1 / self._seconds_each
        return [
            f"{rate:.1f} it/s" if rate >= 1 else f"{self._seconds_each:.1f} s/it",
            f"{time} left",
        ]
