"""Getting at OpenGL without a display, or saying what is missing."""

import os
import sys

import pytest

from sparse3d.errors import MissingDependencyError
from sparse3d.view.headless import egl_platform, quiet, with_environment

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="EGL is asked for on Linux only")


@LINUX
def test_without_a_display_the_surfaceless_platform_is_taken() -> None:
    bare = {k: v for k, v in os.environ.items() if "DISPLAY" not in k and k != "EGL_PLATFORM"}
    assert egl_platform(bare) == "surfaceless"


@LINUX
def test_a_display_that_is_not_there_is_passed_over() -> None:
    assert egl_platform(dict(os.environ) | {"DISPLAY": ":987"}) == "surfaceless"


@LINUX
@pytest.mark.parametrize(
    "hidden", [{"LIBGL_DRIVERS_PATH": "/none"}, {"__EGL_VENDOR_LIBRARY_FILENAMES": "/none"}]
)
def test_missing_drivers_are_an_error_that_names_the_packages(hidden: dict[str, str]) -> None:
    with pytest.raises(
        MissingDependencyError, match=r"apt-get install .*libegl1 .*libgl1-mesa-dri"
    ):
        egl_platform(dict(os.environ) | hidden)


def test_an_environment_variable_is_put_back() -> None:
    name = "SPARSE3D_TEST_VARIABLE"
    with with_environment(name, "outer"):
        with with_environment(name, "inner"):
            assert os.environ[name] == "inner"
        with with_environment(name, None):
            assert os.environ[name] == "outer"
        assert os.environ[name] == "outer"
    assert name not in os.environ


def test_native_output_is_kept_back_and_python_s_comes_through(
    capfd: pytest.CaptureFixture[str],
) -> None:
    sys.stdout.write("before\n")
    with quiet():
        os.write(1, b"native noise")
        os.write(2, b"native warning")
    sys.stdout.write("after\n")
    assert capfd.readouterr() == ("before\nafter\n", "")
