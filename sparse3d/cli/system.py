"""What sparse3d needs of the operating system, and the Debian packages that bring it.

Standard library only: the set-up script runs it before anything is installed.
"""

import ctypes
import shutil
import sys
import sysconfig
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

__all__ = ["NEEDS", "Need", "install_line", "missing"]


class Need(NamedTuple):
    """A system package, who needs it, and whether it is there."""

    package: str
    """Debian and Ubuntu package."""
    purpose: str
    """What does not work without it."""
    is_there: Callable[[], bool]
    """Looks for the thing itself, not for the package: other systems name packages differently."""
    sets: frozenset[str]
    """``build``: the C++ kernels; ``demo``: the demo; ``test``: the test suite."""


def _loads(name: str) -> Callable[[], bool]:
    def is_there() -> bool:
        try:
            ctypes.CDLL(name)
        except OSError:
            return False
        return True

    return is_there


def _runs(*names: str) -> Callable[[], bool]:
    return lambda: any(shutil.which(name) for name in names)


def _has_mesa_drivers() -> bool:
    patterns = ("lib/*/dri/*_dri.so", "lib*/dri/*_dri.so")
    return any(True for pattern in patterns for _ in Path("/usr").glob(pattern))


def _has_python_headers() -> bool:
    return Path(sysconfig.get_paths()["include"], "Python.h").is_file()


def _need(package: str, purpose: str, is_there: Callable[[], bool], *sets: str) -> Need:
    return Need(package, purpose, is_there, frozenset(sets))


NEEDS = (
    _need("g++", "building the C++ kernels", _runs("c++", "g++", "clang++"), "build", "test"),
    _need(
        f"python{sys.version_info.major}.{sys.version_info.minor}-dev",
        "building the C++ kernels",
        _has_python_headers,
        "build",
        "test",
    ),
    _need("libgomp1", "threads of the kernels, Open3D", _loads("libgomp.so.1"), "demo", "test"),
    _need("libx11-6", "importing Open3D", _loads("libX11.so.6"), "demo", "test"),
    _need("libudev1", "importing Open3D", _loads("libudev.so.1"), "demo", "test"),
    _need("libgl1", "importing Open3D", _loads("libGL.so.1"), "demo", "test"),
    _need("libegl1", "pictures without a display", _loads("libEGL.so.1"), "demo", "test"),
    _need("libegl-mesa0", "pictures without a display", _loads("libEGL_mesa.so.0"), "demo", "test"),
    _need("libgl1-mesa-dri", "pictures without a GPU", _has_mesa_drivers, "demo", "test"),
    _need("ffmpeg", "ns-render, videos", _runs("ffmpeg"), "test"),
)
"""All needs on Linux; elsewhere the Python wheels bring what they need."""


def missing(wanted: str) -> list[Need]:
    """The needs of a set that are not met here; none on other systems than Linux."""
    if sys.platform != "linux":
        return []
    return [need for need in NEEDS if wanted in need.sets and not need.is_there()]


def install_line(needs: Iterable[Need]) -> str:
    """The command that installs packages on Debian and Ubuntu, without sudo."""
    packages = " ".join(need.package for need in needs)
    return f"apt-get install -y --no-install-recommends {packages}"
