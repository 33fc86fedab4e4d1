"""Installing without a C++ compiler: it succeeds and says so, unless that is forbidden."""

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SITE = Path(sysconfig.get_paths()["purelib"])


def build_without_compiler(folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Build a wheel where CMake finds no compiler."""
    tools = folder / "tools"
    tools.mkdir()
    for tool in ("cmake", "ninja"):
        (tools / tool).symlink_to(Path(sys.executable).parent / tool)
    places = (f"-Cbuild-dir={folder / 'build'}", "-o", str(folder / "dist"))
    return subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", *places, str(ROOT)],
        env={"PATH": str(tools), "HOME": str(folder), **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def pure_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("no-compiler")
    done = build_without_compiler(folder)
    assert done.returncode == 0, done.stdout
    (wheel,) = (folder / "dist").iterdir()
    return wheel


@pytest.fixture
def python(pure_wheel: Path, tmp_path: Path) -> Path:
    """An environment with the wheel installed, its dependencies borrowed from ours."""
    venv.create(tmp_path / "env")
    site = next((tmp_path / "env").glob("lib/python*/site-packages"))
    with zipfile.ZipFile(pure_wheel) as archive:
        archive.extractall(site)
    # A plain path: our own editable install, made by a .pth file in there, stays out.
    (site / "borrowed.pth").write_text(f"{SITE}\n")
    return tmp_path / "env" / "bin" / "python"


def run(python: Path, program: str, home: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(python), "-c", program],
        cwd=home,
        env={**os.environ, "XDG_CACHE_HOME": str(home / "cache")},
        capture_output=True,
        text=True,
        check=True,
    )


def test_a_pure_wheel_results(pure_wheel: Path) -> None:
    assert pure_wheel.name.endswith("-py3-none-any.whl")
    names = zipfile.ZipFile(pure_wheel).namelist()
    assert not [name for name in names if name.endswith(".so")]
    assert any(name.startswith("sparse3d/configs/") for name in names)


def test_it_computes_with_torch(python: Path, tmp_path: Path) -> None:
    done = run(
        python,
        "import torch; from sparse3d.ops.ssim import ssim; from sparse3d.ops.backend import *\n"
        "image = torch.rand(16, 20, 3)\n"
        "print(choose_backend('auto', torch.device('cpu')), float(ssim(image, image)))",
        tmp_path,
    )
    assert done.stdout.split() == ["torch", "1.0"]


def test_it_says_once_what_is_missing(python: Path, tmp_path: Path) -> None:
    tell = "from sparse3d.cli.notice import tell_once_if_not_native as tell; tell()"
    first = run(python, tell, tmp_path)
    second = run(python, "from sparse3d.cli.main import main; main(['doctor'])", tmp_path)
    assert first.stderr.count("C++ CPU kernels were not built") == 1
    assert "not built" not in second.stderr
    assert "NOT BUILT" in second.stdout


def test_it_is_an_error_where_the_kernels_are_required(tmp_path: Path) -> None:
    done = build_without_compiler(tmp_path, SPARSE3D_REQUIRE_NATIVE="1")
    assert done.returncode != 0
    assert "CMAKE_CXX_COMPILER" in done.stdout
