"""What happens when the script of a benchmark is run."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, TypeVar

import tyro
from rich.console import Console

from harness import cache
from harness.clock import Clock
from harness.machine import Machine, Quietness
from harness.table import table_of
from harness.unavailable import UnavailableError
from sparse3d.ops.backend import has_native, native_module

__all__ = ["run"]

QUICK = Clock(repeats=3, warmups=1)
S = TypeVar("S")
Measure = Callable[[S, Clock], Iterable[Any]]


@dataclass(frozen=True)
class Arguments:
    """Options of every benchmark."""

    json: Path | None = None
    """Write the rows to this file, too."""
    again: bool = False
    """Measure even if there is a stored result of the same settings, machine and code."""
    quick: bool = False
    """Three repeats only, to try a benchmark out; such results are stored apart."""


def run(script: str, measure: Measure[S], settings: S, *, code: Sequence[str]) -> None:
    """Measure or look up, print a table and write JSON, as the words of the command line say.

    Args:
        script: ``__file__`` of the benchmark; its stem is the name.
        measure: Yields rows.
        settings: Dataclass of all that the numbers depend on besides machine and code.
        code: Files and folders of the clone that are measured; the script, the shared code of
            benchmarks and the compiled kernels are added.
    """
    given = tyro.cli(Arguments, description=f"Benchmark {Path(script).stem}")
    console = Console(highlight=False, soft_wrap=True)
    try:
        result = _result(Path(script), measure, settings, code, given, console)
    except UnavailableError as reason:
        console.print(f"{Path(script).stem}: skipped: {reason}", markup=False)
        _write(given.json, [])
        return
    console.print(table_of(Path(script).stem, result.rows))
    _write(given.json, _records(Path(script).stem, result))


def _result(
    script: Path,
    measure: Measure[S],
    settings: S,
    code: Sequence[str],
    given: Arguments,
    console: Console,
) -> cache.Result:
    machine, clock = Machine.here(), QUICK if given.quick else Clock()
    key = cache.cache_key(
        script.stem,
        {
            "settings": asdict(settings),  # pyright: ignore[reportArgumentType]  # a dataclass
            "machine": asdict(machine),
            "clock": asdict(clock),
            "code": _code(script, code),
        },
    )
    stored = None if given.again else cache.load(key)
    if stored is not None:
        console.print(f"{script.stem}: stored result of {stored.measured}", markup=False)
        return stored
    quietness = Quietness.now()
    _tell(script.stem, quietness, console)
    rows = tuple(measure(settings, clock))
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    result = cache.Result(rows, now, str(machine), cache.commit(), quietness.quiet)
    cache.store(key, result)
    return result


def _code(script: Path, code: Sequence[str]) -> str:
    built = [Path(str(native_module().__file__))] if has_native() else []
    return cache.code_state([f"benchmarks/{script.name}", "benchmarks/harness", *code], built)


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
