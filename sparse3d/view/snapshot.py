"""A picture of scenes, without a window."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from sparse3d.errors import DataError
from sparse3d.scene import Scene
from sparse3d.view.adapters import Kind, Selection, draw_scene, shown_frames
from sparse3d.view.drawing import Drawing
from sparse3d.view.layers import Layer, compose
from sparse3d.view.renderer import Renderer, Tell, draw_geometry
from sparse3d.view.splat_layer import draw_splats
from sparse3d.view.viewpoint import Viewpoint, find_camera, overview, scene_up, through_camera

__all__ = ["SnapshotOptions", "picture", "snapshot"]

_SAMPLES = 2


@dataclass(frozen=True)
class SnapshotOptions:
    """What a picture looks like."""

    width: int | None = None
    """Pixels; 1280, or that of --camera."""
    height: int | None = None
    """Pixels; 720, or that of --camera."""
    camera: str | None = None
    """Look through this camera of the scene: its name, or its number from 0."""
    frame: str | None = None
    """Moment of a recording: its name, or its number from 0; the first where not given."""
    hide: tuple[Kind, ...] = ()
    """What is left out."""
    background: tuple[float, float, float] = (1.0, 1.0, 1.0)
    """Red, green, blue behind everything, 0 to 1."""
    renderer: Renderer = "auto"
    """What draws points, lines and surfaces: Open3D, or sparse3d's own drawing on the CPU; auto
    takes Open3D unless it, EGL or an OpenGL driver is missing. Gaussians are always our own."""


def snapshot(
    scenes: Sequence[Scene],
    options: SnapshotOptions,
    up: Float64[Tensor, " 3"] | None = None,
    tell: Tell = warnings.warn,
) -> Float[Tensor, "h w 3"]:
    """Draw scenes that share a world into one picture.

    Args:
        scenes: What to show.
        options: Size, viewpoint, background.
        up: Unit vector upwards in the world; see :func:`scene_up` for what None means.
        tell: Called with one line where ``auto`` draws without Open3D.

    Returns:
        RGB in [0, 1].

    Raises:
        DataError: If there is nothing to draw, or stored values cannot be read.
        ConfigError: If there is no such camera or frame.
        MissingDependencyError: If Open3D is asked for by name and cannot draw here.
    """
    upwards = scene_up(scenes) if up is None else up
    camera = None if options.camera is None else find_camera(scenes, options.camera)
    through = None if camera is None else camera.name
    selection = Selection(options.frame, frozenset(options.hide), through)
    drawing = Drawing.merged(draw_scene(scene, upwards, selection) for scene in scenes)
    if not drawing:
        raise DataError(scenes[0].source or scenes[0].name, "has nothing that can be drawn")
    if camera is not None:
        viewpoint = through_camera(camera, options.width, options.height)
    else:
        shown = [shown_frames(scene, options.frame) for scene in scenes]
        photos = [c for frames in shown for f in frames if f.points is None for c in f.cameras]
        size = (options.width or 1280, options.height or 720)
        viewpoint = overview(drawing, photos, upwards, *size)
    return picture(drawing, viewpoint, options.background, options.renderer, tell)


def picture(
    drawing: Drawing,
    viewpoint: Viewpoint,
    background: tuple[float, float, float],
    renderer: Renderer = "auto",
    tell: Tell = warnings.warn,
) -> Float[Tensor, "h w 3"]:
    """Draw everything from a viewpoint: opaque things and the splat, composed by depth.

    Raises:
        MissingDependencyError: If Open3D is asked for by name and cannot draw here.
    """
    lens = viewpoint.intrinsics
    if drawing.has_geometry:
        layer = draw_geometry(renderer, drawing, viewpoint, _SAMPLES, tell)
    else:
        size = (lens.height * _SAMPLES, lens.width * _SAMPLES)
        layer = Layer(torch.zeros(*size, 3), torch.full(size, torch.inf))
    splat = draw_splats(drawing.gaussians, viewpoint) if drawing.gaussians else None
    return compose(layer, splat, background, _SAMPLES)
