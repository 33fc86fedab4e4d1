"""The page of the benchmarks: results between its markers, and nothing else touched."""

import json
from pathlib import Path
from typing import Any

import pytest

import report
from harness import Row
from harness.cache import ROOT

PAGE = f"# Top\n\n{report.BEGIN}\nold\n{report.END}\n\nbelow\n"


def record(benchmark: str, row: Row, quiet: bool = True) -> dict[str, Any]:
    shared = {"measured": "2024-05-06T07:08:09", "machine": "A, 2 cores", "commit": "abc"}
    return {"benchmark": benchmark, **row.to_json(), **shared, "quiet": quiet}


def test_results_stand_between_the_markers() -> None:
    records = [
        record("first", Row("draw", 20.0, "ms", "peer|s", 800.0, goal=40.0, goal_of="ratio")),
        record("first", Row("  of it", 3.0, "ms")),
        record("second", Row("b", 2.0, "s"), quiet=False),
    ]
    page = report.replace_results(PAGE, records)
    assert page.startswith(f"# Top\n\n{report.BEGIN}\n")
    assert page.endswith(f"{report.END}\n\nbelow\n")
    assert "old" not in page
    assert page.count("### ") == 2
    assert "| draw | 20 ms | peer\\|s | 800 ms | 40x | ≥ 40x | yes |" in page
    assert "A, 2 cores; commit abc, 2024-05-06." in page
    assert page.count("busy") == 1


def test_writing_twice_changes_nothing_more() -> None:
    records = [record("first", Row("draw", 20.0, "ms"))]
    once = report.replace_results(PAGE, records)
    assert report.replace_results(once, records) == once


def test_the_script_writes_the_page_and_refuses_one_without_markers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    results, page = tmp_path / "rows.json", tmp_path / "page.md"
    results.write_text(json.dumps([record("first", Row("draw", 20.0, "ms"))]))
    page.write_text(PAGE)
    monkeypatch.setattr("sys.argv", ["report.py", str(results), "--page", str(page)])
    assert report.main() == 0
    assert "| draw | 20 ms |" in page.read_text()
    page.write_text("nothing")
    assert report.main() == 2
    assert "expected" in capsys.readouterr().err
    assert page.read_text() == "nothing"


def test_the_page_describes_every_benchmark() -> None:
    page = (ROOT / "docs/benchmarks.md").read_text(encoding="utf-8")
    for script in (ROOT / "benchmarks").glob("*.py"):
        assert script.stem == "report" or f"`{script.stem}`" in page
    assert page.count(report.BEGIN) == page.count(report.END) == 1
