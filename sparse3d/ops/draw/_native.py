"""The C++ kernels, all threads."""

from sparse3d.ops.backend import native_module
from sparse3d.ops.draw._canvas import Camera, Canvas
from sparse3d.ops.draw._shapes import Dots, Faces, Strokes

__all__ = ["lines", "points", "triangles"]


def points(canvas: Canvas, camera: Camera, dots: Dots) -> None:
    """Dots of a radius in pixels, or in scene units."""
    positions, colors, *rest = dots
    arrays = positions.contiguous(), colors.contiguous()
    native_module().draw_points(*camera, *arrays, *rest, *canvas)


def lines(canvas: Canvas, camera: Camera, strokes: Strokes) -> None:
    """Lines of a width in pixels, their depths multiplied by a factor."""
    ends, colors, *rest = strokes
    native_module().draw_lines(*camera, ends, colors.contiguous(), *rest, *canvas)


def triangles(canvas: Canvas, camera: Camera, faces: Faces) -> None:
    """Faces, seen from both sides, with a colour a corner."""
    native_module().draw_triangles(*camera, *faces, *canvas)
