"""Cameras keep their rays on the way to nerfstudio and back."""

import pytest
import torch

pytest.importorskip("nerfstudio.configs.method_configs", reason="needs sparse3d[nerfstudio]")

from nerfstudio.cameras.cameras import Cameras, CameraType

from sparse3d.errors import ConfigError
from sparse3d.geometry.intrinsics import Intrinsics
from sparse3d.geometry.rotations import matrix_from_axis_angle
from sparse3d.geometry.transforms import rigid
from sparse3d.train.nerfstudio.cameras import nerfstudio_cameras, view_of

pytestmark = pytest.mark.nerfstudio

PINHOLE = Intrinsics(32, 24, 30.0, 28.0, 17.5, 11.0)
OPENCV = Intrinsics(32, 24, 30.0, 28.0, 17.5, 11.0, "opencv", (0.08, -0.03, 0.01, -0.02, 0.005))
FISHEYE = Intrinsics(32, 24, 20.0, 21.0, 15.2, 12.6, "fisheye", (0.05, -0.02, 0.004, -0.001))


def _poses(count: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(3)
    rotations = matrix_from_axis_angle(torch.randn(count, 3, generator=generator).double())
    return rigid(rotations, torch.randn(count, 3, generator=generator).double())


@pytest.mark.parametrize("lens", [PINHOLE, OPENCV, FISHEYE], ids=["pinhole", "opencv", "fisheye"])
def test_rays_are_those_of_nerfstudio(lens: Intrinsics) -> None:
    pose = _poses(1)
    rays = nerfstudio_cameras([lens], pose).generate_rays(camera_indices=0, keep_shape=True)
    ours = lens.unproject(lens.pixel_grid()) @ pose[0, :3, :3].T
    ours = torch.nn.functional.normalize(ours, dim=-1).float()
    torch.testing.assert_close(rays.directions, ours, atol=2e-4, rtol=0)
    torch.testing.assert_close(rays.origins[3, 5], pose[0, :3, 3].float())


def test_views_come_back() -> None:
    lenses = [PINHOLE, Intrinsics(20, 30, 11.0, 12.0, 9.0, 16.0)]
    poses = _poses(2)
    cameras = nerfstudio_cameras(lenses, poses)
    for i in range(2):
        for camera in (cameras[i : i + 1], cameras[i]):
            lens, pose = view_of(camera)
            assert lens == lenses[i]
            torch.testing.assert_close(pose, poses[i], atol=1e-6, rtol=0)


def test_viewer_metadata_does_not_disturb() -> None:
    camera = Cameras(torch.eye(4)[None, :3], 10.0, 10.0, 5.0, 4.0, metadata={"cam_idx": 0})
    lens, _ = view_of(camera)
    assert (lens.width, lens.height) == (10, 8)


def test_other_lenses_are_refused() -> None:
    rational = Intrinsics(8, 8, 5.0, 5.0, 4.0, 4.0, "opencv", (0.1, 0.0, 0.0, 0.0, 0.0, 0.2))
    with pytest.raises(ConfigError, match="rational"):
        nerfstudio_cameras([rational], _poses(1))
    around = Cameras(
        torch.eye(4)[None, :3], 4.0, 4.0, 4.0, 2.0, camera_type=CameraType.EQUIRECTANGULAR
    )
    with pytest.raises(ConfigError, match="EQUIRECTANGULAR"):
        view_of(around)
