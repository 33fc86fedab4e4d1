"""A picture of a million points, one pixel in radius, drawn into 1280x720."""

import os
from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from harness import Clock, Row, Timing, run
from harness.child import in_child
from harness.machine import use_threads
from sparse3d.errors import MissingDependencyError
from sparse3d.geometry.views import Views
from sparse3d.ops.draw import Points, draw
from sparse3d.ops.open3d_module import open3d_module

NEAREST, FARTHEST = 1.0, 10.0
PEER_CLOCK = Clock(repeats=2, warmups=1)
"""A picture takes it seconds."""


@dataclass(frozen=True)
class Settings:
    """The points, the picture and the goal."""

    count: int = 1_000_000
    width: int = 1280
    height: int = 720
    radius: float = 1.0
    """Pixels."""
    goal: float = 60.0
    """Milliseconds, with two threads."""
    threads: int = 2


def measure(settings: Settings, clock: Clock) -> Iterator[Row]:
    """Our time beside Open3D's, where its renderer comes up."""
    use_threads(settings.threads)
    points, views = scatter(settings)
    timing = clock.time(lambda: draw([points], views))
    seen = float((draw([points], views).ids >= 0).float().mean())
    yield Row("pixels covered", 100 * seen, "%", better="higher")
    peer, seconds = _open3d(settings)
    yield Row(
        f"picture, {settings.count:,} points, {settings.width}x{settings.height}",
        1e3 * timing.seconds,
        "ms",
        peer=peer,
        peer_value=None if seconds is None else 1e3 * seconds,
        goal=settings.goal,
        spread=timing.spread,
    )


def scatter(settings: Settings) -> tuple[Points, Views]:
    """Points at random pixels of a camera at the origin, log-uniform in depth, in random order."""
    rng = torch.Generator().manual_seed(0)
    extent = torch.tensor([settings.width, settings.height])
    depths = NEAREST * (FARTHEST / NEAREST) ** torch.rand(settings.count, 1, generator=rng)
    offsets = (torch.rand(settings.count, 2, generator=rng) - 0.5) * extent * depths
    positions = torch.cat([offsets / settings.width, depths], 1)  # focal length: image width
    colors = torch.rand(settings.count, 3, generator=rng)
    focal, (x, y) = float(settings.width), (extent / 2).tolist()
    matrix = torch.tensor([[focal, 0, x], [0, focal, y], [0, 0, 1]])
    views = Views(torch.eye(4)[None], matrix[None], settings.width, settings.height)
    return Points(positions, colors, settings.radius), views


def _open3d(settings: Settings) -> tuple[str, float | None]:
    """What the peer is and its seconds a picture, or why there are none."""
    try:
        open3d_module("the peer")
        return "Open3D off screen", in_child(time_open3d, settings).seconds
    except MissingDependencyError as error:
        return f"Open3D off screen: {error}", None
    except BrokenProcessPool:  # it ends the process where there is no OpenGL
        return "Open3D off screen: it has no OpenGL here", None


def time_open3d(settings: Settings) -> Timing:
    """A picture and its depths of points that Open3D holds already; for a process of its own."""
    os.environ.setdefault("EGL_PLATFORM", "surfaceless")
    open3d = open3d_module("the peer")
    points, views = scatter(settings)
    rendering = open3d.visualization.rendering
    renderer = rendering.OffscreenRenderer(settings.width, settings.height)
    renderer.scene.view.set_post_processing(False)
    material = rendering.MaterialRecord()
    material.shader, material.point_size = "defaultUnlit", 2 * settings.radius
    cloud = open3d.geometry.PointCloud(_vectors(open3d, points.positions))
    cloud.colors = _vectors(open3d, points.colors)
    renderer.scene.add_geometry("points", cloud, material)
    size = (float(settings.width), float(settings.height))
    near, far = 0.5 * NEAREST, 2 * FARTHEST
    renderer.scene.camera.set_projection(views.matrices[0].double().numpy(), near, far, *size)
    renderer.scene.camera.look_at([0, 0, 1], [0, 0, 0], [0, -1, 0])
    return PEER_CLOCK.time(partial(_render, renderer))


def _vectors(open3d: Any, rows: Float[Tensor, "n 3"]) -> Any:
    return open3d.utility.Vector3dVector(rows.double().numpy())


def _render(renderer: Any) -> tuple[np.ndarray, np.ndarray]:
    colors = np.asarray(renderer.render_to_image())
    return colors, np.asarray(renderer.render_to_depth_image(True))


if __name__ == "__main__":
    run(__file__, measure, Settings(), code=["sparse3d/ops/draw"])
