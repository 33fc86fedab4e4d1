"""Corners and containment of upright boxes."""

import math

import torch
from hypothesis import given
from hypothesis import strategies as st

from sparse3d.geometry.boxes import BOX_EDGES, box_corners, points_in_boxes

BOX = torch.tensor([[1.0, 2.0, 3.0, 4.0, 2.0, 1.0, math.pi / 2]], dtype=torch.float64)


def test_corners_of_a_quarter_turned_box_by_hand() -> None:
    # Length 4 along +y after the turn, width 2 along -x; front left bottom comes first.
    corners = box_corners(BOX)[0]
    expected = torch.tensor([[0.0, 4.0], [2.0, 4.0], [2.0, 0.0], [0.0, 0.0]], dtype=torch.float64)
    torch.testing.assert_close(corners[:4, :2], expected)
    torch.testing.assert_close(corners[4:, :2], expected)
    assert corners[:, 2].tolist() == [2.5] * 4 + [3.5] * 4


@given(seed=st.integers(0, 1000))
def test_edges_have_the_lengths_of_the_box(seed: int) -> None:
    rng = torch.Generator().manual_seed(seed)
    box = torch.rand(1, 7, generator=rng, dtype=torch.float64) * 5 + 0.1
    corners = box_corners(box)[0]
    lengths = sorted(float((corners[a] - corners[b]).norm()) for a, b in BOX_EDGES)
    expected = sorted(size for size in box[0, 3:6].tolist() for _ in range(4))
    torch.testing.assert_close(lengths, expected)
    torch.testing.assert_close(corners.mean(0), box[0, :3])


@given(seed=st.integers(0, 1000))
def test_containment_agrees_with_a_loop_over_the_box_axes(seed: int) -> None:
    rng = torch.Generator().manual_seed(seed)
    boxes = torch.rand(3, 7, generator=rng, dtype=torch.float64) * 4
    points = torch.rand(20, 3, generator=rng, dtype=torch.float64) * 4
    actual = points_in_boxes(points, boxes)
    for n, (x, y, z, length, width, height, yaw) in enumerate(boxes.tolist()):
        for p, (px, py, pz) in enumerate(points.tolist()):
            along = (px - x) * math.cos(yaw) + (py - y) * math.sin(yaw)
            across = (py - y) * math.cos(yaw) - (px - x) * math.sin(yaw)
            inside = abs(along) <= length / 2 and abs(across) <= width / 2
            assert bool(actual[n, p]) == (inside and abs(pz - z) <= height / 2)


def test_faces_belong_to_the_box() -> None:
    box = torch.tensor([[0.0, 0.0, 0.0, 2.0, 4.0, 6.0, 0.0]])
    points = torch.tensor([[1.0, 0.0, 0.0], [1.0, -2.0, 3.0], [1.001, 0.0, 0.0]])
    assert points_in_boxes(points, box).tolist() == [[True, True, False]]


def test_no_boxes_and_no_points() -> None:
    assert box_corners(torch.zeros(0, 7)).shape == (0, 8, 3)
    assert points_in_boxes(torch.zeros(0, 3), torch.ones(2, 7)).shape == (2, 0)
