"""Rows of label and result files for made-up frames."""

from collections.abc import Callable
from typing import Any

import pytest

from sparse3d.scene.formats.kitti_labels import KittiLabel


def make_row(name: str = "Car", x: float = 0.0, z: float = 20.0, **changes: Any) -> KittiLabel:
    """A visible object at a place; its rectangle is 60 pixels wide and 50 high."""
    left = 600 + 20 * x
    values: dict[str, Any] = {
        "truncated": 0.0,
        "occluded": 0,
        "alpha": 0.3,
        "rectangle": (left, 170.0, left + 60, 220.0),
        "size": (1.5, 1.6, 4.0),
        "location": (x, 1.6, z),
        "rotation_y": 0.2,
    }
    return KittiLabel(name, **{**values, **changes})


@pytest.fixture
def row() -> Callable[..., KittiLabel]:
    """Makes a row; what is not said is that of an easy car."""
    return make_row
