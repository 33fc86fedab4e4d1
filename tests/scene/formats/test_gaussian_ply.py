"""Plain splat files: layout, round trip, real ones, damaged ones."""

from pathlib import Path

import numpy as np
import pytest
import torch
from plyfile import PlyData

from sparse3d.errors import DataError
from sparse3d.scene import Gaussians
from sparse3d.scene.formats import compressed_ply, gaussian_ply, ply


def splat(n: int = 7, degree: int = 3, seed: int = 0) -> Gaussians:
    rng = torch.Generator().manual_seed(seed)
    return Gaussians(
        torch.randn(n, 3, generator=rng),
        torch.randn(n, 4, generator=rng),
        torch.randn(n, 3, generator=rng) - 3,
        torch.randn(n, generator=rng),
        torch.randn(n, (degree + 1) ** 2, 3, generator=rng),
    )


def assert_same(a: Gaussians, b: Gaussians) -> None:
    for name in ("means", "quaternions", "log_scales", "logit_opacities", "sh"):
        torch.testing.assert_close(getattr(a, name), getattr(b, name), rtol=0, atol=0)


@pytest.mark.parametrize("degree", [0, 1, 2, 3])
def test_round_trip_is_exact(tmp_path: Path, degree: int) -> None:
    path, written = tmp_path / "s.ply", splat(degree=degree)
    gaussian_ply.write_gaussians(path, written)
    assert_same(gaussian_ply.read_gaussians(path), written)
    claims = [f.FORMAT.recognises(path) for f in (gaussian_ply, compressed_ply, ply)]
    assert claims == [True, False, False]


def test_rest_is_channel_major(tmp_path: Path) -> None:
    path, written = tmp_path / "s.ply", splat(degree=2)
    gaussian_ply.write_gaussians(path, written)
    vertex = PlyData.read(str(path))["vertex"]
    for channel in range(3):
        for k in range(1, 9):
            column = vertex[f"f_rest_{channel * 8 + k - 1}"]
            np.testing.assert_array_equal(column, written.sh[:, k, channel].numpy())
    assert {"nx", "ny", "nz"} <= set(vertex.data.dtype.names)


def test_gradients_do_not_stop_writing(tmp_path: Path) -> None:
    written = splat()
    written.means.requires_grad_()
    gaussian_ply.write_gaussians(tmp_path / "s.ply", written)
    assert_same(gaussian_ply.read_gaussians(tmp_path / "s.ply"), written.detached())


def test_real_splats(shared_data: Path) -> None:
    folder = shared_data / "splats"
    for name, count, degree in (("guitar", 90854, 0), ("inria_9k_sh3", 9080, 3)):
        assert gaussian_ply.FORMAT.read
        scene = gaussian_ply.FORMAT.read(folder / f"{name}.ply")
        assert getattr(scene.gaussians, "count", None) == count
        gaussians = scene.read_gaussians()
        assert gaussians is not None
        assert (len(gaussians), gaussians.sh_degree) == (count, degree)
        assert bool(gaussians.sh.isfinite().all())


def test_every_cut_is_refused(tmp_path: Path) -> None:
    path, cut = tmp_path / "s.ply", tmp_path / "cut.ply"
    gaussian_ply.write_gaussians(path, splat(2, degree=0))
    data = path.read_bytes()
    for size in range(len(data)):
        cut.write_bytes(data[:size])
        with pytest.raises(DataError, match=r"cut\.ply"):
            gaussian_ply.read_gaussians(cut)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"f_rest_44", b"f_rust_44", "0, 9, 24 or 45"),
        (b"f_rest_44", b"f_rest_45", "numbered from 0 to 44"),
        (b"float rot_3", b"float rat_3", "no property rot_3"),
        (b"vertex 2", b"vertex 0", "empty"),
        (b"vertex 2", b"vertex 1000000000000", "1000000000000 vertex rows"),
    ],
)
def test_bad_headers_are_refused(tmp_path: Path, old: bytes, new: bytes, message: str) -> None:
    path = tmp_path / "s.ply"
    gaussian_ply.write_gaussians(path, splat(2))
    path.write_bytes(path.read_bytes().replace(old, new))
    assert gaussian_ply.FORMAT.recognises(path)
    assert gaussian_ply.FORMAT.read
    with pytest.raises(DataError, match=message):
        gaussian_ply.FORMAT.read(path)
