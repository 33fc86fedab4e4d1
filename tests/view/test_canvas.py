"""Flat drawing: dashes of the right length, labels that keep clear of each other, dots in order."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sparse3d.view.canvas import DETECTION, TRUTH, Canvas, Stroke, dashed

places = st.tuples(st.floats(-50, 50), st.floats(-50, 50))


def length(path: list[tuple[float, float]]) -> float:
    corners = torch.tensor(path, dtype=torch.float64)
    return float(corners.diff(dim=0).norm(dim=1).sum())


@given(st.lists(places, min_size=2, max_size=6), st.floats(0.5, 9), st.floats(0.5, 9))
def test_dashes_cover_their_share_of_a_path(
    path: list[tuple[float, float]], on: float, off: float
) -> None:
    total, parts = length(path), dashed(path, on, off)
    whole, rest = divmod(total, on + off)
    assert sum(map(length, parts)) == pytest.approx(whole * on + min(rest, on), abs=1e-6)
    assert all(length(part) <= on + 1e-9 for part in parts)
    assert not parts or parts[0][0] == pytest.approx(path[0])


@pytest.mark.parametrize("path", [[(1.0, 2.0)], [(1.0, 2.0), (1.0, 2.0)]])
def test_a_path_without_length_has_no_dashes(path: list[tuple[float, float]]) -> None:
    assert dashed(path, 2.0, 1.0) == []


def test_a_picture_that_nothing_is_drawn_on_stays() -> None:
    picture = torch.rand(9, 14, 3).round()
    assert torch.equal(
        Canvas(torch.full((9, 14, 3), 0.4)).finished(),
        torch.full((9, 14, 3), 102, dtype=torch.uint8),
    )
    assert Canvas(picture, footer=5).finished().shape == (14, 14, 3)


@pytest.mark.parametrize("width", [1.0, 1.5, 2.0, 2.5, 3.0])
def test_a_line_is_where_it_was_drawn(width: float) -> None:
    canvas = Canvas(torch.zeros(40, 60, 3))
    canvas.line([(5.0, 20.0), (55.0, 20.0)], Stroke((255, 0, 0, 255), width, casing=None))
    canvas.line([(30.0, 2.0), (30.0, 38.0)], Stroke((0, 255, 0, 255), width, casing=None))
    shares = canvas.finished().double() / 255
    rows, columns = shares[:, 10, 0], shares[5, :, 1]
    for line, place in ((rows, 20.0), (columns, 30.0)):
        centers = torch.arange(len(line), dtype=torch.float64) + 0.5
        assert line.sum() == pytest.approx(width, abs=0.01)
        assert float((line * centers).sum() / line.sum()) == pytest.approx(place, abs=0.31)
    assert bool((shares[:, :4] == 0).all())


def test_labels_never_cover_each_other_or_what_is_reserved() -> None:
    canvas = Canvas(torch.zeros(40, 60, 3))
    assert canvas.label([(0.0, 20.0)], ["12345", "1"]) == "12345"
    assert canvas.label([(2.0, 20.0)], ["12345", "1"]) is None
    assert canvas.label([(2.0, 20.0), (2.0, 40.0)], ["12345"]) == "12345"
    canvas.reserve(torch.tensor([[40.0, 0.0], [60.0, 40.0]]))
    assert canvas.label([(35.0, 20.0)], ["12345"]) is None


def test_a_label_is_moved_into_the_picture() -> None:
    canvas = Canvas(torch.zeros(40, 200, 3))
    assert canvas.label([(900.0, -70.0)], ["here"]) == "here"
    drawn = (canvas.finished() > 100).any(2).nonzero()
    assert len(drawn)
    assert drawn[:, 0].max() < 20
    assert drawn[:, 1].min() > 150


def test_the_last_of_two_dots_is_in_front_and_those_outside_are_left_out() -> None:
    spots = torch.tensor([[5.0, 5.0], [5.0, 5.0], [-3.0, 5.0], [5.0, 999.0]])
    colors = torch.tensor([[1.0, 0, 0], [0, 1.0, 0], [0, 0, 1.0], [0, 0, 1.0]])
    canvas = Canvas(torch.zeros(10, 10, 3))
    canvas.dots(spots, colors, 2.0)
    picture = canvas.finished().double() / 255
    assert picture.sum((0, 1)).tolist() == pytest.approx([0, 4, 0])


def test_the_footer_is_cleared_for_the_legend() -> None:
    canvas = Canvas(torch.zeros(20, 200, 3), footer=30)
    canvas.line([(199.0, 0.0), (199.0, 50.0)], Stroke((255, 255, 255, 255), 3.0))
    canvas.legend([("truth", TRUTH), ("detected", DETECTION)])
    picture = canvas.finished()
    assert picture[10, 199].min() > 150
    assert picture[30, 199].max() < 60


def test_truth_and_detections_differ_by_more_than_colour() -> None:
    assert TRUTH.dash is not None
    assert DETECTION.dash is None
    luminance = [sum(stroke.color[:3]) / 3 for stroke in (TRUTH, DETECTION)]
    assert abs(luminance[0] - luminance[1]) > 60
