"""Open3D, imported when it is needed: in less than half its time, and without its warnings."""

import importlib
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from sparse3d.errors import MissingDependencyError

__all__ = ["open3d_module"]

_INSTALL = "pip install 'sparse3d[viewer]' && apt-get install libx11-6 libudev1 libgl1 libgomp1"


def open3d_module(purpose: str) -> Any:
    """The ``open3d`` module.

    Args:
        purpose: What needs it, for the error.

    Raises:
        MissingDependencyError: If it, or a system library that it links, is not there.
    """
    try:
        with warnings.catch_warnings(), _without("open3d.ml"):
            warnings.simplefilter("ignore")  # that there is no CUDA device is no concern of ours
            return importlib.import_module("open3d")
    except (ImportError, OSError) as error:
        raise MissingDependencyError(f"{purpose} needs Open3D ({error})", _INSTALL) from error


@contextmanager
def _without(name: str) -> Iterator[None]:
    """Importing another module does not import this one, which can be imported later.

    ``import open3d`` imports ``open3d.ml``, and that scikit-learn and pandas: several seconds for
    what is not used here.
    """
    if name in sys.modules:
        yield
        return
    stand_in = ModuleType(name)
    sys.modules[name] = stand_in
    try:
        yield
    finally:
        if sys.modules.get(name) is stand_in:
            del sys.modules[name]
