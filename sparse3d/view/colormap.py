"""Colour maps that are perceptually uniform by construction.

A map is a polyline through a few colours of Oklab (Ottosson 2020, "A perceptual color space for
image processing"), walked at constant speed: equal steps of the value are equal steps of the
perceived colour. Lightness only rises, so that a map reads in grey, too.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float, Float64
from torch import Tensor

__all__ = ["DEPTH", "ERROR", "ColorMap"]

_STEPS = 256

# Oklab to the cube roots of cone responses, and these, cubed, to linear sRGB.
_CONES_FROM_OKLAB = (
    (1.0, 0.3963377774, 0.2158037573),
    (1.0, -0.1055613458, -0.0638541728),
    (1.0, -0.0894841775, -1.2914855480),
)
_LINEAR_FROM_CONES = (
    (4.0767416621, -3.3077115913, 0.2309699292),
    (-1.2684380046, 2.6097574011, -0.3413193965),
    (-0.0041960863, -0.7034186147, 1.7076147010),
)


@dataclass(frozen=True)
class ColorMap:
    """A map from [0, 1] to colours."""

    knots: tuple[tuple[float, float, float], ...]
    """Lightness in [0, 1], chroma and hue in degrees: the colours that the map passes."""

    def __call__(self, values: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape 3"]:
        """Colours, sRGB in [0, 1], of values that are clipped to [0, 1] and finite."""
        return self.table[(values.clamp(0, 1) * (_STEPS - 1)).round().long()]

    @cached_property
    def table(self) -> Float[Tensor, "n 3"]:
        """Colours, sRGB in [0, 1], of values that are spread evenly from 0 to 1."""
        cones = self.oklab @ torch.tensor(_CONES_FROM_OKLAB).double().T
        linear = (cones**3 @ torch.tensor(_LINEAR_FROM_CONES).double().T).clamp(0, 1)
        curved = 1.055 * linear ** (1 / 2.4) - 0.055
        return torch.where(linear <= 0.0031308, 12.92 * linear, curved).float()

    @cached_property
    def oklab(self) -> Float64[Tensor, "n 3"]:
        """Lightness and the two opponent axes, at equal distances along the polyline."""
        points = torch.tensor([_cartesian(*knot) for knot in self.knots], dtype=torch.float64)
        lengths = points.diff(dim=0).norm(dim=1)
        marks = torch.cat([lengths.new_zeros(1), lengths.cumsum(0)])
        wanted = torch.linspace(0, float(marks[-1]), _STEPS, dtype=torch.float64)
        left = torch.searchsorted(marks[1:-1].contiguous(), wanted, right=True)
        share = ((wanted - marks[left]) / lengths[left])[:, None]
        return points[left] * (1 - share) + points[left + 1] * share

    def css(self, stops: int = 17) -> str:
        """The map as colour stops of a CSS gradient, from 0 to 1."""
        colors = self(torch.linspace(0, 1, stops)).mul(255).round().int().tolist()
        return ", ".join("#{:02x}{:02x}{:02x}".format(*color) for color in colors)


def _cartesian(lightness: float, chroma: float, hue: float) -> tuple[float, float, float]:
    angle = math.radians(hue)
    return lightness, chroma * math.cos(angle), chroma * math.sin(angle)


DEPTH = ColorMap(
    (
        (0.20, 0.075, 285.0),
        (0.36, 0.105, 262.0),
        (0.53, 0.095, 225.0),
        (0.68, 0.105, 175.0),
        (0.82, 0.125, 125.0),
        (0.94, 0.110, 102.0),
    )
)
"""Night blue over teal to pale yellow."""

ERROR = ColorMap(
    (
        (0.10, 0.020, 300.0),
        (0.30, 0.110, 320.0),
        (0.50, 0.155, 5.0),
        (0.68, 0.160, 40.0),
        (0.84, 0.135, 78.0),
        (0.97, 0.060, 100.0),
    )
)
"""Nearly black over red and orange to nearly white."""
