"""The picture from above: what is where, in which colour, whatever the boxes."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from sparse3d.geometry.boxes import box_corners
from sparse3d.scene import Boxes3D, PointCloud
from sparse3d.view.bev import Above, bev_picture
from sparse3d.view.canvas import DETECTION, TRUTH

LOW, HIGH = (0.0, -20.0), (30.0, 20.0)
NO_POINTS = PointCloud(torch.zeros(0, 3))
WHITE = torch.tensor(TRUTH.color[:3])
PINK = torch.tensor(DETECTION.color[:3])


def boxes(*rows: tuple[float, ...], scores: list[float] | None = None) -> Boxes3D:
    values = torch.tensor(rows).reshape(-1, 7)
    score = None if scores is None else torch.tensor(scores)
    return Boxes3D(values[:, :3], values[:, 3:6], values[:, 6], ("Car",) * len(rows), score)


def picture(
    truth: Boxes3D | None = None, detections: Boxes3D | None = None, points: PointCloud = NO_POINTS
) -> Tensor:
    return bev_picture(points, truth, detections, LOW, HIGH, 400)


def near(image: Tensor, color: Tensor, tolerance: int = 60) -> Tensor:
    """Where in the picture, legend left out, a colour is: pixels x, y."""
    found = (image[:300].int() - color).abs().amax(2) <= tolerance
    return found.nonzero().flip(1)


def test_forward_is_up_and_left_is_left() -> None:
    above = Above(LOW, HIGH, 400)
    assert above.height == 300
    places = torch.tensor([[30.0, 20.0], [0.0, -20.0], [10.0, 5.0]])
    assert above.pixels(places).tolist() == [[0, 0], [400, 300], [150, 200]]


def test_a_point_is_where_it_belongs() -> None:
    dark = picture()
    lit = picture(points=PointCloud(torch.tensor([[21.3, 7.7, 0.4]])))
    changed = (lit[:300].int() - dark[:300].int()).abs().sum(2).nonzero().double()
    assert len(changed)
    assert (changed + 0.5).mean(0).tolist() == pytest.approx([87.0, 123.0], abs=1.0)


def test_the_higher_of_two_points_is_in_front() -> None:
    ends = torch.tensor([[2.0, 15.0, -2.0], [2.0, -15.0, 3.0]])
    spot = torch.tensor([[12.0, 5.0, 3.0], [12.0, 5.0, -2.0]])
    both = picture(points=PointCloud(torch.cat([spot, ends])))
    high = picture(points=PointCloud(torch.cat([spot[:1], ends])))
    assert torch.equal(both, high)


def test_points_that_are_not_finite_or_outside_are_left_out() -> None:
    known = torch.tensor([[10.0, 5.0, -1.0], [15.0, -5.0, 1.0]])
    odd = torch.tensor([[math.nan, 1.0, 1.0], [5.0, math.inf, 0.0], [-3.0, 0.0, 50.0]])
    expected = picture(points=PointCloud(known))
    assert torch.equal(picture(points=PointCloud(torch.cat([odd, known]))), expected)


@pytest.mark.parametrize(("color", "as_truth"), [(WHITE, True), (PINK, False)])
def test_an_outline_runs_along_the_edges_of_its_box(color: Tensor, as_truth: bool) -> None:
    row = (16.0, 6.0, -1.0, 6.0, 3.0, 1.5, 0.6)
    one = boxes(row)
    image = picture(truth=one) if as_truth else picture(detections=one)
    drawn = near(image, color)[near(image, color)[:, 1] < 280].double() + 0.5  # not the ego
    corners = Above(LOW, HIGH, 400).pixels(box_corners(one.rows().double())[0, :4, :2])
    front, middle = corners[:2].mean(0), corners.mean(0)
    tick = middle + (1.0 if as_truth else 1.5) * (front - middle)
    starts = torch.cat([corners, middle[None]])
    ends = torch.cat([corners.roll(-1, 0), tick[None]])
    assert len(drawn) > 100
    assert _distances(drawn, starts, ends).amin(1).max() < 2.0
    along = starts[:, None] + torch.linspace(0.02, 0.98, 30)[:, None] * (ends - starts)[:, None]
    missing = torch.cdist(along.reshape(-1, 2), drawn).amin(1).max()
    assert missing < 4.0  # gaps of the dashes


def _distances(points: Tensor, starts: Tensor, ends: Tensor) -> Tensor:
    along = ends - starts
    share = ((points[:, None] - starts) * along).sum(2) / (along**2).sum(1)
    nearest = starts + share.clamp(0, 1)[..., None] * along
    return (points[:, None] - nearest).norm(dim=2)


def test_the_truth_has_gaps_and_a_detection_has_none() -> None:
    one = boxes((15.0, 0.0, 0.0, 12.0, 8.0, 2.0, 0.0))
    right_edge = slice(239, 241)  # y = -4 m
    truth = (picture(truth=one)[95:205, right_edge].int() - WHITE).abs().amax(2).amin(1) < 90
    found = (picture(detections=one)[95:205, right_edge].int() - PINK).abs().amax(2).amin(1) < 90
    assert bool(found.all())
    assert 0.3 < float(truth.float().mean()) < 0.8


def test_scores_stand_beside_boxes_unless_they_would_cover_another() -> None:
    row = (15.0, 0.0, 0.0, 4.0, 2.0, 2.0, 0.0)
    plain, scored = (picture(detections=boxes(row, scores=s)) for s in (None, [0.87]))
    assert not torch.equal(plain, scored)
    crowd = boxes(*(row,) * 40, scores=[0.5] * 40)
    changed = (picture(detections=crowd)[:300] != plain[:300]).any(2)
    assert float(changed.float().mean()) < 0.05


def test_no_boxes_are_like_none_but_for_the_legend() -> None:
    empty = boxes()
    assert torch.equal(picture(empty, empty)[:300], picture()[:300])
    assert not torch.equal(picture(empty, empty)[300:], picture()[300:])


def test_boxes_outside_the_range_leave_the_picture_alone() -> None:
    far = boxes((500.0, 0.0, 0.0, 4.0, 2.0, 2.0, 0.0))
    assert torch.equal(picture(far, far)[:300], picture()[:300])


def test_what_is_around_can_be_shown_too() -> None:
    image = bev_picture(NO_POINTS, None, None, (-15.0, -20.0), (15.0, 20.0), 400)
    ego = near(image, WHITE).double().mean(0)
    assert ego.tolist() == pytest.approx([200, 150], abs=8)


def test_boxes_that_are_not_finite_are_refused() -> None:
    broken = boxes((5.0, 0.0, 0.0, 4.0, 2.0, 2.0, math.nan))
    with pytest.raises(ValueError, match="boxes must be finite, row 0"):
        picture(truth=broken)


@pytest.mark.parametrize(
    ("low", "high", "width"),
    [((0.0, 5.0), (10.0, 5.0), 100), ((0.0, 0.0), (math.inf, 5.0), 100), (LOW, HIGH, 0)],
)
def test_a_range_without_extent_is_refused(
    low: tuple[float, float], high: tuple[float, float], width: int
) -> None:
    with pytest.raises(ValueError, match=r"expected|must be below"):
        bev_picture(NO_POINTS, None, None, low, high, width)


def test_the_same_picture_again() -> None:
    rng = torch.Generator().manual_seed(3)
    cloud = PointCloud(torch.rand(2000, 3, generator=rng) * 20)
    one = boxes((15.0, 2.0, 0.0, 4.0, 2.0, 2.0, 1.0), scores=[0.5])
    first = picture(replace(one, scores=None), one, cloud)
    assert torch.equal(first, picture(replace(one, scores=None), one, cloud))
    assert first.dtype == torch.uint8
    assert first.shape == (330, 400, 3)
