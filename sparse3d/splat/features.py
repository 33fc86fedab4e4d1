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
        max_distance: Largest distance from the epipolar line in the second image, pixels.
        max_ratio: Lowe's ratio test, among the candidates along the line.
        max_descriptor_distance: Largest distance of unit descriptors.

    Returns:
        Row numbers in ``a`` and in ``b``.
    """
    if min(len(a.pixels), len(b.pixels)) == 0:
        return torch.empty(0, 2, dtype=torch.int64)
    rows = [
        _along_lines(lines, descriptors, b, max_distance)
        for lines, descriptors in zip(
            _unit_lines(a, fundamental).split(_CHUNK), a.descriptors.split(_CHUNK), strict=True
        )
    ]
    similarity = torch.cat(rows)  # [n, m], -1 off the line
    backward = similarity.argmax(0)
    best, forward = similarity.max(1)
    second = similarity.scatter_(1, forward[:, None], -1.0).amax(1)
    numbers = torch.arange(len(forward))
    good = (best > -1) & (backward[forward] == numbers)
    good &= _distance(best) <= (max_ratio * _distance(second)).clamp_max(max_descriptor_distance)
    return torch.stack([numbers, forward], dim=1)[good]


def _unit_lines(a: Features, fundamental: Float64[Tensor, "3 3"]) -> Float[Tensor, "n 3"]:
    """Epipolar lines in the other image, scaled so that a product with a pixel is a distance."""
    lines = torch.nn.functional.pad(a.pixels, (0, 1), value=1.0) @ fundamental.T
    normal = torch.linalg.vector_norm(lines[:, :2], dim=1, keepdim=True)
    return (lines / normal.clamp_min(torch.finfo(torch.float64).tiny)).float()


def _along_lines(
    lines: Float[Tensor, "n 3"],
    descriptors: Float[Tensor, "n 128"],
    b: Features,
    max_distance: float,
) -> Float[Tensor, "n m"]:
    """Cosine of descriptors, -1 where a keypoint of ``b`` is off the line."""
    pixels = torch.nn.functional.pad(b.pixels, (0, 1), value=1.0).float()
    far = (lines @ pixels.T).abs_() > max_distance
    return (descriptors @ b.descriptors.T).masked_fill_(far, -1.0)


def _distance(cosine: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
    """Euclidean distance of unit vectors."""
    return (2 - 2 * cosine).clamp_min(0).sqrt()
