"""Points, lines and surfaces drawn by our own operator: on any machine, without OpenGL."""

import torch

from sparse3d.geometry.views import Views
from sparse3d.ops.draw import Lines, Points, Primitive, Triangles, draw
from sparse3d.view.drawing import Drawing
from sparse3d.view.layers import Layer
from sparse3d.view.viewpoint import Viewpoint

__all__ = ["draw_geometry"]

_BIAS = 1e-3  # share of the depth by which lines are nearer, so that they show on surfaces
_NEAR = 1e-4  # of the farthest depth, as Open3D draws


def draw_geometry(drawing: Drawing, viewpoint: Viewpoint, samples: int) -> Layer:
    """Draw all but the Gaussians: surfaces, then lines, then dots, which are round.

    Args:
        drawing: With points, lines or surfaces.
        viewpoint: From where.
        samples: Samples along each side of a pixel; dots and lines grow with it.
    """
    lens = viewpoint.intrinsics
    fine = lens.resized(lens.width * samples, lens.height * samples)
    views = Views.of([fine], viewpoint.world_from_camera[None], torch.float64)
    drawn = draw(_primitives(drawing, samples), views, near=_near(drawing, viewpoint))
    return Layer(drawn.colors[0], drawn.depths[0])


def _primitives(drawing: Drawing, samples: int) -> list[Primitive]:
    return [
        *(Triangles(s.vertices, s.triangles, s.colors.float()) for s in drawing.surfaces),
        *(
            Lines(line.starts, line.ends, line.colors.float(), line.width * samples, _BIAS)
            for line in drawing.lines
        ),
        *(Points(p.positions, p.colors.float(), p.size * samples / 2) for p in drawing.points),
    ]


def _near(drawing: Drawing, viewpoint: Viewpoint) -> float:
    pose = viewpoint.world_from_camera
    depths = (drawing.geometry().double() - pose[:3, 3]) @ pose[:3, 2]
    return _NEAR * max(float(depths.max()), 1e-3)
