"""Which renderer draws what is not Gaussians: Open3D, or our own where Open3D cannot."""

from collections.abc import Callable
from typing import Literal

from sparse3d.errors import MissingDependencyError
from sparse3d.view import open3d_layer, own_layer
from sparse3d.view.drawing import Drawing
from sparse3d.view.layers import Layer
from sparse3d.view.viewpoint import Viewpoint

__all__ = ["Renderer", "Tell", "draw_geometry"]

Renderer = Literal["auto", "open3d", "own"]
"""``auto`` takes Open3D where it, EGL and an OpenGL driver are there, else our own, and says so."""

Tell = Callable[[str], None]
"""Gets a line for the user."""


def draw_geometry(
    renderer: Renderer, drawing: Drawing, viewpoint: Viewpoint, samples: int, tell: Tell
) -> Layer:
    """Draw all but the Gaussians.

    Args:
        renderer: What draws.
        drawing: With points, lines or surfaces.
        viewpoint: From where.
        samples: Samples along each side of a pixel; dots and lines grow with it.
        tell: Called with one line where ``auto`` draws without Open3D.

    Raises:
        MissingDependencyError: If Open3D is asked for by name and cannot draw here.
    """
    if renderer == "own":
        return own_layer.draw_geometry(drawing, viewpoint, samples)
    try:
        return open3d_layer.draw_geometry(drawing, viewpoint, samples)
    except MissingDependencyError as error:
        if renderer == "open3d":
            raise
        tell(f"drawn by sparse3d itself (--renderer own), not by Open3D: {error}")
        return own_layer.draw_geometry(drawing, viewpoint, samples)
