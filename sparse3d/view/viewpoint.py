"""From where a picture is taken: a scene's camera, or a place from which everything is seen."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float64
from torch import Tensor

from sparse3d.errors import ConfigError
from sparse3d.geometry.intrinsics import Intrinsics
from sparse3d.geometry.transforms import look_at
from sparse3d.geometry.undistort import undistorted_pinhole
from sparse3d.scene import Camera, Scene
from sparse3d.view.drawing import Drawing

__all__ = ["Viewpoint", "find_camera", "overview", "scene_up", "through_camera"]

_FIELD_OF_VIEW = math.radians(45)  # of the shorter side
_MARGIN = 0.92  # share of the picture that the contents may fill
_NEAREST = 0.1  # of the extent
_TOGETHER = 0.5  # length of the mean viewing direction above which cameras look the same way


@dataclass(frozen=True, slots=True)
class Viewpoint:
    """A pinhole camera."""

    intrinsics: Intrinsics
    """Lens without distortion, and the size of the picture."""
    world_from_camera: Float64[Tensor, "4 4"]
    """Pose, OpenCV axes."""


def scene_up(scenes: Sequence[Scene]) -> Float64[Tensor, " 3"]:
    """Unit vector upwards in the world of scenes that are shown together.

    z where something is metric or was recorded by LiDAR; else the mean up of the cameras; else -y
    where there are Gaussians only, which is how splats of photos usually lie; else z.
    """
    vertical = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)
    frames = [frame for scene in scenes for frame in scene.frames]
    if any(scene.metric for scene in scenes) or any(f.points is not None for f in frames):
        return vertical
    cameras = [camera for frame in frames for camera in frame.cameras]
    if cameras:
        mean = -torch.stack([camera.world_from_camera[:3, 1] for camera in cameras]).mean(0)
        length = float(mean.norm())
        return mean / length if length > 0.1 else vertical
    if any(scene.gaussians for scene in scenes) and not any(
        scene.points or scene.mesh for scene in scenes
    ):
        return torch.tensor([0.0, -1.0, 0.0], dtype=torch.float64)
    return vertical


def find_camera(scenes: Sequence[Scene], wanted: str) -> Camera:
    """The camera of a name or number (from 0, over all scenes).

    Raises:
        ConfigError: If there is none.
    """
    cameras = [camera for scene in scenes for camera in scene.iter_cameras()]
    named = [camera for camera in cameras if camera.name == wanted]
    if not named and wanted.isdecimal() and int(wanted) < len(cameras):
        named = [cameras[int(wanted)]]
    if not named:
        names = ", ".join(camera.name for camera in cameras[:3])
        known = f"there are {len(cameras)}: {names} ..." if cameras else "there are no cameras"
        raise ConfigError(f"no camera is named {wanted!r}; {known}")
    return named[0]


def through_camera(camera: Camera, width: int | None, height: int | None) -> Viewpoint:
    """What a camera sees, without lens distortion, the whole of it.

    Args:
        camera: The camera.
        width: Of the picture, pixels; the camera's if None.
        height: Of the picture, pixels; the camera's if None.
    """
    lens = undistorted_pinhole(camera.intrinsics)
    wide, high = width or lens.width, height or lens.height
    scale = min(wide / lens.width, high / lens.height)
    fitted = Intrinsics(
        wide,
        high,
        fx=lens.fx * scale,
        fy=lens.fy * scale,
        cx=(lens.cx - lens.width / 2) * scale + wide / 2,
        cy=(lens.cy - lens.height / 2) * scale + high / 2,
    )
    return Viewpoint(fitted, camera.world_from_camera)


def overview(
    drawing: Drawing,
    cameras: Sequence[Camera],
    up: Float64[Tensor, " 3"],
    width: int,
    height: int,
) -> Viewpoint:
    """A viewpoint from which the contents fill the picture.

    Cameras that look the same way are looked at from behind, a little from
    the right and above, everything else obliquely from above.

    Args:
        drawing: What shall be seen; with a focus.
        cameras: Cameras of the scene.
        up: Unit vector upwards.
        width: Of the picture, pixels.
        height: Of the picture, pixels.
    """
    focal = min(width, height) / 2 / math.tan(_FIELD_OF_VIEW / 2)
    lens = Intrinsics(width, height, focal, focal, width / 2, height / 2)
    target = torch.zeros(3, dtype=torch.float64)
    rotation = look_at(target, _direction(cameras, up), up)[:3, :3]
    local = torch.cat(drawing.focus).double() @ rotation  # R^T p, as rows
    tangents = (_MARGIN * width / 2 / focal, _MARGIN * height / 2 / focal)
    pose = torch.eye(4, dtype=torch.float64)
    pose[:3, :3], pose[:3, 3] = rotation, rotation @ _fitted(local, *tangents)
    return Viewpoint(lens, pose)


def _direction(cameras: Sequence[Camera], up: Float64[Tensor, " 3"]) -> Float64[Tensor, " 3"]:
    ahead, yaw, pitch = _axis_across(up), math.radians(-25), math.radians(28)
    if cameras:
        mean = torch.stack([camera.world_from_camera[:3, 2] for camera in cameras]).mean(0)
        level = mean - (mean @ up) * up
        if float(level.norm()) > _TOGETHER:
            ahead, pitch = level / level.norm(), math.radians(18)
    side = torch.linalg.cross(up, ahead)
    turned = math.cos(yaw) * ahead - math.sin(yaw) * side
    return math.cos(pitch) * turned - math.sin(pitch) * up


def _axis_across(up: Float64[Tensor, " 3"]) -> Float64[Tensor, " 3"]:
    """The world's x (forward, where z is up), or what is left of it across ``up``."""
    axis = torch.zeros(3, dtype=torch.float64)
    axis[0 if float(up[0].abs()) < 0.9 else 1] = 1.0
    across = axis - (axis @ up) * up
    return across / across.norm()


def _fitted(
    local: Float64[Tensor, "n 3"], tangent_x: float, tangent_y: float
) -> Float64[Tensor, " 3"]:
    """The place, along the camera's own axes, nearest to the contents that sees all of them.

    It keeps a tenth of the extent away: of a long thing, the nearest point alone could fill the
    picture.

    A point is inside the left edge if ``x - cx >= -t (z - cz)``, inside the right one if
    ``x - cx <= t (z - cz)``; both are linear in the place ``(cx, cz)``.
    """
    x, y, z = local.unbind(1)
    planes = []
    for across, tangent in ((x, tangent_x), (y, tangent_y)):
        right, left = (across - tangent * z).max(), (-across - tangent * z).max()
        planes.append(((right - left) / 2, -(right + left) / (2 * tangent)))
    (cx, behind_x), (cy, behind_y) = planes
    extent = float((local.amax(0) - local.amin(0)).norm())
    not_too_near = z.min() - max(_NEAREST * extent, 1e-6)
    return torch.stack([cx, cy, torch.stack([behind_x, behind_y, not_too_near]).min()])
