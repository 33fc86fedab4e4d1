"""What a COLMAP model holds, before it is a scene: cameras, posed images, points."""

from dataclasses import dataclass

import numpy as np
import torch

from sparse3d.scene.points import PointCloud

__all__ = ["ColmapImage", "cloud_from_colmap"]


@dataclass(frozen=True, slots=True)
class ColmapImage:
    """One line of the list of images."""

    number: int
    """COLMAP's image id."""
    quaternion: tuple[float, float, float, float]
    """Rotation of camera_from_world (w, x, y, z)."""
    translation: tuple[float, float, float]
    """Translation of camera_from_world."""
    camera: int
    """COLMAP's camera id."""
    name: str
    """Path of the image below the folder of images."""


def cloud_from_colmap(
    positions: np.ndarray, colors: np.ndarray, errors: np.ndarray, track_lengths: np.ndarray | None
) -> PointCloud:
    """Points with colour, ``reprojection_error`` (pixels) and ``track_length`` (images).

    Args:
        positions: n x 3, float64.
        colors: n x 3, 0 to 255.
        errors: n mean reprojection errors, -1 where unknown.
        track_lengths: n numbers of images that see a point, where known.
    """
    extra = {"reprojection_error": torch.from_numpy(errors.astype(np.float32))}
    if track_lengths is not None:
        extra["track_length"] = torch.from_numpy(track_lengths.astype(np.int32))
    return PointCloud(
        positions=torch.from_numpy(positions.astype(np.float64)),
        colors=torch.from_numpy(colors.astype(np.float32) / 255),
        extra=extra,
    )
