"""Timing: warm-up, several repeats, the median and how far the repeats lie apart."""

import gc
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

__all__ = ["Clock", "Timing"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Timing:
    """What several repeats took."""

    seconds: float
    """Median."""
    spread: float
    """Interquartile range as a share of the median."""

    @classmethod
    def of(cls, samples: Sequence[float]) -> "Timing":
        """Of at least two samples, seconds."""
        low, median, high = statistics.quantiles(samples, n=4, method="inclusive")
        return cls(median, (high - low) / median if median else 0.0)


@dataclass(frozen=True, slots=True)
class Clock:
    """How often to repeat."""

    repeats: int = 9
    """Repeats that count."""
    warmups: int = 2
    """Repeats before them that do not."""

    def repeat(self, work: Callable[[], T]) -> list[T]:
        """What ``work`` returns at every repeat that counts; the garbage is collected before."""
        for _ in range(self.warmups):
            work()
        gc.collect()
        return [work() for _ in range(self.repeats)]

    def time(self, work: Callable[[], object]) -> Timing:
        """The wall-clock time of ``work``."""
        return Timing.of(self.repeat(lambda: _seconds(work)))


def _seconds(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin
