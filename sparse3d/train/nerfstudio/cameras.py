"""Cameras between the scene layer (OpenCV axes) and nerfstudio (OpenGL axes): only here."""

from collections.abc import Sequence

import torch
from jaxtyping import Float64
from nerfstudio.cameras.cameras import Cameras, CameraType
from torch import Tensor

from sparse3d.errors import ConfigError
from sparse3d.geometry.conventions import opencv_from_opengl, opengl_from_opencv
from sparse3d.geometry.intrinsics import Intrinsics

__all__ = ["nerfstudio_cameras", "view_of"]

_LAST_ROW = ((0.0, 0.0, 0.0, 1.0),)


def nerfstudio_cameras(
    lenses: Sequence[Intrinsics], world_from_camera: Float64[Tensor, "n 4 4"]
) -> Cameras:
    """Cameras of nerfstudio with the same lenses, poses and sizes.

    Args:
        lenses: At least one, of any size.
        world_from_camera: Their poses, OpenCV axes.

    Raises:
        ConfigError: If a lens is one that nerfstudio's cameras cannot express.
    """
    poses = opengl_from_opencv(world_from_camera)[:, :3].float()
    distortion = torch.tensor([_distortion(lens) for lens in lenses])
    return Cameras(
        camera_to_worlds=poses,
        fx=torch.tensor([lens.fx for lens in lenses]),
        fy=torch.tensor([lens.fy for lens in lenses]),
        cx=torch.tensor([lens.cx for lens in lenses]),
        cy=torch.tensor([lens.cy for lens in lenses]),
        width=torch.tensor([lens.width for lens in lenses]),
        height=torch.tensor([lens.height for lens in lenses]),
        distortion_params=None if all(lens.is_pinhole for lens in lenses) else distortion,
        camera_type=torch.tensor([_type(lens).value for lens in lenses]),
    )


def view_of(camera: Cameras) -> tuple[Intrinsics, Float64[Tensor, "4 4"]]:
    """Pinhole intrinsics and OpenCV pose of one of nerfstudio's cameras.

    Args:
        camera: Of shape ``(1,)`` or ``()``; distortion is ignored, splats are drawn without.

    Raises:
        ConfigError: If it is no perspective camera.
    """
    kind = CameraType(int(camera.camera_type.item()))
    if kind != CameraType.PERSPECTIVE:
        raise ConfigError(f"splats are drawn by perspective cameras, not by {kind.name} ones")
    size = int(camera.width.item()), int(camera.height.item())
    fx, fy, cx, cy = (float(v.item()) for v in (camera.fx, camera.fy, camera.cx, camera.cy))
    intrinsics = Intrinsics(*size, fx, fy, cx, cy)
    upper = camera.camera_to_worlds.detach().cpu().double().reshape(3, 4)
    pose = torch.cat([upper, upper.new_tensor(_LAST_ROW)])
    return intrinsics, opencv_from_opengl(pose)


def _distortion(lens: Intrinsics) -> tuple[float, ...]:
    """k1 k2 k3 k4 p1 p2; k4 multiplies r^8 (perspective) or theta^9 (fisheye)."""
    if lens.lens == "fisheye":
        return (*lens.distortion, 0.0, 0.0)
    k1, k2, p1, p2, k3, *rational = lens.distortion or (0.0,) * 8
    if any(rational):
        raise ConfigError(
            "nerfstudio has no rational lens (k4, k5, k6); undistort the images first"
        )
    return k1, k2, k3, 0.0, p1, p2


def _type(lens: Intrinsics) -> CameraType:
    return CameraType.FISHEYE if lens.lens == "fisheye" else CameraType.PERSPECTIVE
