"""Samples that stay in memory, as long as there is room."""

from collections.abc import Callable
from typing import Generic, TypeVar

__all__ = ["Kept"]

Sample = TypeVar("Sample")


class Kept(Generic[Sample]):
    """The samples that came first stay; the others are made anew each time.

    Args:
        room: Size of all that stay, in any unit.
        make: Makes the sample of a number.
        size: Of a sample, in the unit of ``room``.
    """

    def __init__(
        self, room: int, make: Callable[[int], Sample], size: Callable[[Sample], int]
    ) -> None:
        self._room, self._make, self._size = room, make, size
        self._samples: dict[int, Sample] = {}

    def __getitem__(self, number: int) -> Sample:
        if number in self._samples:
            return self._samples[number]
        sample = self._make(number)
        if self._size(sample) <= self._room:
            self._samples[number] = sample
            self._room -= self._size(sample)
        return sample
