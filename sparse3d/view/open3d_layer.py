"""Points, lines and surfaces drawn by Open3D off screen; nothing else of the viewer knows it.

Everything is unlit and nothing is processed afterwards, so that colours come out as they went in.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from sparse3d.geometry.transforms import invert_rigid
from sparse3d.ops.open3d_module import open3d_module
from sparse3d.view.drawing import Drawing, Lines, Points, Surface
from sparse3d.view.headless import egl_platform, quiet, with_environment
from sparse3d.view.layers import Layer
from sparse3d.view.viewpoint import Viewpoint

__all__ = ["draw_geometry"]


def draw_geometry(drawing: Drawing, viewpoint: Viewpoint, samples: int) -> Layer:
    """Draw all but the Gaussians.

    Args:
        drawing: With points, lines or surfaces.
        viewpoint: From where.
        samples: Samples along each side of a pixel; dots and lines grow with it.

    Raises:
        MissingDependencyError: If Open3D, EGL or an OpenGL driver is not there.
    """
    open3d = open3d_module("drawing")
    lens = viewpoint.intrinsics
    fine = lens.resized(lens.width * samples, lens.height * samples)
    platform = egl_platform(os.environ)
    with _silent(open3d), with_environment("EGL_PLATFORM", platform):
        renderer = open3d.visualization.rendering.OffscreenRenderer(fine.width, fine.height)
        renderer.scene.view.set_post_processing(False)
        _fill(open3d, renderer.scene, drawing, samples)
        _aim(open3d, renderer.scene.camera, drawing, Viewpoint(fine, viewpoint.world_from_camera))
        colors = np.asarray(renderer.render_to_image()).copy()
        depths = np.asarray(renderer.render_to_depth_image(True)).copy()
        del renderer  # frees its buffers before the streams come back
    return Layer(torch.from_numpy(colors).float() / 255, torch.from_numpy(depths))


@contextmanager
def _silent(open3d: Any) -> Iterator[None]:
    level = open3d.utility.VerbosityLevel.Error
    with open3d.utility.VerbosityContextManager(level), quiet():
        yield


def _fill(open3d: Any, scene: Any, drawing: Drawing, samples: int) -> None:
    for number, points in enumerate(drawing.points):
        material = _material(open3d, "defaultUnlit", point_size=points.size * samples)
        scene.add_geometry(f"points {number}", _cloud(open3d, points), material)
    for number, lines in enumerate(drawing.lines):
        material = _material(open3d, "unlitLine", line_width=lines.width * samples)
        scene.add_geometry(f"lines {number}", _line_set(open3d, lines), material)
    for number, surface in enumerate(drawing.surfaces):
        mesh = _mesh(open3d, surface)
        scene.add_geometry(f"surface {number}", mesh, _material(open3d, "defaultUnlit"))


def _material(open3d: Any, shader: str, **values: float) -> Any:
    material = open3d.visualization.rendering.MaterialRecord()
    material.shader = shader
    for name, value in values.items():
        setattr(material, name, value)
    return material


def _aim(open3d: Any, camera: Any, drawing: Drawing, viewpoint: Viewpoint) -> None:
    lens = viewpoint.intrinsics
    camera_from_world = invert_rigid(viewpoint.world_from_camera)
    depths = drawing.geometry().double() @ camera_from_world[2, :3] + camera_from_world[2, 3]
    far = 1.1 * max(float(depths.max()), 1e-3)
    near = far * 1e-4
    camera.set_projection(lens.matrix().numpy(), near, far, float(lens.width), float(lens.height))
    pose = viewpoint.world_from_camera
    place, ahead, up = pose[:3, 3], pose[:3, 3] + pose[:3, 2], -pose[:3, 1]
    camera.look_at(ahead.tolist(), place.tolist(), up.tolist())


def _vectors(open3d: Any, rows: Float[Tensor, "n 3"]) -> Any:
    return open3d.utility.Vector3dVector(rows.double().numpy())


def _cloud(open3d: Any, points: Points) -> Any:
    cloud = open3d.geometry.PointCloud(_vectors(open3d, points.positions))
    cloud.colors = _vectors(open3d, points.colors)
    return cloud


def _line_set(open3d: Any, lines: Lines) -> Any:
    count = len(lines.starts)
    ends = np.stack([np.arange(count), np.arange(count) + count], axis=1)
    places = _vectors(open3d, torch.cat([lines.starts, lines.ends]))
    line_set = open3d.geometry.LineSet(places, open3d.utility.Vector2iVector(ends))
    line_set.colors = _vectors(open3d, lines.colors)
    return line_set


def _mesh(open3d: Any, surface: Surface) -> Any:
    mesh = open3d.geometry.TriangleMesh(
        _vectors(open3d, surface.vertices),
        open3d.utility.Vector3iVector(surface.triangles.int().numpy()),
    )
    mesh.vertex_colors = _vectors(open3d, surface.colors)
    return mesh
