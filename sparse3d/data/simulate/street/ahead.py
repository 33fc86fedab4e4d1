"""Frames made ahead of their use, in processes of their own: every one is independent."""

import os
import pickle
import signal
from collections import deque
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from types import TracebackType

import torch

from sparse3d.data.simulate.street.frames import SimulatedFrame, simulate_frame
from sparse3d.errors import UserError

__all__ = ["FramesAhead"]

_WORTH_IT = 50
"""Fewer frames are made sooner than the processes start."""
_MOST = 8


class FramesAhead:
    """Frames 0 to ``count`` - 1 in order; a context manager, as processes must be ended.

    Args:
        seed: Of the streets.
        count: Number of frames.
        with_image: Whether photos are wanted.
        processes: How many make them; by default one a core (8 at most), or none beside this one
            where there are few frames. Results do not depend on it. Processes are spawned: a script
            needs the usual guard, ``if __name__ == "__main__"``.
    """

    def __init__(
        self, seed: int, count: int, with_image: bool, processes: int | None = None
    ) -> None:
        self._seed, self._count, self._with_image = seed, count, with_image
        if processes is None:
            processes = min(_cores(), _MOST) if count >= _WORTH_IT else 1
        self._ahead: deque[Future[bytes]] = deque()
        self._next = self._taken = 0
        self._depth = 2 * processes
        self._pool = _pool(processes) if processes > 1 else None

    def __enter__(self) -> "FramesAhead":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def take(self, index: int) -> SimulatedFrame:
        """The next frame.

        Raises:
            ValueError: If that is not the one of the number.
        """
        if index != self._taken:
            raise ValueError(f"frame {self._taken} is next, got {index}")
        self._taken += 1
        if self._pool is None:
            return simulate_frame(self._seed, index, with_image=self._with_image)
        while self._next < self._count and len(self._ahead) < self._depth:
            task = self._pool.submit(_simulate, self._seed, self._next, self._with_image)
            self._ahead.append(task)
            self._next += 1
        try:
            return pickle.loads(self._ahead.popleft().result())  # of our own process
        except BrokenProcessPool as error:
            problem = "a process that simulates was ended from outside; is there enough memory?"
            raise UserError(problem) from error


def _cores() -> int:
    """That this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _pool(processes: int) -> ProcessPoolExecutor:
    context = get_context("spawn")  # a fork would inherit the threads of torch
    return ProcessPoolExecutor(processes, mp_context=context, initializer=_begin)


def _begin() -> None:
    """One thread a process; Ctrl-C is the business of the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)


def _simulate(seed: int, index: int, with_image: bool) -> bytes:
    """A frame by value: shared memory for every tensor would use up the file descriptors."""
    return pickle.dumps(simulate_frame(seed, index, with_image=with_image))
