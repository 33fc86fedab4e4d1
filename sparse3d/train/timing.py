"""Where the time of a step goes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from time import perf_counter

from sparse3d.nn.training import PartSeconds

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
    inside: tuple[PartSeconds, ...] = ()
    """What ``losses`` is made of, where the task tells: its parts, and as ``loss`` the rest."""

    def parts(self) -> tuple[PartSeconds, ...]:
        """All parts of a step in their order, those inside of ``losses`` instead of it."""
        return (
            PartSeconds("data", self.data),
            *(self.inside or (PartSeconds("losses", self.losses),)),
            PartSeconds("backward", self.backward),
            PartSeconds("optimizer", self.optimizer),
            PartSeconds("after_step", self.after_step),
        )


class StepClock:
    """Takes the time of the parts of every step.

    Args:
        now: Seconds since any moment.
    """

    def __init__(self, now: Callable[[], float] = perf_counter) -> None:
        self._now = now
        self._marks: list[float] = []
        self._steps: list[tuple[float, ...]] = []
        self._inside: dict[str, list[float]] = {}

    def start(self) -> None:
        """Begin a step."""
        self._marks = [self._now()]

    def lap(self, inside: Sequence[PartSeconds] = ()) -> None:
        """End a part of the step; parts come in the order of :class:`StepSeconds`.

        Args:
            inside: What the part is made of, as far as that is known; in every step alike.
        """
        self._marks.append(self._now())
        if inside:
            rest = self._marks[-1] - self._marks[-2] - sum(part.seconds for part in inside)
            for name, seconds in (*inside, PartSeconds("loss", rest)):
                self._inside.setdefault(name, []).append(seconds)

    def stop(self) -> float:
        """End the step after its last part, and return its seconds."""
        self._steps.append(tuple(end - begin for begin, end in pairwise(self._marks)))
        return sum(self._steps[-1])

    def medians(self) -> StepSeconds:
        """Of each part."""
        steps = (median(part) for part in zip(*self._steps, strict=True))
        inside = (PartSeconds(name, median(each)) for name, each in self._inside.items())
        return StepSeconds(*steps, inside=tuple(inside))

    def median(self) -> float | None:
        """Of whole steps; None where there was none."""
        return median(map(sum, self._steps)) if self._steps else None
