"""What stands in a street: surfaces with a finish, and named objects made of them."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from sparse3d.data.simulate.street.shapes import Number, Shape, joined

__all__ = ["Color", "Finish", "Surface", "Thing", "merged", "varied"]

Color = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Finish:
    """How a surface answers light and laser."""

    color: Color
    """RGB in [0, 1]."""
    reflectance: float
    """Intensity of a near return at normal incidence, 0 to 1."""
    reach: float
    """Range at which half of the rays come back at normal incidence, metres."""
    grazing: float = 0.4
    """The reach falls with this power of the cosine of the incidence."""
    glass: bool = False
    """Whether most rays go through or are mirrored away."""


@dataclass(frozen=True, slots=True)
class Surface:
    """A shape of one finish."""

    shape: Shape
    """Where it is, metres."""
    finish: Finish
    """How it answers."""


@dataclass(frozen=True, slots=True)
class Thing:
    """An object: about its own origin on the ground with x ahead, or where it was placed."""

    surfaces: tuple[Surface, ...]
    """All of it."""
    name: str = ""
    """Class of a labelled object, empty for background."""
    yaw: Number = 0
    """Heading about +z from +x, radians."""

    def placed(self, x: Number, y: Number, z: Number, yaw: Number = 0) -> "Thing":
        """The object turned about its own origin, then shifted, metres and radians."""
        surfaces = (Surface(s.shape.moved(x, y, z, yaw), s.finish) for s in self.surfaces)
        return Thing(tuple(surfaces), self.name, self.yaw + yaw)

    def size(self) -> tuple[float, float, float]:
        """Extent along x, y and z, metres."""
        points = np.concatenate([surface.shape.vertices for surface in self.surfaces])
        length, width, height = (points.max(0) - points.min(0)).tolist()
        return length, width, height


def merged(surfaces: Iterable[Surface]) -> tuple[Surface, ...]:
    """Surfaces of the same finish as one, in the order of the first of each."""
    groups: dict[Finish, list[Shape]] = {}
    for surface in surfaces:
        groups.setdefault(surface.finish, []).append(surface.shape)
    return tuple(Surface(joined(shapes), finish) for finish, shapes in groups.items())


def varied(color: Color, rng: np.random.Generator, spread: float = 0.06) -> Color:
    """A colour near another one."""
    red, green, blue = np.clip(np.asarray(color) + rng.normal(0, spread, 3), 0, 1).tolist()
    return red, green, blue
