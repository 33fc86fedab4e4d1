"""The shared code of the benchmarks, and a compiler for their peers."""

import shutil
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
# At the end: what is installed comes first, as it does without this.
sys.path.append(str(BENCHMARKS))


@pytest.fixture
def needs_compiler() -> None:
    """Skips where there is no g++."""
    if shutil.which("g++") is None:
        pytest.skip("g++ is needed to compile the peers of the benchmarks")
