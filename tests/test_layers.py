"""The import contracts of pyproject.toml catch what they are there to catch.

``make lint`` checks them on the package itself; here they are put to a package of the same shape
with one faulty import each.
"""

import subprocess
import sys
from pathlib import Path

import pytest

PYPROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"
LAYERS = (
    *("cli", "view", "train", "detect", "segment", "splat"),
    *("data", "nn", "ops", "scene", "geometry"),
)


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """An empty package ``lookalike`` with our layers and our contracts."""
    config = PYPROJECT.read_text(encoding="utf-8").replace("sparse3d", "lookalike")
    begin = config.index("[tool.importlinter]")
    (tmp_path / "pyproject.toml").write_text(config[begin:], encoding="utf-8")
    root = tmp_path / "lookalike"
    for folder in (root, *(root / layer for layer in LAYERS)):
        folder.mkdir()
        (folder / "__init__.py").touch()
    (root / "errors.py").touch()
    return root


def contracts_hold(package: Path) -> tuple[bool, str]:
    program = "from importlinter.cli import lint_imports_command as lint; lint()"
    done = subprocess.run(
        [sys.executable, "-c", program, "--no-cache", "--no-logo"],
        cwd=package.parent,
        env={"PYTHONPATH": str(package.parent), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode == 0, done.stdout + done.stderr


def test_imports_that_go_down_are_fine(package: Path) -> None:
    (package / "cli" / "__init__.py").write_text("import lookalike.splat\n")
    (package / "splat" / "__init__.py").write_text("import lookalike.scene, lookalike.errors\n")
    held, shown = contracts_hold(package)
    assert held, shown


@pytest.mark.parametrize(
    ("importer", "imported"),
    [
        ("geometry", "lookalike.scene"),
        ("ops", "lookalike.nn"),
        ("splat", "lookalike.detect"),
        ("segment", "lookalike.detect"),
        ("data", "lookalike.nn"),
        ("train", "lookalike.view"),
        ("splat", "nerfstudio"),
        ("train", "nerfstudio"),
    ],
)
def test_a_faulty_import_is_caught(package: Path, importer: str, imported: str) -> None:
    (package / importer / "__init__.py").write_text(f"import {imported}\n")
    held, shown = contracts_hold(package)
    assert not held
    assert f"lookalike.{importer} -> {imported}" in shown


def test_the_adapter_may_import_nerfstudio(package: Path) -> None:
    (package / "train" / "nerfstudio").mkdir()
    (package / "train" / "nerfstudio" / "__init__.py").write_text("import nerfstudio\n")
    held, shown = contracts_hold(package)
    assert held, shown


def test_a_new_package_must_be_given_its_layer(package: Path) -> None:
    (package / "utils.py").touch()
    held, shown = contracts_hold(package)
    assert not held
    assert "utils" in shown
