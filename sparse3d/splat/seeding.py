"""From photos to the points a splat starts from."""

from collections.abc import Sequence
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor

from sparse3d.errors import DataError
from sparse3d.scene import Camera, PointCloud
from sparse3d.scene.atomic import writing
from sparse3d.splat.config import InitConfig
from sparse3d.splat.initialise import random_points
from sparse3d.splat.photos import Photo, load_photo
from sparse3d.splat.triangulate import triangulate_photos

__all__ = ["depth_range", "initial_points"]

_ENOUGH = 20
_PARALLEL = 1e-3  # mean squared sine of the angles between the axes, about 2 degrees


def initial_points(
    cameras: Sequence[Camera],
    background: tuple[float, float, float],
    config: InitConfig,
    seed: int,
    cache: Path | None = None,
) -> PointCloud:
    """Triangulated points of the training photos, filled up with random ones where they are few.

    Only the training photos and their poses are used, at the resolution of the files.

    Args:
        cameras: Training views with images.
        background: RGB behind transparent pixels.
        config: What to extract and what to keep.
        seed: Seed of the random points.
        cache: Folder where the points of an earlier start of the same run lie, or shall lie.
    """
    stored = None if cache is None else cache / "points.npz"
    if stored is not None and stored.exists():
        return _load(stored)
    photos = [load_photo(camera, background=background) for camera in cameras]
    points = triangulate_photos(photos, config)
    missing = config.min_points - len(points)
    if missing > 0:
        points = _join(points, random_points(photos, missing, depth_range(photos, points), seed))
    if stored is not None:
        _store(stored, points)
    return points


def depth_range(photos: Sequence[Photo], points: PointCloud) -> tuple[float, float]:
    """Smallest and largest depth worth looking at, scene units.

    From the triangulated points where there are enough, with a margin; else half to one and a half
    times the distance to the point that is nearest to all optical axes, or ten times the spread of
    the cameras where these are parallel.
    """
    if len(points) >= _ENOUGH:
        positions = points.positions.double()
        depths = torch.cat([_depths(photo, positions) for photo in photos])
        near, far = depths[depths > 0].quantile(depths.new_tensor([0.01, 0.99])).tolist()
        return 0.8 * near, 1.2 * far
    distance = float(_mean_axis_distance(photos))
    return 0.5 * distance, 1.5 * distance


def _depths(photo: Photo, points: Float64[Tensor, "n 3"]) -> Float64[Tensor, " n"]:
    pose = photo.world_from_camera
    return (points - pose[:3, 3]) @ pose[:3, 2]


def _mean_axis_distance(photos: Sequence[Photo]) -> Float64[Tensor, ""]:
    poses = torch.stack([photo.world_from_camera for photo in photos])
    centres, axes = poses[:, :3, 3], poses[:, :3, 2]
    across = torch.eye(3, dtype=torch.float64) - axes[:, :, None] * axes[:, None, :]
    normal = across.sum(0)
    if torch.linalg.eigvalsh(normal)[0] < _PARALLEL * len(photos):
        spread = torch.linalg.vector_norm(centres - centres.mean(0), dim=1).max()
        return 10 * spread.clamp_min(1e-3)
    focus = torch.linalg.solve(normal, (across @ centres[..., None]).sum(0))[:, 0]
    return ((focus - centres) * axes).sum(1).abs().mean()


def _join(first: PointCloud, second: PointCloud) -> PointCloud:
    return PointCloud(
        torch.cat([first.positions, second.positions]),
        colors=torch.cat([_colors(first), _colors(second)]),
    )


def _colors(points: PointCloud) -> Float[Tensor, "n 3"]:
    return torch.full_like(points.positions, 0.5) if points.colors is None else points.colors


def _store(path: Path, points: PointCloud) -> None:
    with writing(path) as draft, draft.open("wb") as file:
        np.savez(file, positions=points.positions.numpy(), colors=_colors(points).numpy())


def _load(path: Path) -> PointCloud:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            positions, colors = (torch.from_numpy(arrays[name]) for name in ("positions", "colors"))
    except (OSError, ValueError, EOFError, KeyError, BadZipFile) as error:
        raise DataError(path, "first points expected; damaged: remove it, and try again") from error
    return PointCloud(positions, colors=colors)
