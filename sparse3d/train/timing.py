"""Where the time of a step goes."""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from time import perf_counter

__all__ = ["StepClock", "StepSeconds"]


@dataclass(frozen=True, slots=True)
class StepSeconds:
    """Medians over steps, in seconds; zero where no step was taken."""

    data: float = 0.0
    losses: float = 0.0
    backward: float = 0.0
    """With the averaging over processes."""
    optimizer: float = 0.0
    after_step: float = 0.0


class StepClock:
    """Takes the time of the parts of every step.

    Args:
        now: Seconds since any moment.
    """

    def __init__(self, now: Callable[[], float] = perf_counter) -> None:
        self._now = now
        self._marks: list[float] = []
        self._steps: list[tuple[float, ...]] = []

    def start(self) -> None:
        """Begin a step."""
        self._marks = [self._now()]

    def lap(self) -> None:
        """End a part of the step; parts come in the order of :class:`StepSeconds`."""
        self._marks.append(self._now())

    def stop(self) -> float:
        """End the step after its last part, and return its seconds."""
        pairs = zip(self._marks, self._marks[1:], strict=False)
        self._steps.append(tuple(end - begin for begin, end in pairs))
        return sum(self._steps[-1])

    def medians(self) -> StepSeconds:
        """Of each part."""
        return StepSeconds(*(median(part) for part in zip(*self._steps, strict=True)))

    def median(self) -> float | None:
        """Of whole steps; None where there was none."""
        return median(map(sum, self._steps)) if self._steps else None
