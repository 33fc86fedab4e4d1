"""What happens when the script of a benchmark is run."""

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Generic, TypeVar

import tyro
from rich.console import Console

from harness import cache
from harness.clock import Clock
from harness.machine import Machine, Quietness, Watch
from harness.rows import Row
from harness.table import table_of
from harness.unavailable import UnavailableError
from sparse3d.ops.backend import has_native, native_module

__all__ = ["run"]

QUICK = Clock(repeats=3, warmups=1)
WIDTH = 160
"""Columns where the output is no terminal."""
S = TypeVar("S")
Measure = Callable[[S, Clock], Iterable[Row]]


@dataclass(frozen=True)
class Arguments:
    """Options of every benchmark."""

    json: Path | None = None
    """Write the rows to this file, too."""
    again: bool = False
    """Measure even if there is a stored result of the same settings, machine and code."""
    quick: bool = False
    """Three repeats only, to try a benchmark out; such results are stored apart."""


@dataclass(frozen=True)
class _Benchmark(Generic[S]):
    name: str
    measure: Measure[S]
    settings: S
    code: Sequence[str]
    folder: Path

    def rows(self, given: Arguments, console: Console) -> cache.Result:
        """Look the result up, or measure it."""
        machine, clock = Machine.here(), QUICK if given.quick else Clock()
        key = self._key(machine, clock)
        stored = None if given.again else cache.load(key, self.folder)
        if stored is not None:
            console.print(f"{self.name}: stored result of {stored.measured}", markup=False)
            return stored
        before, watch = Quietness.now(), Watch()
        _tell(self.name, before, console)
        rows = tuple(self.measure(self.settings, clock))
        during = watch.seen()
        if before.quiet and not during.quiet:
            _tell(self.name, during, console)
        now = datetime.now(timezone.utc).isoformat(timespec="seconds")
        result = cache.Result(
            rows, now, str(machine), cache.commit(), before.quiet and during.quiet
        )
        cache.store(key, result, self.folder)
        return result

    def _key(self, machine: Machine, clock: Clock) -> str:
        own = (f"benchmarks/{self.name}.py", "benchmarks/harness")
        built = [Path(str(native_module().__file__))] if has_native() else []
        settings: Any = self.settings
        parts = {
            "settings": asdict(settings),
            "machine": asdict(machine),
            "clock": asdict(clock),
            "code": cache.code_state([*own, *self.code], built),
        }
        return cache.cache_key(self.name, parts)


def run(
    script: str,
    measure: Measure[S],
    settings: S,
    *,
    code: Sequence[str],
    folder: Path = cache.FOLDER,
) -> None:
    """Measure or look up, print a table and write JSON, as the words of the command line say.

    Args:
        script: ``__file__`` of the benchmark; its stem is the name.
        measure: Yields rows.
        settings: Dataclass of all that the numbers depend on besides machine and code.
        code: Files and folders of the clone that are measured; the script, the shared code of
            benchmarks and the compiled kernels are added.
        folder: Where results are stored.
    """
    name = Path(script).stem
    given = tyro.cli(Arguments, description=f"Benchmark {name}")
    wide = None if sys.stdout.isatty() else WIDTH
    console = Console(highlight=False, soft_wrap=True, width=wide)
    try:
        result = _Benchmark(name, measure, settings, code, folder).rows(given, console)
    except UnavailableError as reason:
        console.print(f"{name}: skipped: {reason}", markup=False)
        _write(given.json, [])
        return
    console.print(table_of(name, result.rows))
    _write(given.json, _records(name, result))


def _tell(name: str, quietness: Quietness, console: Console) -> None:
    load = f"load average {quietness.load:.2f}, other work uses {quietness.busy:.2f} cores"
    if quietness.quiet:
        console.print(f"{name}: measuring; {load}", markup=False)
        return
    console.print(
        f"{name}: WARNING: the machine is not quiet ({load}): the numbers will be worse than"
        " they could be, and are not stored",
        markup=False,
        style="yellow",
    )


def _records(name: str, result: cache.Result) -> list[dict[str, Any]]:
    """Rows that stand for themselves, each with its circumstances."""
    shared = {key: value for key, value in result.to_json().items() if key != "rows"}
    return [{"benchmark": name, **row.to_json(), **shared} for row in result.rows]


def _write(path: Path | None, records: list[dict[str, Any]]) -> None:
    if path is not None:
        path.write_text(json.dumps(records, indent=2) + "\n", encoding="utf-8")
