"""What can be drawn: points, lines and triangles, in the world."""

from dataclasses import dataclass
from typing import Literal

from jaxtyping import Float, Int
from torch import Tensor

__all__ = ["Lines", "Points", "Primitive", "Triangles"]


@dataclass(frozen=True, slots=True)
class Points:
    """Round dots that face the camera, each at the depth of its middle."""

    positions: Float[Tensor, "n 3"]
    """In the world, scene units."""
    colors: Float[Tensor, "n 3"]
    """RGB in [0, 1]."""
    radius: float = 1.0
    """In ``unit``; a dot covers at least the pixel that it lies in."""
    unit: Literal["pixel", "world"] = "pixel"
    """``world``: scene units, so that near dots are larger."""

    def __len__(self) -> int:
        return len(self.positions)


@dataclass(frozen=True, slots=True)
class Lines:
    """Straight lines with round ends, as wide near as far; rows correspond."""

    starts: Float[Tensor, "n 3"]
    """In the world, scene units."""
    ends: Float[Tensor, "n 3"]
    """In the world, scene units."""
    colors: Float[Tensor, "n 3"]
    """RGB in [0, 1], one a line."""
    width: float = 1.5
    """Pixels; less than 1 counts as 1, so that a line has no gaps."""
    bias: float = 0.0
    """Share of its depth, below 1, by which a line is drawn nearer: the edges of a box on a surface
    show with 0.002. The drawn depth is the nearer one."""

    def __len__(self) -> int:
        return len(self.starts)


@dataclass(frozen=True, slots=True)
class Triangles:
    """A surface, seen from both sides."""

    vertices: Float[Tensor, "v 3"]
    """In the world, scene units."""
    faces: Int[Tensor, "t 3"]
    """Vertex numbers."""
    colors: Float[Tensor, "k 3"]
    """RGB in [0, 1], one a vertex or one a face."""
    color_of: Literal["vertex", "face"] = "vertex"
    """Whose colours these are; those of vertices are interpolated, correct in perspective."""
    shaded: bool = False
    """Whether a light at the camera shades each face by its normal (Lambert), 30 % of the light
    coming from everywhere."""

    def __len__(self) -> int:
        return len(self.faces)


Primitive = Points | Lines | Triangles
"""Anything that can be drawn; ``len`` of it is how many things it holds."""
