"""Open3D comes quickly, quietly, whole, or with the line that installs it."""

import subprocess
import sys

import pytest

from sparse3d.errors import MissingDependencyError
from sparse3d.ops.open3d_module import open3d_module


def run(program: str) -> str:
    """What a fresh Python prints, in which warnings are errors."""
    command = [sys.executable, "-W", "error", "-c", program]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_it_comes_without_its_machine_learning_and_without_warnings() -> None:
    program = (
        "import sys; from sparse3d.ops.open3d_module import open3d_module as get;"
        "o3d = get('a test'); assert get('it') is o3d;"
        "print('open3d.ml' in sys.modules, 'sklearn' in sys.modules, o3d.__version__)"
    )
    assert run(program).startswith("False False 0.")


def test_what_was_left_out_can_be_imported_later() -> None:
    program = (
        "import warnings; from sparse3d.ops.open3d_module import open3d_module as get;"
        "get('a test'); warnings.simplefilter('ignore');"
        "import open3d.ml; print(open3d.ml.__file__)"
    )
    assert run(program).endswith("__init__.py")


def test_without_it_the_error_says_who_needs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "open3d", None)
    monkeypatch.delitem(sys.modules, "open3d.ml", raising=False)  # of other tests
    with pytest.raises(MissingDependencyError, match=r"drawing needs Open3D .*pip install"):
        open3d_module("drawing")
    assert "open3d.ml" not in sys.modules
