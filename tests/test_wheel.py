"""The wheel: what is in it, what it links, and that it runs where it is installed."""

import os
import re
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SITE = Path(sysconfig.get_paths()["purelib"])
OTHER_TORCH = "2.13.0"

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="builds and checks a Linux wheel")


def run(*command: str | Path) -> str:
    """Run a command outside the clone, with this Python's tools; returns what it prints."""
    done = subprocess.run(
        [str(word) for word in command],
        cwd=ROOT.anchor,
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this machine, as it would be published; objects of earlier builds are reused."""
    built, repaired = tmp_path_factory.mktemp("built"), tmp_path_factory.mktemp("repaired")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPARSE3D_REQUIRE_NATIVE", "1")
        run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "-o", built, ROOT)
    (plain,) = built.iterdir()
    run("auditwheel", "repair", "--exclude", "libgomp.so.1", "-w", repaired, plain)
    (published,) = repaired.iterdir()
    return published


@pytest.fixture
def environment(tmp_path: Path, wheel: Path) -> Callable[..., Path]:
    """Makes an environment with the wheel installed, its dependencies borrowed from ours."""

    def make(*packages: str) -> Path:
        venv.create(tmp_path, with_pip=bool(packages))
        python = tmp_path / "bin" / "python"
        if packages:
            try:
                run(python, "-m", "pip", "install", "--quiet", *packages)
            except AssertionError as error:
                pytest.skip(f"{packages} cannot be installed here: {str(error).splitlines()[-1]}")
        site = next(tmp_path.glob("lib/python*/site-packages"))
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(site)
        # A plain path: our own editable install, made by a .pth file in there, stays out.
        (site / "borrowed.pth").write_text(f"{SITE}\n")
        return python

    return make


def test_it_holds_the_package_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert {re.sub(r"-[\d.]+\.dist-info", ".dist-info", top) for top in tops} == {
        "sparse3d",
        "sparse3d.dist-info",
    }


def test_it_holds_every_module_template_and_configuration(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    modules = {path.relative_to(ROOT).as_posix() for path in (ROOT / "sparse3d").rglob("*.py")}
    configs = {
        f"sparse3d/{path.relative_to(ROOT).as_posix()}"
        for path in (ROOT / "configs").rglob("*.yaml")
    }
    assets = {path.relative_to(ROOT).as_posix() for path in ROOT.glob("sparse3d/**/assets/*")}
    assert configs
    assert assets
    assert modules | assets | configs | {"sparse3d/py.typed"} <= names


def test_it_holds_the_kernels_of_this_python(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    assert [name for name in names if name.endswith(".so")] == [f"sparse3d/ops/_native{suffix}"]


def test_it_runs_on_every_linux_of_the_last_years(wheel: Path) -> None:
    platform = re.search(r"manylinux_2_(\d+)_", wheel.name)
    assert platform, f"{wheel.name} is for this machine only"
    assert int(platform[1]) <= 36
    assert "torch" not in run("auditwheel", "show", wheel)


def test_its_kernels_run_where_it_is_installed(environment: Callable[..., Path]) -> None:
    assert "agree with torch" in run(environment(), ROOT / "scripts" / "check_wheel.py")


@pytest.mark.slow
def test_its_kernels_run_with_another_torch_without_a_rebuild(
    environment: Callable[..., Path],
) -> None:
    python = environment(f"torch=={OTHER_TORCH}")
    assert f"agree with torch {OTHER_TORCH}" in run(python, ROOT / "scripts" / "check_wheel.py")
