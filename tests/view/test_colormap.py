"""Colour maps: uniform, inside sRGB, and Oklab as others compute it."""

import pytest
import torch
from torch import Tensor

from sparse3d.view.colormap import DEPTH, ERROR, ColorMap

MAPS = pytest.mark.parametrize("colors", [DEPTH, ERROR], ids=["depth", "error"])

# Ottosson's matrices in the other direction than the code uses: linear sRGB to Oklab.
CONES = torch.tensor(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
OKLAB = torch.tensor(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


def oklab(srgb: Tensor) -> Tensor:
    linear = torch.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    return (linear @ CONES.T) ** (1 / 3) @ OKLAB.T


@MAPS
def test_colours_are_those_of_the_polyline_so_that_none_was_clipped(colors: ColorMap) -> None:
    assert (oklab(colors.table) - colors.oklab.float()).abs().max() < 2e-3


@MAPS
def test_equal_steps_of_the_value_are_equal_steps_of_the_colour(colors: ColorMap) -> None:
    steps = oklab(colors.table.double().float()).diff(dim=0).norm(dim=1)
    assert steps.max() / steps.min() < 1.1


@MAPS
def test_lightness_rises(colors: ColorMap) -> None:
    lightness = oklab(colors.table)[:, 0]
    assert (lightness.diff() > 0).all()
    assert lightness[-1] - lightness[0] > 0.7


@pytest.mark.parametrize(
    ("lch", "srgb"),  # CSS Color Module Level 4 gives these pairs
    [
        ((0.62796, 0.25768, 29.234), (1.0, 0.0, 0.0)),
        ((0.86644, 0.29483, 142.495), (0.0, 1.0, 0.0)),
        ((0.45201, 0.31321, 264.052), (0.0, 0.0, 1.0)),
        ((0.51975, 0.17686, 142.495), (0.0, 128 / 255, 0.0)),
    ],
)
def test_known_colours(lch: tuple[float, float, float], srgb: tuple[float, ...]) -> None:
    colors = ColorMap((lch, (1.0, 0.0, 0.0)))
    torch.testing.assert_close(colors.table[0], torch.tensor(srgb), atol=5e-3, rtol=0)
    torch.testing.assert_close(colors.table[-1], torch.ones(3), atol=1e-4, rtol=0)


def test_values_beyond_the_ends_get_the_colours_of_the_ends() -> None:
    picture = DEPTH(torch.tensor([[-1.0, 0.0], [1.0, torch.inf]]))
    assert picture.shape == (2, 2, 3)
    assert torch.equal(picture[0, 0], DEPTH.table[0])
    assert torch.equal(picture[1], DEPTH.table[[-1, -1]])
    assert DEPTH(torch.zeros(0)).shape == (0, 3)


def test_css_names_the_colours_of_both_ends() -> None:
    stops = ERROR.css(3).split(", ")
    ends = (ERROR.table[[0, -1]] * 255).round().int().tolist()
    assert [stops[0], stops[-1]] == ["#{:02x}{:02x}{:02x}".format(*end) for end in ends]
    assert len(stops) == 3
