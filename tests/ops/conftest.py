"""Fixtures of the operators' tests."""

from collections.abc import Iterator

import jaxtyping
import pytest


@pytest.fixture
def no_type_checks() -> Iterator[None]:
    """Call functions as users do, whose calls jaxtyping does not check."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)
