"""Dense counterparts of the sparse layers, for all tests of layers."""

import importlib
import importlib.util
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch

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


@pytest.fixture
def spconv() -> Iterator[ModuleType]:
    """The peer's layers, with one thread: with two its sums are not always right."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what spconv imports is older than its Python
            yield importlib.import_module("spconv.pytorch")
    except ImportError as error:
        pytest.skip(f"{error}; pip install spconv")
    finally:
        torch.set_num_threads(threads)
