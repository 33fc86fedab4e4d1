"""The first Gaussians of a reconstruction."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sparse3d.errors import DataError
from sparse3d.geometry.transforms import invert_rigid, transform_points
from sparse3d.ops.knn import knn
from sparse3d.scene import SH_C0, Gaussians, PointCloud
from sparse3d.splat.photos import Photo

__all__ = ["gaussians_from_points", "random_points", "scene_extent"]

_ROUNDS = 64


def gaussians_from_points(points: PointCloud, opacity: float, sh_degree: int) -> Gaussians:
    """Round Gaussians as wide as the mean distance to the three nearest points.

    Source: Kerbl et al. 2023, section 5.1. Points without colour become grey.

    Raises:
        ValueError: If there are fewer than two points.
    """
    if len(points) < 2:
        raise ValueError(f"at least two points are needed for a splat, got {len(points)}")
    squared, _ = knn(points.positions, min(3, len(points) - 1))
    spread = squared.mean(1).clamp_min(1e-10).sqrt()
    colors = torch.full_like(points.positions, 0.5) if points.colors is None else points.colors
    sh = torch.zeros(len(points), (sh_degree + 1) ** 2, 3)
    sh[:, 0] = (colors - 0.5) / SH_C0
    return Gaussians(
        means=points.positions.clone(),
        quaternions=torch.tensor([1.0, 0.0, 0.0, 0.0]).repeat(len(points), 1),
        log_scales=spread.log()[:, None].repeat(1, 3),
        logit_opacities=torch.full((len(points),), math.log(opacity / (1 - opacity))),
        sh=sh,
    )


def random_points(
    photos: Sequence[Photo], count: int, near_far: tuple[float, float], seed: int
) -> PointCloud:
    """Random points that at least two photos see, coloured by the first of them.

    Points are drawn along random pixels of random photos, uniformly in inverse depth.

    Args:
        photos: The training photos.
        count: Number of points.
        near_far: Smallest and largest depth, scene units.
        seed: Seed of the random numbers.

    Raises:
        DataError: If the photos have no volume in common.
    """
    generator = torch.Generator().manual_seed(seed)
    wanted = min(2, len(photos))
    parts: list[tuple[Tensor, Tensor]] = []
    for _ in range(_ROUNDS):
        for photo in photos:
            positions, colors = _draw(photo, count // len(photos) + 1, near_far, generator)
            seen = torch.stack([_sees(other, positions) for other in photos]).sum(0) >= wanted
            parts.append((positions[seen], colors[seen]))
        if sum(len(positions) for positions, _ in parts) >= count:
            positions, colors = (torch.cat(columns) for columns in zip(*parts, strict=True))
            order = torch.randperm(len(positions), generator=generator)[:count]
            return PointCloud(positions[order], colors=colors[order])
    raise DataError(photos[0].name, "no point between the given depths is seen by two photos")


def scene_extent(photos: Sequence[Photo]) -> float:
    """1.1 times the largest distance of a camera from their mean, scene units.

    The unit of the means' learning rate in 3D Gaussian splatting; 1 for a single camera.
    """
    centres = torch.stack([photo.world_from_camera[:3, 3] for photo in photos])
    radius = torch.linalg.vector_norm(centres - centres.mean(0), dim=1).max()
    return 1.1 * float(radius) if float(radius) > 0 else 1.0


def _draw(
    photo: Photo, count: int, near_far: tuple[float, float], generator: torch.Generator
) -> tuple[Float[Tensor, "n 3"], Float[Tensor, "n 3"]]:
    height, width, _ = photo.image.shape
    column = torch.randint(width, (count,), generator=generator)
    row = torch.randint(height, (count,), generator=generator)
    near, far = near_far
    share = torch.rand(count, 1, generator=generator, dtype=torch.float64)
    depth = 1 / (share / near + (1 - share) / far)
    rays = photo.intrinsics.unproject(torch.stack([column, row], dim=1).double() + 0.5)
    positions = transform_points(photo.world_from_camera, rays * depth)
    return positions.float(), photo.image[row, column]


def _sees(photo: Photo, points: Float[Tensor, "n 3"]) -> Bool[Tensor, " n"]:
    local = transform_points(invert_rigid(photo.world_from_camera), points.double())
    pixels, front = photo.intrinsics.project(local)
    size = pixels.new_tensor([photo.intrinsics.width, photo.intrinsics.height])
    return front & (pixels >= 0).all(1) & (pixels < size).all(1)
