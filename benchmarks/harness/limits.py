"""The limits of the machine, measured by ``benchmarks/limits.cpp``."""

import ctypes
from pathlib import Path

from harness.compiler import compile_library

__all__ = ["bandwidth", "fma_peak"]

TRIALS = 15
ROUNDS = 3_000_000
"""Some 20 ms a trial."""
FLOATS = 1 << 24
"""Three arrays of 64 MiB, beyond most caches."""


def fma_peak(threads: int = 1) -> float:
    """Floating-point operations a second of float32 FMA, two each: the best of several trials.

    Args:
        threads: How many run at the same time; the result is their sum.
    """
    function = _library().fma_peak
    function.restype, function.argtypes = ctypes.c_double, (ctypes.c_int, ctypes.c_int64)
    return max(function(threads, ROUNDS) for _ in range(TRIALS))


def bandwidth(threads: int = 1) -> float:
    """Bytes a second from and to memory, ``c = a + 2 b`` of large arrays, the best of trials."""
    function = _library().bandwidth
    function.restype, function.argtypes = ctypes.c_double, (ctypes.c_int, ctypes.c_int64)
    return function(threads, FLOATS)


def _library() -> ctypes.CDLL:
    source = Path(__file__).parents[1] / "limits.cpp"
    return compile_library(source, ("-O3", "-march=native", "-ffp-contract=fast", "-fopenmp"))
