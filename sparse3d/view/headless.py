"""How Open3D gets at OpenGL on this machine, with a display, without one, without a GPU."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from sparse3d.errors import MissingDependencyError

__all__ = ["egl_platform", "quiet", "with_environment"]

_INSTALL = "apt-get install -y --no-install-recommends libegl1 libegl-mesa0 libgl1-mesa-dri"
_PROBE = Path(__file__).with_name("egl_probe.py")


def egl_platform(environment: Mapping[str, str]) -> str | None:
    """The value of ``EGL_PLATFORM`` with which Open3D can draw; None to leave it alone.

    Tried in a process of its own, since Open3D 0.19 crashes where EGL does not come up.

    Args:
        environment: Variables of this process, such as ``os.environ``.

    Raises:
        MissingDependencyError: If EGL or its drivers are not there.
    """
    if sys.platform != "linux":
        return None
    given = environment.get("EGL_PLATFORM")
    displayed = any(environment.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
    candidates = [given] if given or displayed else []
    for platform in (*candidates, "surfaceless"):
        if _comes_up(environment, platform):
            return platform
    raise MissingDependencyError("pictures need OpenGL through EGL, which did not start", _INSTALL)


def _comes_up(environment: Mapping[str, str], platform: str | None) -> bool:
    variables = dict(environment) | ({"EGL_PLATFORM": platform} if platform else {})
    command = [sys.executable, "-I", str(_PROBE)]
    done = subprocess.run(command, env=variables, capture_output=True, check=False, timeout=60)
    return done.returncode == 0


@contextmanager
def with_environment(name: str, value: str | None) -> Iterator[None]:
    """Set an environment variable for a while; None leaves it as it is."""
    before = os.environ.get(name)
    if value is not None:
        os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = before


@contextmanager
def quiet() -> Iterator[None]:
    """Nothing that native code prints in the block reaches stdout or stderr."""
    sys.stdout.flush()
    sys.stderr.flush()
    saved = [os.dup(number) for number in (1, 2)]
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        for number in (1, 2):
            os.dup2(nowhere, number)
        yield
    finally:
        for number, copy in zip((1, 2), saved, strict=True):
            os.dup2(copy, number)
            os.close(copy)
        os.close(nowhere)
