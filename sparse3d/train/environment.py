"""The surroundings of a run: versions, threads, global random states, determinism."""

import os
import platform
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from sparse3d import __version__
from sparse3d.ops.backend import has_native

__all__ = [
    "Environment",
    "describe",
    "deterministic",
    "random_state",
    "seed_everything",
    "set_random_state",
]


@dataclass(frozen=True, slots=True)
class Environment:
    """What the last bits of a result depend on besides code, data and seed."""

    sparse3d: str = ""
    python: str = ""
    torch: str = ""
    numpy: str = ""
    threads: int = 0
    """Threads of torch in each process."""

    @classmethod
    def current(cls) -> "Environment":
        """That of this process."""
        return cls(
            sparse3d=__version__,
            python=platform.python_version(),
            torch=str(torch.__version__),
            numpy=np.__version__,
            threads=torch.get_num_threads(),
        )


def describe() -> str:
    """One line for people: what the work is done with."""
    kernels = "C++ CPU kernels" if has_native() else "torch kernels (no C++ kernels were built)"
    threads = torch.get_num_threads()
    return f"torch {torch.__version__}, {threads} thread{'s' * (threads != 1)}, {kernels}"


def seed_everything(seed: int) -> None:
    """Seed the global generators of python, numpy and torch."""
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 # others' code may draw from the global state
    torch.manual_seed(seed)


def random_state() -> dict[str, Any]:
    """The global random states of this process as tensors, numbers and lists."""
    _, keys, position, has_gauss, gauss = np.random.get_state()  # noqa: NPY002 # as above
    version, words, spare = random.getstate()
    state: dict[str, Any] = {
        "torch": torch.get_rng_state(),
        "numpy": [torch.from_numpy(np.asarray(keys).astype(np.int64)), position, has_gauss, gauss],
        "python": [version, list(words), spare],
    }
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        state["cuda"] = torch.cuda.get_rng_state_all()
    return state


def set_random_state(state: Mapping[str, Any]) -> None:
    """Continue the random numbers where :func:`random_state` was called."""
    keys, position, has_gauss, gauss = state["numpy"]
    numbers = keys.numpy().astype(np.uint32)
    np.random.set_state(("MT19937", numbers, position, has_gauss, gauss))  # noqa: NPY002 # as above
    version, words, spare = state["python"]
    random.setstate((version, tuple(words), spare))
    torch.set_rng_state(state["torch"])
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(state["cuda"])


@contextmanager
def deterministic(device: torch.device) -> Iterator[None]:
    """Deterministic torch algorithms within the block.

    On the CPU an operation that has none is an error. On other devices, where losses of common
    use have none, torch names them in a warning.
    """
    mode = torch.get_deterministic_debug_mode()
    switches: Any = torch.utils.deterministic  # has properties that type checkers do not see
    filling = switches.fill_uninitialized_memory
    if device.type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    # Not use_deterministic_algorithms: that imports torch's compiler, which takes seconds.
    torch.set_deterministic_debug_mode("error" if device.type == "cpu" else "warn")
    switches.fill_uninitialized_memory = False
    try:
        yield
    finally:
        torch.set_deterministic_debug_mode(mode)
        switches.fill_uninitialized_memory = filling
