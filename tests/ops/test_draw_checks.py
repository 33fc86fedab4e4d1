"""Whatever cannot be drawn is refused by name."""

from copy import copy
from dataclasses import replace
from typing import Any, TypeVar

import pytest
import torch

from sparse3d.geometry.views import Views
from sparse3d.ops.draw import Lines, Points, Primitive, Triangles, draw

VIEWS = Views(torch.eye(4)[None], torch.eye(3)[None], 4, 3)
POINTS = Points(torch.ones(2, 3), torch.ones(2, 3))
LINES = Lines(torch.ones(2, 3), torch.zeros(2, 3), torch.ones(2, 3))
FACES = Triangles(torch.eye(3), torch.tensor([[0, 1, 2]]), torch.ones(3, 3))
Thing = TypeVar("Thing")


def changed(thing: Thing, changes: dict[str, Any]) -> Thing:
    """A copy with other values, past the type checker that tests run with."""
    other = copy(thing)
    for name, value in changes.items():
        object.__setattr__(other, name, value)
    return other


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 2e18])
@pytest.mark.parametrize(
    ("thing", "part"),
    [
        (POINTS, "positions"),
        (POINTS, "colors"),
        (LINES, "starts"),
        (LINES, "ends"),
        (FACES, "vertices"),
        (FACES, "colors"),
    ],
)
def test_a_value_that_is_not_finite_is_named(thing: Primitive, part: str, value: float) -> None:
    spoilt = getattr(thing, part).clone()
    spoilt[1, 2] = value
    message = rf"primitives\[1\].{part} must be finite and at most 1e\+18, got .* in row 1"
    with pytest.raises(ValueError, match=message):
        draw([POINTS, replace(thing, **{part: spoilt})], VIEWS)


@pytest.mark.parametrize(
    ("thing", "changes", "message"),
    [
        (POINTS, {"radius": -1.0}, "radius must be finite and not negative, got -1.0"),
        (POINTS, {"radius": float("nan")}, "radius must be finite and not negative, got nan"),
        (POINTS, {"colors": torch.ones(3, 3)}, r"colors must have shape \(2, 3\), got \(3, 3\)"),
        (POINTS, {"positions": torch.ones(2, 3).half()}, "must be torch.float32 or torch.float64"),
        (POINTS, {"colors": torch.ones(2, 3).double()}, "colors must be torch.float32 on cpu"),
        (LINES, {"ends": torch.ones(1, 3)}, r"ends must have shape \(2, 3\), got \(1, 3\)"),
        (LINES, {"width": float("inf")}, "width must be finite and not negative, got inf"),
        (LINES, {"bias": 1.0}, "bias must be at least 0 and below 1, got 1.0"),
        (FACES, {"faces": torch.tensor([[0, 1, 3]])}, r"of 3 vertices, got \[0, 1, 3\] in row 0"),
        (FACES, {"faces": torch.tensor([[0, -1, 2]])}, r"of 3 vertices, got \[0, -1, 2\] in row 0"),
        (FACES, {"color_of": "face"}, r"colors must have shape \(1, 3\), got \(3, 3\)"),
    ],
)
def test_a_wrong_primitive_is_named(
    thing: Primitive, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        draw([changed(thing, changes)], VIEWS)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"samples": 3}, "samples must be 1 or 2, got 3"),
        ({"near": 0.0}, "near must be positive and finite, got 0.0"),
        ({"near": float("inf")}, "near must be positive and finite, got inf"),
        ({"background": (0.0, float("nan"), 0.0)}, "background must be three finite numbers"),
        ({"background": torch.ones(1, 4, 3, 3)}, r"background must have shape \(1, 3, 4, 3\)"),
        ({"background": torch.full((1, 3, 4, 3), torch.nan)}, "background must be finite"),
        ({"depth": torch.ones(1, 4, 3)}, r"depth must have shape \(1, 3, 4\)"),
        ({"depth": -torch.ones(1, 3, 4)}, "depth must hold z-depths from 0 to infinity"),
        ({"depth": torch.full((1, 3, 4), torch.nan)}, "depth must hold z-depths"),
    ],
)
def test_a_wrong_argument_is_named(words: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        draw([POINTS], VIEWS, **words)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"width": 0}, "image size times samples must be 1 to 32767, got 0x3"),
        ({"height": 40_000}, "got 4x40000"),
        ({"matrices": -torch.eye(3)[None]}, "must be of pinholes without skew"),
        ({"matrices": torch.eye(3).expand(2, 3, 3)}, r"matrices must have shape \(1, 3, 3\)"),
        (
            {"world_from_camera": torch.full((1, 4, 4), torch.nan)},
            "world_from_camera must be finite",
        ),
    ],
)
def test_a_wrong_camera_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        draw([POINTS], changed(VIEWS, changes))
