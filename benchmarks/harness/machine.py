"""Facts of the machine and the versions that a number depends on, and whether it is quiet."""

import os
import platform
import re
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

import sparse3d
from harness.unavailable import UnavailableError
from sparse3d.ops.backend import has_native, native_module

__all__ = ["Machine", "Quietness", "Watch", "use_threads"]

BUSY = 0.1
"""Cores that other work may use before the machine counts as busy."""
LOOK = 0.5
"""Seconds of looking at what others do."""


@dataclass(frozen=True, slots=True)
class Machine:
    """What stays the same between two runs on the same machine."""

    processor: str
    cores: int
    """Cores this process may use."""
    isa: str
    """Instruction set that the C++ kernels take; ``none`` where they were not built."""
    threads: int
    """Threads of torch at the start; a benchmark may set others."""
    system: str
    python: str
    torch: str
    numpy: str
    sparse3d: str

    @classmethod
    def here(cls) -> "Machine":
        """This machine, this process."""
        return cls(
            processor=_processor(),
            cores=len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1,
            isa=native_module().isa() if has_native() else "none",
            threads=torch.get_num_threads(),
            system=platform.platform(),
            python=platform.python_version(),
            torch=str(torch.__version__),
            numpy=np.__version__,
            sparse3d=sparse3d.__version__,
        )

    def __str__(self) -> str:
        return (
            f"{self.processor}, {self.cores} cores, {self.isa}, torch {self.torch},"
            f" sparse3d {self.sparse3d}"
        )


@dataclass(frozen=True, slots=True)
class Quietness:
    """What else the machine does."""

    load: float
    """Load average of the last minute, benchmarks that ended just now included."""
    busy: float
    """Cores that other work uses; where that cannot be told, the load average."""

    @classmethod
    def now(cls) -> "Quietness":
        """Look for half a second, doing nothing."""
        watch = Watch()
        time.sleep(LOOK)
        return watch.seen()

    @property
    def quiet(self) -> bool:
        """Whether numbers measured now can be trusted."""
        return self.busy <= BUSY


class Watch:
    """Sees how much work of others falls between its start and a later moment."""

    def __init__(self) -> None:
        self._begin, self._others = time.perf_counter(), _others_seconds()

    def seen(self) -> Quietness:
        """Since the start; processes of ours count as our work once they have ended."""
        load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
        now = _others_seconds()
        if now is None or self._others is None:
            return Quietness(load, load)
        return Quietness(load, (now - self._others) / (time.perf_counter() - self._begin))


def use_threads(count: int) -> None:
    """Let torch and the C++ kernels use this many threads.

    Raises:
        UnavailableError: If the kernels do not follow torch, having an OpenMP of their own.
    """
    torch.set_num_threads(count)
    if has_native() and native_module().threads() != count:
        raise UnavailableError("torch and the kernels do not share one OpenMP runtime")


def _others_seconds() -> float | None:
    """Seconds of all cores that were not idle and not ours, since the start; Linux only."""
    table = Path("/proc/stat")
    if not table.is_file():
        return None
    user, nice, kernel, _, _, irq, soft, steal = map(int, table.read_text().split()[1:9])
    busy = (user + nice + kernel + irq + soft + steal) / os.sysconf("SC_CLK_TCK")
    return busy - sum(os.times()[:4])


def _processor() -> str:
    table = Path("/proc/cpuinfo")
    if table.is_file() and (match := re.search(r"model name\s*:\s*(.+)", table.read_text())):
        return match[1]
    return platform.processor() or platform.machine()
