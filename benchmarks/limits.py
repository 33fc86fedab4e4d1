"""What the machine can do at most: multiply-adds of a core, memory bandwidth."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from harness import Clock, Row, run
from harness.limits import bandwidth, fma_peak


@dataclass(frozen=True)
class Settings:
    """How many threads to compare with one."""

    threads: int


def measure(settings: Settings, clock: Clock) -> Iterator[Row]:
    """Limits of one core, and of all beside it."""
    del clock  # a limit is the best of its trials, not their median
    kinds = (("FMA, float32", "GFLOP/s", fma_peak), ("memory, triad", "GB/s", bandwidth))
    for what, unit, limit in kinds:
        single, many = limit(1) / 1e9, limit(settings.threads) / 1e9
        yield Row(f"{what}, 1 thread", single, unit, better="higher")
        yield Row(
            f"{what}, {settings.threads} threads", many, unit, "1 thread", single, better="higher"
        )


if __name__ == "__main__":
    run(__file__, measure, Settings(torch.get_num_threads()), code=["benchmarks/limits.cpp"])
