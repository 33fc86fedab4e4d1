"""A splat and a drawing together, against the rule pixel by pixel."""

from itertools import product

import pytest
import torch

from sparse3d.geometry.views import Views
from sparse3d.ops.draw import Drawing, Points, compose, draw
from sparse3d.ops.rasterize import rasterize
from sparse3d.scene.gaussians import Gaussians


def test_equals_the_loop_over_pixels() -> None:
    rng = torch.Generator().manual_seed(0)
    shape = (2, 4, 5)
    alphas = torch.rand(shape, generator=rng) * (torch.rand(shape, generator=rng) > 0.3)
    colors = torch.rand(*shape, 3, generator=rng) * alphas[..., None]
    behind = torch.where(alphas > 0, torch.rand(shape, generator=rng), 0.0)
    depths = torch.rand(shape, generator=rng)
    depths[torch.rand(shape, generator=rng) < 0.4] = torch.inf
    paint = torch.rand(*shape, 3, generator=rng)
    drawing = Drawing(paint, depths, torch.zeros(shape, dtype=torch.int32))
    actual = compose(colors, alphas, behind, drawing)
    for at in product(*map(range, shape)):
        if float(alphas[at]) == 0 or float(depths[at]) < float(behind[at]):
            expected = paint[at]
        else:
            expected = colors[at] + (1 - alphas[at]) * paint[at]
        torch.testing.assert_close(actual[at], expected)


@pytest.mark.parametrize(("depth", "seen"), [(1.0, [1.0, 0.0, 0.0]), (9.0, [0.1, 0.9, 0.0])])
def test_a_point_before_and_behind_a_splat(depth: float, seen: list[float]) -> None:
    matrix = torch.tensor([[[20.0, 0, 3.5], [0, 20, 2.5], [0, 0, 1]]])
    views = Views(torch.eye(4)[None], matrix, 7, 5)
    splat = Gaussians(
        torch.tensor([[0.0, 0.0, 4.0]]),
        torch.tensor([[1.0, 0.0, 0.0, 0.0]]),
        torch.zeros(1, 3),
        torch.logit(torch.tensor([0.9])),
        (torch.tensor([[[0.0, 1.0, 0.0]]]) - 0.5) / 0.28209479177387814,
    )
    render = rasterize(splat, views)
    dot = Points(torch.tensor([[0.0, 0.0, depth]]), torch.tensor([[1.0, 0.0, 0.0]]))
    drawing = draw([dot], views, background=(0.0, 0.0, 1.0))
    picture = compose(render.colors, render.alphas, render.depths, drawing)
    assert picture[0, 2, 3].tolist() == pytest.approx(seen, abs=0.01)
    assert float(picture[0, 0, 0, 2]) == pytest.approx(1 - float(render.alphas[0, 0, 0]))


def test_sizes_must_fit() -> None:
    drawing = draw([], Views(torch.eye(4)[None], torch.eye(3)[None], 4, 3))
    with pytest.raises(ValueError, match="render and drawing must be of one size"):
        compose(torch.zeros(1, 3, 5, 3), torch.zeros(1, 3, 5), torch.zeros(1, 3, 5), drawing)
