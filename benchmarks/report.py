"""Write measured rows, the JSON of ``sparse3d bench``, as tables into the page about them."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import tyro

from harness.cache import ROOT
from harness.rows import Row
from harness.table import COLUMNS, cells

BEGIN, END = "<!-- results -->", "<!-- end of results -->"


@dataclass(frozen=True)
class Arguments:
    """Write results into a page, between its two markers."""

    results: tyro.conf.Positional[Path]
    """What ``sparse3d bench --json`` has written."""
    page: Path = ROOT / "docs" / "benchmarks.md"
    """The page."""


def main() -> int:
    """Run the script."""
    given = tyro.cli(Arguments)
    records = json.loads(given.results.read_text(encoding="utf-8"))
    page = given.page.read_text(encoding="utf-8")
    if page.count(BEGIN) != 1 or page.count(END) != 1 or page.index(END) < page.index(BEGIN):
        print(f"{given.page}: one {BEGIN} before one {END} expected", file=sys.stderr)
        return 2
    given.page.write_text(replace_results(page, records), encoding="utf-8")
    return 0


def replace_results(page: str, records: Sequence[Mapping[str, Any]]) -> str:
    """The page with new text between its markers."""
    before, rest = page.split(BEGIN)
    after = rest.split(END)[1]
    text = "\n".join(_sections(records))
    return f"{before}{BEGIN}\n\n{text}\n{END}{after}"


def _sections(records: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for name, group in groupby(records, lambda record: record["benchmark"]):
        rows = list(group)
        yield f"### {name}\n"
        yield _circumstances(rows[0])
        yield _line(COLUMNS)
        yield _line("---" for _ in COLUMNS)
        yield from (_line(cells(Row.from_json(row))) for row in rows)
        yield ""


def _circumstances(record: Mapping[str, Any]) -> str:
    busy = "" if record["quiet"] else " **The machine was busy: not to be relied on.**"
    date = record["measured"][:10]
    return f"{record['machine']}; commit {record['commit']}, {date}.{busy}\n"


def _line(texts: Sequence[str] | Iterator[str]) -> str:
    shown = (text.replace("  ", "&emsp;").replace("|", "\\|") for text in texts)
    return f"| {' | '.join(shown)} |"


if __name__ == "__main__":
    sys.exit(main())
