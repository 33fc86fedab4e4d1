"""SIFT features, matched along the epipolar lines of known poses."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor

from sparse3d.geometry.transforms import invert_rigid
from sparse3d.splat.photos import Photo

__all__ = ["Features", "extract_sift", "fundamental_matrix", "match_along_epipolar_lines"]

_CHUNK = 1024
_PEAK_THRESHOLD = 0.002  # a third of COLMAP's: known poses weed out what faint features get wrong


@dataclass(frozen=True, slots=True)
class Features:
    """Keypoints of one photo; rows correspond."""

    pixels: Float64[Tensor, "n 2"]
    """Positions, the centre of the first pixel is (0.5, 0.5)."""
    descriptors: Float[Tensor, "n 128"]
    """Unit length."""


def extract_sift(photo: Photo, max_features: int) -> Features:
    """SIFT keypoints and descriptors (Lowe 2004), by COLMAP's CPU implementation.

    One orientation a keypoint, so that no two keypoints share a place.
    """
    import pycolmap

    pycolmap.logging.minloglevel = pycolmap.logging.WARNING.value
    options = pycolmap.FeatureExtractionOptions(use_gpu=False)
    options.sift.max_num_features = max_features
    options.sift.max_num_orientations = 1
    options.sift.peak_threshold = _PEAK_THRESHOLD
    extractor = pycolmap.FeatureExtractor.create(options, pycolmap.Device.cpu)
    grey = photo.image @ photo.image.new_tensor([0.2126, 0.7152, 0.0722])
    keypoints, descriptors = extractor.extract_from_float32_array(grey.numpy())
    pixels = torch.tensor([(point.x, point.y) for point in keypoints], dtype=torch.float64)
    codes = torch.from_numpy(np.array(descriptors.data, dtype=np.float32)).reshape(-1, 128)
    return Features(pixels.reshape(-1, 2), torch.nn.functional.normalize(codes, dim=1))


def fundamental_matrix(a: Photo, b: Photo) -> Float64[Tensor, "3 3"]:
    """``F`` with ``x_b^T F x_a = 0`` for homogeneous pixels of the same point.

    Source: Hartley and Zisserman, Multiple View Geometry, section 9.2.
    """
    b_from_a = invert_rigid(b.world_from_camera) @ a.world_from_camera
    x, y, z = b_from_a[:3, 3].tolist()
    cross = torch.tensor([[0, -z, y], [z, 0, -x], [-y, x, 0]], dtype=torch.float64)
    inverse_a = torch.linalg.inv(a.intrinsics.matrix())
    inverse_b = torch.linalg.inv(b.intrinsics.matrix())
    return inverse_b.T @ cross @ b_from_a[:3, :3] @ inverse_a


def match_along_epipolar_lines(
    a: Features,
    b: Features,
    fundamental: Float64[Tensor, "3 3"],
    max_distance: float = 2.0,
    max_ratio: float = 0.85,
    max_descriptor_distance: float = 0.7,
) -> Int[Tensor, "m 2"]:
    """Mutual best matches among keypoints that agree with the known poses.

    Args:
        a: Features of the first photo.
        b: Features of the second photo.
        fundamental: ``F`` with ``x_b^T F x_a = 0``.
        max_distance: Largest distance from the epipolar line, in both images, pixels.
        max_ratio: Lowe's ratio test, among the candidates along the line.
        max_descriptor_distance: Largest distance of unit descriptors.

    Returns:
        Row numbers in ``a`` and in ``b``.
    """
    if min(len(a.pixels), len(b.pixels)) == 0:
        return torch.empty(0, 2, dtype=torch.int64)
    forward = _best(a, b, fundamental, max_distance, max_ratio)
    backward = _best(b, a, fundamental.T, max_distance, max_ratio)
    rows = torch.arange(len(a.pixels))
    mutual = (forward >= 0) & (backward[forward.clamp_min(0)] == rows)
    pairs = torch.stack([rows, forward], dim=1)[mutual]
    difference = a.descriptors[pairs[:, 0]] - b.descriptors[pairs[:, 1]]
    return pairs[torch.linalg.vector_norm(difference, dim=1) <= max_descriptor_distance]


def _best(
    a: Features,
    b: Features,
    fundamental: Float64[Tensor, "3 3"],
    max_distance: float,
    max_ratio: float,
) -> Int[Tensor, " n"]:
    chunks = zip(a.pixels.split(_CHUNK), a.descriptors.split(_CHUNK), strict=True)
    parts = []
    for pixels, descriptors in chunks:
        similarity = descriptors @ b.descriptors.T
        far = _line_distance(pixels, b.pixels, fundamental) > max_distance
        distance = (2 - 2 * similarity.masked_fill(far, -1)).clamp_min(0).sqrt()  # 2 where far
        distance = torch.nn.functional.pad(distance, (0, 1), value=2.0)
        nearest, index = distance.topk(2, largest=False, dim=1)
        good = (nearest[:, 0] < 2) & (nearest[:, 0] <= max_ratio * nearest[:, 1])
        parts.append(torch.where(good, index[:, 0], -1))
    return torch.cat(parts)


def _line_distance(
    a: Float64[Tensor, "n 2"], b: Float64[Tensor, "m 2"], fundamental: Float64[Tensor, "3 3"]
) -> Float64[Tensor, "n m"]:
    one = torch.nn.functional.pad
    lines_b = one(a, (0, 1), value=1.0) @ fundamental.T  # [n, 3]: lines in image b
    lines_a = one(b, (0, 1), value=1.0) @ fundamental  # [m, 3]: lines in image a
    value = (lines_b @ one(b, (0, 1), value=1.0).T).abs()
    normal_b = torch.linalg.vector_norm(lines_b[:, :2], dim=1)
    normal_a = torch.linalg.vector_norm(lines_a[:, :2], dim=1)
    tiny = torch.finfo(torch.float64).tiny
    return value / torch.minimum(normal_b[:, None], normal_a[None]).clamp_min(tiny)
