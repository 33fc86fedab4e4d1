"""From a scene to what a picture shows of it."""

import math
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from sparse3d.errors import ConfigError
from sparse3d.geometry.boxes import BOX_EDGES, box_corners
from sparse3d.geometry.transforms import transform_points
from sparse3d.scene import Boxes3D, Camera, Frame, Gaussians, Mesh, PointCloud, Scene
from sparse3d.view import palette
from sparse3d.view.drawing import Drawing, Lines, Points, Surface
from sparse3d.view.focus import core, without_strays

__all__ = ["Kind", "Selection", "draw_cameras", "draw_scene", "frusta", "shown_frames"]

Kind = Literal["points", "boxes", "cameras", "mesh", "gaussians"]

_FEW = 20_000
_FRONT_EDGES = ((0, 5), (1, 4))  # a cross on the front face of a box


@dataclass(frozen=True, slots=True)
class Selection:
    """What of a scene is shown."""

    frame: str | None = None
    """Name or number of the moment, see :func:`shown_frames`."""
    hide: frozenset[Kind] = frozenset()
    """Kinds of things that are left out."""
    through: str | None = None
    """Name of the camera through which the picture is taken; its frustum is left out."""


def draw_scene(
    scene: Scene, up: Float[Tensor, " 3"], selection: Selection = Selection()
) -> Drawing:
    """What a scene shows.

    Points without colours get one by height, boxes that of their class; cameras are frusta, blue,
    orange where they are held out.

    Args:
        scene: What to show.
        up: Unit vector upwards in the world.
        selection: What of it.

    Raises:
        ConfigError: If there is no such frame.
        DataError: If stored values cannot be read.
    """
    frames = shown_frames(scene, selection.frame)
    parts = [*_draw_world(scene, up, selection.hide), *_draw_moments(frames, up, selection.hide)]
    if "cameras" not in selection.hide:
        parts.append(draw_cameras(frames, _frustum_depth(scene, frames), selection.through))
    return Drawing.merged(parts)


def shown_frames(scene: Scene, frame: str | None) -> tuple[Frame, ...]:
    """The frames of a picture: all photos, but only one moment of a LiDAR recording.

    Args:
        scene: The scene.
        frame: Name or number (from 0) of the frame to show; of a recording the first if None.

    Raises:
        ConfigError: If there is no such frame.
    """
    if frame is None:
        recorded = any(f.points is not None or f.boxes is not None for f in scene.frames)
        return scene.frames[:1] if recorded else scene.frames
    named = [candidate for candidate in scene.frames if candidate.name == frame]
    if not named and frame.isdecimal() and int(frame) < len(scene.frames):
        named = [scene.frames[int(frame)]]
    if not named:
        names = ", ".join(f.name for f in scene.frames[:5])
        raise ConfigError(
            f"no frame is named {frame!r}; there are {len(scene.frames)}: {names} ..."
        )
    return (named[0],)


def draw_cameras(frames: Iterable[Frame], depth: float, hidden: str | None = None) -> Drawing:
    """Frusta of the cameras of frames, ``depth`` scene units long."""
    parts = []
    for held_out, color in ((False, palette.CAMERA), (True, palette.TEST_CAMERA)):
        cameras = [
            camera
            for frame in frames
            for camera in frame.cameras
            if (frame.split == "test") == held_out and camera.name != hidden
        ]
        if cameras:
            starts, ends = frusta(cameras, depth)
            parts.append(Lines(starts, ends, torch.tensor(color).expand_as(starts)))
    return Drawing(lines=tuple(parts), focus=tuple(lines.ends for lines in parts))


def frusta(
    cameras: Sequence[Camera], depth: float
) -> tuple[Float[Tensor, "n 3"], Float[Tensor, "n 3"]]:
    """Ten lines a camera: four edges, the far rectangle, and a gable on its upper side.

    The corners are those of the image, lens distortion included.

    Args:
        cameras: At least one.
        depth: z-depth of the rectangle, scene units.
    """
    lines = [_frustum(camera, depth) for camera in cameras]
    both = torch.cat(lines)  # [10 cameras, 2, 3]
    return both[:, 0], both[:, 1]


def _frustum(camera: Camera, depth: float) -> Float[Tensor, "10 2 3"]:
    lens = camera.intrinsics
    w, h = float(lens.width), float(lens.height)
    pixels = torch.tensor([[0.0, 0.0], [w, 0.0], [w, h], [0.0, h]], dtype=torch.float64)
    rectangle = lens.unproject(pixels) * depth
    middle = (rectangle[0] + rectangle[1]) / 2
    gable = middle + 0.35 * (rectangle[0] - rectangle[3])
    apex = torch.zeros_like(gable)
    local = torch.stack([apex, *rectangle, gable])
    world = transform_points(camera.world_from_camera, local).float()
    pairs = [(0, 1), (0, 2), (0, 3), (0, 4), (1, 2), (2, 3), (3, 4), (4, 1), (1, 5), (5, 2)]
    return world[torch.tensor(pairs)]


def _frustum_depth(scene: Scene, frames: Sequence[Frame]) -> float:
    """Half the usual distance between neighbouring cameras, so that frusta do not tangle."""
    if scene.metric and any(frame.points is not None for frame in frames):
        return 0.8
    centers = [c.world_from_camera[:3, 3] for frame in frames for c in frame.cameras]
    if len(centers) < 2:
        return 0.3
    places = torch.stack(centers[:: math.ceil(len(centers) / 500)])
    distances = torch.cdist(places, places) + torch.diag(torch.full((len(places),), math.inf))
    nearest = distances.amin(1)
    extent = float((places - places.mean(0)).norm(dim=1).max())
    return max(0.6 * float(nearest.median()), 0.05 * extent, 1e-6)


def _draw_world(scene: Scene, up: Float[Tensor, " 3"], hide: Collection[Kind]) -> Iterator[Drawing]:
    points = None if "points" in hide else scene.read_points()
    mesh = None if "mesh" in hide else scene.read_mesh()
    gaussians = None if "gaussians" in hide else scene.read_gaussians()
    if points is not None and len(points):
        yield _draw_points(points, up)
    if mesh is not None and len(mesh.triangles):
        yield _draw_mesh(mesh, up)
    if gaussians is not None and len(gaussians):
        yield _draw_gaussians(gaussians)


def _draw_moments(
    frames: Iterable[Frame], up: Float[Tensor, " 3"], hide: Collection[Kind]
) -> Iterator[Drawing]:
    for frame in frames:
        cloud = None if "points" in hide else frame.read_points()
        boxes = None if "boxes" in hide else frame.read_boxes()
        if cloud is not None and len(cloud):
            yield _draw_sweep(frame, cloud, up)
        if boxes is not None and len(boxes):
            yield _draw_boxes(boxes, frame.pose())


def _draw_points(cloud: PointCloud, up: Float[Tensor, " 3"]) -> Drawing:
    points = _points(cloud, up)
    return Drawing(points=(points,), focus=(without_strays(points.positions),))


def _draw_mesh(mesh: Mesh, up: Float[Tensor, " 3"]) -> Drawing:
    light = torch.nn.functional.normalize(up.float() + torch.tensor([0.45, -0.3, 0.25]), dim=0)
    vertices = mesh.vertices.float()
    surface = Surface(vertices, mesh.triangles, palette.mesh_colors(mesh, light))
    return Drawing(surfaces=(surface,), focus=(vertices,))


def _draw_gaussians(gaussians: Gaussians) -> Drawing:
    opaque = gaussians.means[gaussians.logit_opacities > 0].float()
    return Drawing(gaussians=(gaussians.detached(),), focus=(without_strays(opaque),))


def _points(cloud: PointCloud, up: Float[Tensor, " 3"]) -> Points:
    known = cloud.select(torch.isfinite(cloud.positions).all(1))  # depth cameras write NaN
    size = 2.0 if len(known) > _FEW else 3.0
    return Points(known.positions.float(), palette.point_colors(known, up), size)


def _draw_sweep(frame: Frame, cloud: PointCloud, up: Float[Tensor, " 3"]) -> Drawing:
    pose = frame.pose()
    points = _points(cloud, pose[:3, :3].T.float() @ up.float())
    moved = transform_points(pose, points.positions)
    return Drawing(points=(replace(points, positions=moved),), focus=(core(moved),))


def _draw_boxes(boxes: Boxes3D, world_from_ego: Float[Tensor, "4 4"]) -> Drawing:
    starts, ends = _box_lines(boxes, world_from_ego)
    colors = torch.tensor([palette.class_color(name) for name in boxes.names])
    each = colors.repeat_interleave(len(starts) // len(boxes), dim=0)
    return Drawing(lines=(Lines(starts, ends, each, width=2.0),), focus=(starts,))


def _box_lines(
    boxes: Boxes3D, world_from_ego: Float[Tensor, "4 4"]
) -> tuple[Float[Tensor, "n 3"], Float[Tensor, "n 3"]]:
    corners = transform_points(world_from_ego, box_corners(boxes.rows().float()))  # [b, 8, 3]
    pairs = torch.tensor((*BOX_EDGES, *_FRONT_EDGES))
    return corners[:, pairs[:, 0]].reshape(-1, 3), corners[:, pairs[:, 1]].reshape(-1, 3)
