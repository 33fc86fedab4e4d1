"""What importing loads: the package stays light, heavy third parties come when they are needed."""

import subprocess
import sys

import pytest

HEAVY = ("torch", "open3d", "nerfstudio", "spconv", "gsplat", "viser")
LATE = ("open3d", "nerfstudio", "spconv", "gsplat", "viser", "pycolmap", "laspy", "lightning")


def loaded_by(statement: str, names: tuple[str, ...]) -> list[str]:
    """Those of the given modules that a fresh Python has loaded after a statement."""
    program = f"{statement}\nimport sys\nprint(*(n for n in {names} if n in sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return done.stdout.split()


@pytest.mark.parametrize("module", ["sparse3d", "sparse3d.cli.main"])
def test_nothing_heavy_is_loaded(module: str) -> None:
    assert loaded_by(f"import {module}", HEAVY) == []


def test_scenes_need_no_optional_package() -> None:
    # The command imports all of the scene layer.
    assert loaded_by("import sparse3d.cli.info", (*LATE, "sparse3d.scene.formats.registry")) == [
        "sparse3d.scene.formats.registry"
    ]
