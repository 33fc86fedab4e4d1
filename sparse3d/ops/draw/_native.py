"""The C++ kernels, all threads."""

from jaxtyping import Float, Float64
from torch import Tensor

from sparse3d.ops.backend import native_module
from sparse3d.ops.draw._canvas import Camera, Canvas

__all__ = ["lines", "points", "triangles"]


def points(
    canvas: Canvas,
    camera: Camera,
    positions: Float[Tensor, "n 3"],
    colors: Float[Tensor, "n 3"],
    radius: float,
    in_world: bool,
    first: int,
) -> None:
    """Dots of a radius in pixels, or in scene units if ``in_world``."""
    arrays = positions.contiguous(), colors.contiguous()
    native_module().draw_points(*camera, *arrays, radius, in_world, first, *canvas)


def lines(
    canvas: Canvas,
    camera: Camera,
    ends: Float64[Tensor, "n 2 3"],
    colors: Float[Tensor, "n 3"],
    half: float,
    nearer: float,
    first: int,
) -> None:
    """Lines ``2 half`` pixels wide, their depths multiplied by ``nearer``."""
    native_module().draw_lines(*camera, ends, colors.contiguous(), half, nearer, first, *canvas)


def triangles(
    canvas: Canvas,
    camera: Camera,
    corners: Float64[Tensor, "n 3 3"],
    colors: Float[Tensor, "n 3 3"],
    first: int,
) -> None:
    """Faces, seen from both sides, with a colour a corner."""
    native_module().draw_triangles(*camera, corners, colors, first, *canvas)
