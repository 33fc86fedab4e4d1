"""Conversions between the axis conventions of camera poses.

The project's own cameras are OpenCV's (x right, y down, z forward). OpenGL's (x right, y up,
z backward) are what nerfstudio, instant-ngp and Blender write.
"""

from jaxtyping import Float
from torch import Tensor

__all__ = ["opencv_from_opengl", "opengl_from_opencv"]


def opencv_from_opengl(
    world_from_camera: Float[Tensor, "*batch 4 4"],
) -> Float[Tensor, "*batch 4 4"]:
    """The pose of the same camera with OpenCV instead of OpenGL camera axes."""
    return world_from_camera * world_from_camera.new_tensor([1.0, -1.0, -1.0, 1.0])


def opengl_from_opencv(
    world_from_camera: Float[Tensor, "*batch 4 4"],
) -> Float[Tensor, "*batch 4 4"]:
    """The pose of the same camera with OpenGL instead of OpenCV camera axes."""
    return opencv_from_opengl(world_from_camera)  # turning y and z over is its own inverse
