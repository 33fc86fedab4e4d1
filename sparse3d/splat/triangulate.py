"""Points from feature matches in photos with known poses."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor

from sparse3d.geometry.transforms import invert_rigid
from sparse3d.scene import PointCloud
from sparse3d.splat.config import InitConfig
from sparse3d.splat.features import (
    Features,
    extract_sift,
    fundamental_matrix,
    match_along_epipolar_lines,
)
from sparse3d.splat.photos import Photo

__all__ = ["triangulate_features", "triangulate_photos", "view_pairs"]


def triangulate_photos(photos: Sequence[Photo], config: InitConfig) -> PointCloud:
    """Coloured points seen by at least two photos, in the world frame.

    SIFT keypoints are matched along the epipolar lines of the given poses, joined to tracks and
    triangulated robustly by COLMAP; points behind a camera, with a large reprojection error or
    under a small angle are dropped.
    """
    features = [extract_sift(photo, config.max_features) for photo in photos]
    return triangulate_features(photos, features, config)


def triangulate_features(
    photos: Sequence[Photo], features: Sequence[Features], config: InitConfig
) -> PointCloud:
    """As :func:`triangulate_photos`, from features that are there already, one set a photo."""
    matches = {
        (i, j): match_along_epipolar_lines(
            features[i], features[j], fundamental_matrix(photos[i], photos[j])
        )
        for i, j in view_pairs(photos, config.neighbours)
    }
    tracks = _tracks(features, matches)
    triangulate = _Triangulator(photos, features, config)
    points = [triangulate(track) for track in tracks]
    kept = [
        (point, track) for point, track in zip(points, tracks, strict=True) if point is not None
    ]
    positions = torch.stack([point for point, _ in kept]) if kept else torch.empty(0, 3)
    colors = [_color(track, photos, features) for _, track in kept]
    return PointCloud(
        positions.float(), colors=torch.stack(colors) if colors else torch.empty(0, 3)
    )


def view_pairs(photos: Sequence[Photo], neighbours: int) -> list[tuple[int, int]]:
    """Each view with its nearest ones: by distance of the centres, ties by number."""
    centres = torch.stack([photo.world_from_camera[:3, 3] for photo in photos])
    distance = torch.cdist(centres, centres, compute_mode="donot_use_mm_for_euclid_dist")
    order = distance.argsort(dim=1, stable=True)[:, : neighbours + 1]
    pairs = {(min(i, j), max(i, j)) for i, row in enumerate(order.tolist()) for j in row if i != j}
    return sorted(pairs)


Track = list[tuple[int, int]]  # (photo, keypoint), at most one keypoint a photo


def _tracks(features: Sequence[Features], matches: dict[tuple[int, int], Tensor]) -> list[Track]:
    start = np.cumsum([0, *(len(f.pixels) for f in features)])
    edges = [pairs.numpy() + np.array([start[i], start[j]]) for (i, j), pairs in matches.items()]
    root = _components(int(start[-1]), np.concatenate(edges) if edges else np.empty((0, 2), int))
    members: dict[int, Track] = {}
    linked = np.unique(np.concatenate(edges)) if edges else np.empty(0, int)
    for node in linked.tolist():
        photo = int(np.searchsorted(start, node, side="right")) - 1
        members.setdefault(int(root[node]), []).append((photo, node - int(start[photo])))
    return [track for track in members.values() if _one_each(track)]


def _components(count: int, edges: Int[np.ndarray, "e 2"]) -> Int[np.ndarray, " n"]:
    """Smallest node number of each node's connected component, by label propagation."""
    label = np.arange(count)
    while True:
        low = np.minimum(label[edges[:, 0]], label[edges[:, 1]])
        new = label.copy()
        np.minimum.at(new, edges[:, 0], low)
        np.minimum.at(new, edges[:, 1], low)
        if np.array_equal(new, label):
            return label
        label = new


def _one_each(track: Track) -> bool:
    photos = [photo for photo, _ in track]
    return len(photos) >= 2 and len(set(photos)) == len(photos)


class _Triangulator:
    """COLMAP's robust triangulation over fixed cameras."""

    def __init__(self, photos: Sequence[Photo], features: Sequence[Features], config: InitConfig):
        import pycolmap

        self._estimate = pycolmap.estimate_triangulation
        self._cameras = [_colmap_camera(photo) for photo in photos]
        self._poses = [
            pycolmap.Rigid3d(invert_rigid(photo.world_from_camera)[:3].numpy()) for photo in photos
        ]
        self._pixels = [f.pixels.numpy() for f in features]
        self._options = pycolmap.EstimateTriangulationOptions(
            min_tri_angle=math.radians(config.min_angle),
            residual_type=pycolmap.TriangulationResidualType.REPROJECTION_ERROR,
        )
        self._options.ransac.max_error = config.max_reprojection_error
        self._options.ransac.random_seed = 0

    def __call__(self, track: Track) -> Float64[Tensor, " 3"] | None:
        """The point of a track; None if fewer than two of its views agree on one."""
        result = self._estimate(
            np.stack([self._pixels[photo][row] for photo, row in track]),
            [self._poses[photo] for photo, _ in track],
            [self._cameras[photo] for photo, _ in track],
            self._options,
        )
        if result is None or result["inliers"].sum() < 2:
            return None
        return torch.from_numpy(np.array(result["xyz"], dtype=np.float64))


def _colmap_camera(photo: Photo) -> Any:
    import pycolmap

    lens = photo.intrinsics
    return pycolmap.Camera(
        model="PINHOLE",
        width=lens.width,
        height=lens.height,
        params=[lens.fx, lens.fy, lens.cx, lens.cy],
    )


def _color(
    track: Track, photos: Sequence[Photo], features: Sequence[Features]
) -> Float[Tensor, " 3"]:
    photo, row = track[0]
    x, y = features[photo].pixels[row].floor().long().tolist()
    image = photos[photo].image
    return image[min(y, image.shape[0] - 1), min(x, image.shape[1] - 1)]
