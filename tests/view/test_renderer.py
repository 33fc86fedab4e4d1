"""Pictures without Open3D: what our own drawing shows, and when it is taken."""

import math

import pytest
import torch

from sparse3d.errors import MissingDependencyError
from sparse3d.geometry.intrinsics import Intrinsics
from sparse3d.geometry.transforms import invert_rigid, look_at, transform_points
from sparse3d.view import open3d_layer, own_layer
from sparse3d.view.drawing import Drawing, Lines, Points, Surface
from sparse3d.view.renderer import draw_geometry
from sparse3d.view.snapshot import picture
from sparse3d.view.viewpoint import Viewpoint

LENS = Intrinsics(80, 60, 50.0, 55.0, 35.0, 32.5)
EYE = torch.tensor([[2.0, -7, 3], [0.3, 0.1, 0.2], [0.1, 0.2, 1]], dtype=torch.float64)
VIEW = Viewpoint(LENS, look_at(*EYE))
WHITE = (1.0, 1.0, 1.0)


def scene() -> Drawing:
    """A square with its outline, and dots before and behind it."""
    square = torch.tensor([[-1.0, 0, -1], [1, 0, -1], [1, 0, 1], [-1, 0, 1]])
    surface = Surface(square, torch.tensor([[0, 1, 2], [0, 2, 3]]), torch.full((4, 3), 0.5))
    lines = Lines(square, square.roll(-1, 0), torch.eye(3)[[0, 0, 0, 0]], 2.0)
    places = torch.tensor([[0.0, -1.0, 0.3], [0.2, 1.0, 0.1], [2.0, 0.5, 0.5]])
    return Drawing((Points(places, torch.eye(3)[[2, 1, 1]], 4.0),), (lines,), (surface,))


def refuse(*_: object) -> None:
    raise MissingDependencyError("drawing needs Open3D", "pip install it")


def test_dots_and_depths_are_where_they_belong() -> None:
    places = torch.tensor([[0.5, 0.2, 0.1], [-1.0, 2.0, 0.4], [1.0, -3.0, 1.0]])
    dots = Drawing(points=(Points(places, torch.eye(3), size=4.0),))
    layer = own_layer.draw_geometry(dots, VIEW, 2)
    local = transform_points(invert_rigid(VIEW.world_from_camera), places.double())
    pixels, _ = LENS.project(local)
    for i, (x, y) in enumerate((pixels * 2).floor().int().tolist()):
        assert float(layer.depths[y, x]) == pytest.approx(float(local[i, 2]), rel=1e-6)
        assert layer.colors[y, x].tolist() == torch.eye(3)[i].tolist()
    assert layer.depths.shape == (120, 160)
    assert math.isinf(float(layer.depths[0, 0]))
    assert int(torch.isfinite(layer.depths).sum()) == pytest.approx(3 * math.pi * 4**2, rel=0.1)


def test_both_renderers_show_the_same() -> None:
    """Edges differ by less than a pixel, the depths of what both draw inside hardly."""
    own, open3d = (
        draw_geometry(renderer, scene(), VIEW, 2, pytest.fail) for renderer in ("own", "open3d")
    )
    both = torch.isfinite(own.depths) & torch.isfinite(open3d.depths)
    either = torch.isfinite(own.depths) | torch.isfinite(open3d.depths)
    assert float(both.sum() / either.sum()) > 0.93
    close = (own.depths[both] / open3d.depths[both] - 1).abs() < 5e-3
    assert float(close.float().mean()) > 0.97
    difference = (
        picture(scene(), VIEW, WHITE, "own") - picture(scene(), VIEW, WHITE, "open3d")
    ).abs()
    assert float(difference.mean()) < 0.01


def test_outlines_show_on_their_surface() -> None:
    image = picture(scene(), VIEW, WHITE, "own")
    edge = transform_points(
        invert_rigid(VIEW.world_from_camera), torch.tensor([[0.5, 0.0, 1.0]], dtype=torch.float64)
    )
    (x, y), *_ = LENS.project(edge)[0].floor().int().tolist()
    red = image[y - 1 : y + 2, x]
    assert float((red[:, 0] - red[:, 1]).max()) > 0.6


def test_auto_draws_itself_where_open3d_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open3d_layer, "draw_geometry", refuse)
    told: list[str] = []
    layer = draw_geometry("auto", scene(), VIEW, 1, told.append)
    own = draw_geometry("own", scene(), VIEW, 1, pytest.fail)
    assert torch.equal(layer.depths, own.depths)
    assert told == [
        "drawn by sparse3d itself (--renderer own), not by Open3D:"
        " drawing needs Open3D; install it with: pip install it"
    ]


def test_open3d_by_name_must_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open3d_layer, "draw_geometry", refuse)
    with pytest.raises(MissingDependencyError, match="drawing needs Open3D"):
        draw_geometry("open3d", scene(), VIEW, 1, pytest.fail)
