"""What the backends are given to draw: primitives, checked, in what all of them compute with."""

from typing import NamedTuple

from jaxtyping import Float, Float64
from torch import Tensor

__all__ = ["Dots", "Faces", "Strokes"]


class Dots(NamedTuple):
    """Points of one size."""

    positions: Float[Tensor, "n 3"]
    """In the world, float32 or float64."""
    colors: Float[Tensor, "n 3"]
    radius: float
    in_world: bool
    """Whether the radius is in scene units, not in samples."""
    first: int
    """Number of the first one in the picture."""


class Strokes(NamedTuple):
    """Lines of one width."""

    ends: Float64[Tensor, "n 2 3"]
    """In the world."""
    colors: Float[Tensor, "n 3"]
    half: float
    """Half the width, samples."""
    nearer: float
    """What depths are multiplied by."""
    first: int
    """Number of the first one in the picture."""


class Faces(NamedTuple):
    """Triangles, seen from both sides."""

    corners: Float64[Tensor, "n 3 3"]
    """In the world."""
    colors: Float[Tensor, "n 3 3"]
    """Of each corner."""
    first: int
    """Number of the first one in the picture."""
