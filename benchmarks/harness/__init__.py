"""What benchmarks share: rows, timing, the cache, facts of the machine, and how a script is run.

A benchmark is a script in ``benchmarks/`` with a function ``measure(settings, clock)`` that yields
rows, and a call of :func:`run`. It is run by path or by ``sparse3d bench``, never imported.
"""

from harness.clock import Clock, Timing
from harness.compiler import compile_library
from harness.rows import Row
from harness.run import run
from harness.unavailable import UnavailableError

__all__ = ["Clock", "Row", "Timing", "UnavailableError", "compile_library", "run"]
