"""Fixtures shared by all tests."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

# How long an example takes depends on the machine and its load; that must not fail a test. In CI
# the examples are the same every time.
settings.register_profile("sparse3d", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("sparse3d")

_SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real scenes and LiDAR frames beside the project; skips where it is missing."""
    folder = _SHARED / "data"
    if not folder.is_dir():
        pytest.skip(f"real data not found at {folder}")
    return folder


@pytest.fixture(scope="session")
def shared_oracles() -> Path:
    """Folder of expected values made by other programs; skips where it is missing."""
    folder = _SHARED / "oracles"
    if not folder.is_dir():
        pytest.skip(f"expected values not found at {folder}")
    return folder
