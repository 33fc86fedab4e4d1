"""What a camera sees, by planes and by projecting points."""

import pytest
import torch

from sparse3d.geometry.rotations import matrix_from_quaternion
from sparse3d.geometry.views import Projection, Views, view_planes


@pytest.mark.parametrize("projection", ["perspective", "orthographic"])
def test_planes_hold_what_is_projected_into_the_image(projection: Projection) -> None:
    rng = torch.Generator().manual_seed(0)
    poses = torch.eye(4, dtype=torch.float64).repeat(3, 1, 1)
    quaternions = torch.randn(3, 4, generator=rng, dtype=torch.float64)
    poses[:, :3, :3] = matrix_from_quaternion(quaternions)
    poses[:, :3, 3] = torch.randn(3, 3, generator=rng, dtype=torch.float64)
    matrix = torch.tensor([[30.0, 0, 17.0], [0, 24.0, 9.0], [0, 0, 1]], dtype=torch.float64)
    views = Views(poses, matrix.expand(3, 3, 3), 40, 24, projection)
    points = 2 * torch.randn(4000, 3, generator=rng, dtype=torch.float64)
    planes = view_planes(views)
    for pose, around in zip(poses, planes, strict=True):
        x, y, z = ((points - pose[:3, 3]) @ pose[:3, :3]).unbind(1)
        depth = z if projection == "perspective" else torch.ones_like(z)
        u, v = 30 * x / depth + 17, 24 * y / depth + 9
        seen = (z >= 0) & (u >= 0) & (u <= 40) & (v >= 0) & (v <= 24)
        inside = (points @ around[:, :3].T + around[:, 3] >= 0).all(1)
        assert 20 < int(seen.sum()) < 3980
        assert torch.equal(inside, seen)
