"""``sparse3d bench``: finds the scripts, runs them apart, gathers their rows."""

import json
from pathlib import Path

import pytest

from sparse3d.cli import bench
from sparse3d.cli.main import main

SCRIPT = '''"""Measures {name}.

More words.
"""
import argparse, json, os, pathlib

def measure(settings, clock):
    pass

parser = argparse.ArgumentParser()
parser.add_argument("--json", type=pathlib.Path)
parser.add_argument("--again", action="store_true")
parser.add_argument("--quick", action="store_true")
given = parser.parse_args()
print("table of {name}")
if "{name}" == "broken":
    raise SystemExit(3)
row = dict(name="{name}", value=1.0, again=given.again, quick=given.quick, process=os.getpid())
given.json.write_text(json.dumps([row]))
'''


@pytest.fixture
def scripts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of two benchmarks and a script that is none."""
    folder = tmp_path / "benchmarks"
    folder.mkdir()
    for name in ("apples", "pears"):
        (folder / f"{name}.py").write_text(SCRIPT.format(name=name))
    (folder / "report.py").write_text('"""No benchmark."""\nraise SystemExit(1)\n')
    monkeypatch.setattr(bench, "FOLDER", folder)
    return folder


@pytest.mark.usefixtures("scripts")
def test_list_shows_names_and_summaries(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--list"]) == 0
    assert capsys.readouterr().out == "apples  Measures apples.\npears   Measures pears.\n"


def test_list_of_this_clone(capsys: pytest.CaptureFixture[str]) -> None:
    if not bench.FOLDER.is_dir():
        pytest.skip("sparse3d is not imported from a clone")
    assert main(["bench", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert {"limits", "raster_iteration", "raster_scalar"} <= {line.split()[0] for line in lines}
    assert all(line.endswith(".") for line in lines)


@pytest.mark.usefixtures("scripts")
def test_all_are_run_in_processes_of_their_own(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "rows.json"
    assert main(["bench", "--json", str(file)]) == 0
    rows = json.loads(file.read_text())
    assert [row["name"] for row in rows] == ["apples", "pears"]
    assert len({row["process"] for row in rows}) == 2
    assert "table of apples" in capfd.readouterr().out


@pytest.mark.usefixtures("scripts")
def test_named_ones_are_run_with_their_options(tmp_path: Path) -> None:
    file = tmp_path / "rows.json"
    assert main(["bench", "pears", "--quick", "--again", "--json", str(file)]) == 0
    (row,) = json.loads(file.read_text())
    assert (row["name"], row["quick"], row["again"]) == ("pears", True, True)


@pytest.mark.usefixtures("scripts")
def test_json_can_go_to_the_console_alone(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "apples", "--json", "-"]) == 0
    shown = capfd.readouterr()
    assert json.loads(shown.out)[0]["name"] == "apples"
    assert "table of apples" in shown.err


def test_a_failure_is_named_and_the_others_are_kept(
    scripts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (scripts / "broken.py").write_text(SCRIPT.format(name="broken"))
    file = tmp_path / "rows.json"
    assert main(["bench", "--json", str(file)]) == 1
    assert len(json.loads(file.read_text())) == 2
    assert "failed: broken" in capsys.readouterr().err


@pytest.mark.usefixtures("scripts")
def test_an_unknown_name_suggests_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "aples"]) == 2
    assert "did you mean 'apples'?" in capsys.readouterr().err


def test_without_a_clone_the_way_to_one_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bench, "FOLDER", tmp_path / "benchmarks")
    assert main(["bench"]) == 2
    assert "clone the repository" in capsys.readouterr().err
