"""The check of the aarch64 build: how numbers are compared, what it says without its tools."""

import importlib.util
import shutil
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

SCRIPTS = Path(__file__).resolve().parents[1] / "scripts"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("compare_numbers", SCRIPTS / "compare_numbers.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("exact a 1 nan -inf", "exact a 1 nan -inf"),
        ("exact empty", "exact empty"),
        ("close a 100 0.0005 nan", "close a 100.0009 0 nan"),  # 1e-5 of the row's largest
        ("close a 0 0", "close a 0 -0"),
        ("close a inf 1", "close a inf 1.000001"),
    ],
)
def test_rows_that_agree(script: ModuleType, ours: str, theirs: str) -> None:
    assert script.compare(ours, theirs) == []


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("exact a 1 2", "exact a 1 2.0000001"),
        ("close a 100 1", "close a 100 1.002"),
        ("close a 1 nan", "close a 1 1"),
        ("close a 1 1", "close a 1 nan"),
        ("close a 1 inf", "close a 1 -inf"),
        ("close a 1 2", "close a 1"),
        ("close a 1", "close b 1"),
        ("close a 1", "exact a 1"),
    ],
)
def test_rows_that_differ(script: ModuleType, ours: str, theirs: str) -> None:
    (line,) = script.compare(ours, theirs)
    assert " a" in line


def test_a_build_that_stops_early_differs(script: ModuleType) -> None:
    assert script.compare("exact a 1\nexact b 1", "exact a 1") == ["2 rows against 1"]
    assert script.compare("", "") == ["0 rows against 0"]


def test_a_missing_tool_is_named_with_the_line_that_installs_it(tmp_path: Path) -> None:
    for tool in ("dirname", "head"):
        (tmp_path / tool).symlink_to(str(shutil.which(tool)))
    done = subprocess.run(
        [str(shutil.which("sh")), str(SCRIPTS / "check_aarch64.sh")],
        env={"PATH": str(tmp_path), "PYTHON": "unused"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "aarch64-linux-gnu-g++ is missing" in done.stderr
    assert "apt-get install g++-aarch64-linux-gnu qemu-user" in done.stderr
