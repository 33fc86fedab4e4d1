"""Ctrl-C and SIGTERM that let the current step finish."""

import multiprocessing
import os
import signal
import threading
from contextlib import AbstractContextManager
from types import FrameType, TracebackType
from typing import Any

__all__ = ["SIGNALS", "StopRequest"]

SIGNALS = (signal.SIGINT, signal.SIGTERM)
"""Those that end a training after the current step."""


class StopRequest(AbstractContextManager["StopRequest"]):
    """Within its block the first SIGINT or SIGTERM is only noted in :attr:`signal`.

    A second SIGINT raises KeyboardInterrupt at once. Outside the main thread, where Python cannot
    catch signals, it notes nothing.

    Args:
        announce: Whether to say on stderr that the signal was understood.
        forward: Whether to pass it on, as SIGTERM, to the processes that this one has spawned.
    """

    def __init__(self, announce: bool = True, forward: bool = False) -> None:
        self.signal: signal.Signals | None = None
        """Number of the first signal that came."""
        self._announce = announce
        self._forward = forward
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> "StopRequest":
        if threading.current_thread() is threading.main_thread():
            self._previous = {number: signal.signal(number, self._note) for number in SIGNALS}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        del frame
        if self.signal is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        if self.signal is None and self._announce:
            # os.write, because a print may be what the signal has interrupted.
            os.write(2, b"\nstopping after this step (again: at once)\n")
        self.signal = signal.Signals(number) if self.signal is None else self.signal
        for child in multiprocessing.active_children() if self._forward else ():
            child.terminate()
