"""Headings come back from axis and direction, all around."""

import math

import torch

from sparse3d.detect.heading import encode_axis, heading, is_forward
from sparse3d.geometry.rotations import wrap_angle

YAWS = torch.linspace(-math.pi, math.pi, 998, dtype=torch.float64)  # none at 135 degrees


def test_axis_and_direction_give_the_heading_back() -> None:
    found = heading(encode_axis(YAWS), is_forward(YAWS))
    assert torch.allclose(wrap_angle(found - YAWS).abs(), torch.zeros_like(YAWS), atol=1e-9)


def test_opposite_headings_share_the_axis_and_differ_in_direction() -> None:
    opposite = YAWS + math.pi
    assert torch.allclose(encode_axis(YAWS), encode_axis(opposite), atol=1e-12)
    inner = (YAWS - math.pi / 4).cos().abs() > 1e-6
    assert bool((is_forward(YAWS) != is_forward(opposite))[inner].all())


def test_a_wrong_direction_turns_the_box_around() -> None:
    found = heading(encode_axis(YAWS), ~is_forward(YAWS))
    assert torch.allclose(wrap_angle(found - YAWS).abs(), torch.full_like(YAWS, math.pi))


def test_the_length_of_the_axis_does_not_matter() -> None:
    axis = encode_axis(YAWS)
    assert torch.allclose(heading(7 * axis, is_forward(YAWS)), heading(axis, is_forward(YAWS)))
