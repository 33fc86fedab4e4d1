"""Measure speed and memory beside peers and limits of the machine."""

import ast
import difflib
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

import sparse3d
from sparse3d.cli.arguments import parse
from sparse3d.cli.results import write_json
from sparse3d.errors import DataError, UserError

__all__ = ["main"]

FOLDER = Path(sparse3d.__file__).resolve().parents[1] / "benchmarks"
"""The scripts, in the clone that this package is imported from."""
FAILED = 1
STDERR = 2


@dataclass(frozen=True)
class Arguments:
    """Run the benchmarks of a clone; each prints a table, stored until what it measures changes."""

    names: tyro.conf.Positional[tuple[str, ...]] = ()
    """Which of them; all if none is named."""
    show: Annotated[bool, tyro.conf.arg(name="list")] = False
    """List the benchmarks, measure nothing."""
    json: Path | None = None
    """Write all rows to this file, too (``-``: print them in place of the tables)."""
    again: bool = False
    """Measure even where there is a stored result of the same settings, machine and code."""
    quick: bool = False
    """Three repeats only: to see that the benchmarks work, not to report."""


@dataclass(frozen=True)
class Benchmark:
    """One script."""

    name: str
    file: Path
    summary: str
    """First line of its docstring."""


def main(arguments: Sequence[str]) -> int:
    """Run ``sparse3d bench``."""
    given = parse(Arguments, "bench", arguments)
    chosen = _choose(_find(FOLDER), given.names)
    if given.show:
        width = max(len(one.name) for one in chosen)
        print("\n".join(f"{one.name:<{width}}  {one.summary}" for one in chosen))
        return 0
    rows, failed = _run_all(chosen, given)
    if given.json is not None:
        write_json(given.json, rows)
    if failed:
        print(f"sparse3d bench: failed: {', '.join(failed)}", file=sys.stderr)
    return FAILED if failed else 0


def _find(folder: Path) -> list[Benchmark]:
    """The scripts of a folder that define ``measure``; none of them is imported."""
    if not folder.is_dir():
        raise DataError(
            folder,
            "benchmarks are not part of the installed package: clone the repository, and in it"
            " pip install -e . (or make install)",
        )
    found = (_read(file) for file in sorted(folder.glob("*.py")))
    return [benchmark for benchmark in found if benchmark is not None]


def _read(file: Path) -> Benchmark | None:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    if "measure" not in functions:
        return None
    return Benchmark(file.stem, file, (ast.get_docstring(tree) or "").partition("\n")[0])


def _choose(benchmarks: Sequence[Benchmark], names: Sequence[str]) -> list[Benchmark]:
    by_name = {one.name: one for one in benchmarks}
    for name in names:
        if name not in by_name:
            nearest = difflib.get_close_matches(name, by_name, n=1, cutoff=0.5)
            hint = f"did you mean {nearest[0]!r}?" if nearest else "see sparse3d bench --list"
            raise UserError(f"there is no benchmark {name!r}; {hint}")
    return [by_name[name] for name in names] if names else list(benchmarks)


def _run_all(
    benchmarks: Sequence[Benchmark], given: Arguments
) -> tuple[list[dict[str, Any]], list[str]]:
    """The rows of all, and the names of those that failed."""
    rows: list[dict[str, Any]] = []
    failed: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        for benchmark in benchmarks:
            file = Path(folder) / f"{benchmark.name}.json"
            if _run(benchmark, file, given):
                rows += json.loads(file.read_text(encoding="utf-8"))
            else:
                failed.append(benchmark.name)
    return rows, failed


def _run(benchmark: Benchmark, file: Path, given: Arguments) -> bool:
    """Run one in a process of its own, as others' memory and threads must not count."""
    switches = [f"--{name}" for name in ("again", "quick") if getattr(given, name)]
    words = [sys.executable, str(benchmark.file), "--json", str(file), *switches]
    printed = STDERR if given.json == Path("-") else None
    return subprocess.run(words, stdout=printed, check=False).returncode == 0
