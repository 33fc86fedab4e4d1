"""Dense counterparts of the sparse layers, for all tests of layers."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

_DENSE = Path(__file__).with_name("dense.py")


@pytest.fixture(scope="session")
def dense() -> ModuleType:
    """The module ``dense.py`` beside this file."""
    name = "dense_counterparts"
    if name not in sys.modules:
        specification = importlib.util.spec_from_file_location(name, _DENSE)
        assert specification is not None
        assert specification.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(specification)
        specification.loader.exec_module(sys.modules[name])
    return sys.modules[name]
