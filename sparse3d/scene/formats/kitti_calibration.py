"""The calibration of a KITTI frame, and where boxes appear in its image.

A LiDAR point X projects to ``P2 R0_rect Tr_velo_to_cam X``. ``P2`` holds, besides the calibration
matrix, where the left colour camera stands relative to the rectified camera 0, in whose frame the
labels are (Geiger et al., "Vision meets robotics", 2013). Pixels are taken as the files have them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor

from sparse3d.errors import DataError
from sparse3d.geometry.boxes import BOX_EDGES, box_corners
from sparse3d.geometry.intrinsics import Intrinsics
from sparse3d.geometry.rotations import nearest_rotation
from sparse3d.geometry.transforms import invert_rigid, is_rigid, rigid, transform_points
from sparse3d.scene.camera import Camera
from sparse3d.scene.formats.arrays import read_all

__all__ = ["NOMINAL_SIZE", "KittiCalibration", "parse_calibration", "read_calibration"]

NOMINAL_SIZE = (1242, 375)
"""Image width and height where there is no image."""

_NEAR = 0.1
"""Metres; what is nearer to the image plane is not drawn."""
_KEYS = {
    "P2": ("P2",),
    "R0_rect": ("R0_rect", "R_rect"),
    "Tr_velo_to_cam": ("Tr_velo_to_cam", "Tr_velo_cam"),
}
_SIZES = {"P2": 12, "R0_rect": 9, "Tr_velo_to_cam": 12}


@dataclass(frozen=True, slots=True)
class KittiCalibration:
    """Lens and place of the left colour camera, and the frame of the labels."""

    matrix: Float64[Tensor, "3 3"]
    """Calibration matrix K, pixels."""
    camera_from_rect: Float64[Tensor, " 3"]
    """Where the rectified camera 0 stands in the frame of the colour camera, metres."""
    rect_from_lidar: Float64[Tensor, "4 4"]
    """From the LiDAR to the frame of the labels: x right, y down, z forward."""

    @classmethod
    def of_camera(
        cls, camera: Camera, world_from_ego: Float64[Tensor, "4 4"]
    ) -> "KittiCalibration":
        """The calibration with which a camera's own frame is the frame of the labels."""
        rect_from_lidar = invert_rigid(camera.world_from_camera) @ world_from_ego
        zero = torch.zeros(3, dtype=torch.float64)
        return cls(camera.intrinsics.matrix(), zero, rect_from_lidar)

    @classmethod
    def nominal(cls) -> "KittiCalibration":
        """A camera at the LiDAR that looks forward, with KITTI's usual lens."""
        axes = torch.tensor([[0.0, -1, 0], [0, 0, -1], [1, 0, 0]], dtype=torch.float64)
        zero = torch.zeros(3, dtype=torch.float64)
        lens = Intrinsics(*NOMINAL_SIZE, 721.5377, 721.5377, 609.5593, 172.854)
        return cls(lens.matrix(), zero, rigid(axes, zero))

    def lidar_from_camera(self) -> Float64[Tensor, "4 4"]:
        """Pose of the colour camera in the LiDAR frame."""
        camera_from_lidar = self.rect_from_lidar.clone()
        camera_from_lidar[:3, 3] += self.camera_from_rect
        return invert_rigid(camera_from_lidar)

    def intrinsics(self, width: int, height: int) -> Intrinsics:
        """The lens as a pinhole of the given image size."""
        k = self.matrix.tolist()
        return Intrinsics(width, height, k[0][0], k[1][1], k[0][2], k[1][2])

    def rectangles(
        self, boxes: Float[Tensor, "n 7"], size: tuple[int, int] | None = None
    ) -> Float64[Tensor, "n 4"]:
        """Bounding rectangles (left, top, right, bottom) of boxes in the image, pixels.

        Edges are cut at 0.1 m before the camera; boxes behind it, or outside of the image where its
        size is given, get -1 in all four.

        Args:
            boxes: Rows of the LiDAR frame as ``geometry.boxes`` takes them.
            size: Width and height to which the rectangles are cut.
        """
        corners = transform_points(self.rect_from_lidar, box_corners(boxes.double()))
        edges = (corners + self.camera_from_rect)[:, torch.tensor(BOX_EDGES)]  # [n, 12, 2, 3]
        points, seen = _cut_near(edges)
        pixels = points @ self.matrix.T
        pixels = pixels[..., :2] / pixels[..., 2:]
        seen = seen[..., None, None].expand_as(pixels)
        low = torch.where(seen, pixels, torch.inf).flatten(1, 2).amin(1)
        high = torch.where(seen, pixels, -torch.inf).flatten(1, 2).amax(1)
        if size is not None:
            limit = torch.tensor(size, dtype=torch.float64) - 1
            low, high = low.clamp_min(0), torch.minimum(high, limit)
        visible = (low < high).all(1, keepdim=True)
        return torch.where(visible, torch.cat([low, high], dim=1), -1.0)

    def text(self) -> str:
        """The lines of a ``calib`` file; the four cameras are the same one."""
        projection = torch.cat([self.matrix, (self.matrix @ self.camera_from_rect)[:, None]], 1)
        rows = {f"P{k}": projection for k in range(4)} | {
            "R0_rect": torch.eye(3),
            "Tr_velo_to_cam": self.rect_from_lidar[:3],
            "Tr_imu_to_velo": torch.eye(4)[:3],
        }
        return "".join(
            f"{key}: {' '.join(f'{value:.12e}' for value in rows[key].flatten().tolist())}\n"
            for key in rows
        )


def read_calibration(path: Path) -> KittiCalibration:
    """Read a ``calib`` file.

    Raises:
        DataError: If it does not parse, or a matrix is missing or not what it should be.
    """
    return parse_calibration(path, read_all(path))


def parse_calibration(path: Path, data: bytes) -> KittiCalibration:
    """The calibration in the bytes of a ``calib`` file; errors as :func:`read_calibration`."""
    rows = _rows(data)
    values = {key: _matrix(path, rows, key) for key in _KEYS}
    projection = values["P2"].reshape(3, 4)
    matrix = projection[:, :3]
    pinhole = [[True, False, True], [False, True, True], [False, False, True]]
    off = matrix[~torch.tensor(pinhole)]
    if bool((off != 0).any()) or matrix[2, 2] != 1 or min(matrix[0, 0], matrix[1, 1]) <= 0:
        raise DataError(path, f"P2 must be a pinhole projection, got {projection.tolist()}")
    rectify = rigid(values["R0_rect"].reshape(3, 3), torch.zeros(3, dtype=torch.float64))
    last = torch.tensor([0.0, 0, 0, 1], dtype=torch.float64)
    rect_from_lidar = rectify @ torch.cat([values["Tr_velo_to_cam"], last]).reshape(4, 4)
    if not is_rigid(rect_from_lidar):
        raise DataError(path, "R0_rect and Tr_velo_to_cam must be rotations and a translation")
    rect_from_lidar[:3, :3] = nearest_rotation(rect_from_lidar[:3, :3])
    offset = torch.linalg.solve(matrix, projection[:, 3])
    return KittiCalibration(matrix, offset, rect_from_lidar)


def _rows(data: bytes) -> dict[str, list[str]]:
    lines = data.decode("ascii", "replace").splitlines()
    split = (line.replace(":", " ", 1).split() for line in lines)
    return {words[0]: words[1:] for words in split if words}


def _matrix(path: Path, rows: Mapping[str, list[str]], key: str) -> Float64[Tensor, " n"]:
    words = next((rows[name] for name in _KEYS[key] if name in rows), None)
    if words is None:
        raise DataError(path, f"calibration has no {key}")
    try:
        values = torch.tensor([float(word) for word in words], dtype=torch.float64)
    except ValueError:
        raise DataError(path, f"{key} must be numbers, got {' '.join(words)[:60]!r}") from None
    if len(values) != _SIZES[key] or not bool(torch.isfinite(values).all()):
        raise DataError(path, f"{key} must be {_SIZES[key]} finite numbers, got {len(values)}")
    return values


def _cut_near(
    edges: Float64[Tensor, "n e 2 3"],
) -> tuple[Float64[Tensor, "n e 2 3"], Bool[Tensor, "n e"]]:
    """Ends of edges moved to the near plane, and whether any of an edge is before it."""
    start, end = edges.unbind(2)
    depth = end[..., 2] - start[..., 2]
    where = ((_NEAR - start[..., 2]) / torch.where(depth == 0, 1.0, depth))[..., None]
    cut = start + where * (end - start)
    before = edges[..., 2] >= _NEAR
    moved = torch.where(before[..., None], edges, cut[:, :, None])
    return moved, before.any(2)
