"""What a picture shows, as plain data: points, lines, surfaces, Gaussians. No window, no Open3D."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sparse3d.scene import Gaussians

__all__ = ["Drawing", "Lines", "Points", "Surface"]


@dataclass(frozen=True, slots=True)
class Points:
    """Square dots."""

    positions: Float[Tensor, "n 3"]
    """In the world, finite."""
    colors: Float[Tensor, "n 3"]
    """RGB in [0, 1]."""
    size: float = 2.0
    """Edge of a dot, pixels."""


@dataclass(frozen=True, slots=True)
class Lines:
    """Straight lines, rows correspond."""

    starts: Float[Tensor, "n 3"]
    """In the world."""
    ends: Float[Tensor, "n 3"]
    """In the world."""
    colors: Float[Tensor, "n 3"]
    """RGB in [0, 1]."""
    width: float = 1.5
    """Pixels."""


@dataclass(frozen=True, slots=True)
class Surface:
    """Triangles with the colours that they shall have in the picture, seen from both sides."""

    vertices: Float[Tensor, "v 3"]
    """In the world."""
    triangles: Int[Tensor, "t 3"]
    """Vertex numbers."""
    colors: Float[Tensor, "v 3"]
    """RGB in [0, 1] of each vertex; shading, if there is any, is in it."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """Everything that a picture shows."""

    points: tuple[Points, ...] = ()
    lines: tuple[Lines, ...] = ()
    surfaces: tuple[Surface, ...] = ()
    gaussians: tuple[Gaussians, ...] = ()
    focus: tuple[Float[Tensor, "_ 3"], ...] = ()
    """Places in the world that a viewpoint for the whole shall see."""

    def __bool__(self) -> bool:
        return bool(self.points or self.lines or self.surfaces or self.gaussians)

    @property
    def has_geometry(self) -> bool:
        """Whether there is anything but Gaussians."""
        return bool(self.points or self.lines or self.surfaces)

    @classmethod
    def merged(cls, drawings: Iterable["Drawing"]) -> "Drawing":
        """All of several drawings in one."""
        parts = tuple(drawings)
        return cls(
            tuple(item for part in parts for item in part.points),
            tuple(item for part in parts for item in part.lines),
            tuple(item for part in parts for item in part.surfaces),
            tuple(item for part in parts for item in part.gaussians),
            tuple(item for part in parts for item in part.focus),
        )

    def geometry(self) -> Float[Tensor, "n 3"]:
        """All places where points, lines and surfaces begin or end."""
        return torch.cat(
            [
                *(item.positions for item in self.points),
                *(end for item in self.lines for end in (item.starts, item.ends)),
                *(item.vertices for item in self.surfaces),
            ]
        )
