"""PCD files against Open3D, in the three encodings, and damaged ones."""

from pathlib import Path

import numpy as np
import pytest
import torch

from sparse3d.errors import DataError
from sparse3d.scene.formats import lzf, pcd


def write_with_open3d(
    path: Path, n: int, *, text: bool = False, packed: bool = False
) -> np.ndarray:
    o3d = pytest.importorskip("open3d")
    rng = np.random.default_rng(5)
    cloud = o3d.geometry.PointCloud()
    positions = np.repeat(rng.normal(size=(n, 3)).astype(np.float32), 3, axis=0)  # compressible
    cloud.points = o3d.utility.Vector3dVector(positions.astype(float))
    cloud.colors = o3d.utility.Vector3dVector(rng.integers(0, 256, (3 * n, 3)) / 255)
    cloud.normals = o3d.utility.Vector3dVector(np.tile([0.0, 0.6, 0.8], (3 * n, 1)))
    o3d.io.write_point_cloud(str(path), cloud, write_ascii=text, compressed=packed)
    return np.asarray(cloud.colors)


@pytest.mark.parametrize(("text", "packed"), [(True, False), (False, False), (False, True)])
def test_open3d_files_read_the_same_in_every_encoding(
    tmp_path: Path, text: bool, packed: bool
) -> None:
    path = tmp_path / "a.pcd"
    colors = write_with_open3d(path, 40, text=text, packed=packed)
    assert pcd.FORMAT.recognises(path)
    cloud = pcd.read_points(path)
    o3d = pytest.importorskip("open3d")
    other = o3d.io.read_point_cloud(str(path))
    np.testing.assert_allclose(cloud.positions.numpy(), np.asarray(other.points), rtol=1e-6)
    assert cloud.colors is not None
    assert cloud.normals is not None
    np.testing.assert_allclose(cloud.colors.numpy(), colors, atol=1e-6)
    np.testing.assert_allclose(cloud.normals.numpy()[:, 2], 0.8, rtol=1e-6)


def test_real_fragment(shared_data: Path) -> None:
    path = shared_data / "meshes" / "room_fragment.pcd"
    scene = pcd.FORMAT.read and pcd.FORMAT.read(path)
    assert scene
    assert getattr(scene.points, "count", None) == 113662
    cloud = scene.read_points()
    assert cloud is not None
    assert list(cloud.extra) == ["curvature"]
    assert cloud.colors is not None
    assert cloud.normals is not None
    assert 0.05 < float(cloud.colors.std()) < 0.5
    lengths = torch.linalg.vector_norm(cloud.normals, dim=1)
    torch.testing.assert_close(lengths, torch.ones_like(lengths), rtol=0, atol=1e-3)


@pytest.mark.parametrize("packed", [False, True])
def test_every_cut_is_refused(tmp_path: Path, packed: bool) -> None:
    path, cut = tmp_path / "a.pcd", tmp_path / "cut.pcd"
    write_with_open3d(path, 3, packed=packed)
    data = path.read_bytes()
    for size in range(len(data)):
        cut.write_bytes(data[:size])
        with pytest.raises(DataError, match=r"cut\.pcd"):
            pcd.read_points(cut)


HEADER = (
    "VERSION .7\nFIELDS x y z{f}\nSIZE 4 4 4{s}\nTYPE F F F{t}\nCOUNT 1 1 1{c}\n"
    "WIDTH {n}\nHEIGHT 1\nPOINTS {n}\nDATA {d}\n"
)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n": "1000000000000", "d": "binary"}, "cut short"),
        ({"n": "1000000000000", "d": "ascii"}, "cut short"),
        ({"n": "1000000000000", "d": "binary_compressed"}, "compressed|cut short"),
        ({"n": "-1"}, "whole numbers"),
        ({"n": "x"}, "whole numbers"),
        ({"n": "0"}, "empty"),
        ({"d": "zipped"}, "not known"),
        ({"f": " w"}, "equal length"),
        ({"f": " w", "s": " 3", "t": " F", "c": " 1"}, "unknown type"),
        ({"f": " x", "s": " 4", "t": " F", "c": " 1"}, "different names"),
    ],
)
def test_bad_headers_are_refused(tmp_path: Path, changes: dict[str, str], message: str) -> None:
    path = tmp_path / "bad.pcd"
    values = {"f": "", "s": "", "t": "", "c": "", "n": "1", "d": "ascii"} | changes
    path.write_text(HEADER.format(**values) + "1 2 3 4 5 6 7 8\n")
    assert pcd.FORMAT.read
    with pytest.raises(DataError, match=message):
        pcd.FORMAT.read(path).read_points()


def test_fields_of_several_values_and_padding(tmp_path: Path) -> None:
    path = tmp_path / "a.pcd"
    values = {"f": " _ fpfh", "s": " 1 4", "t": " U F", "c": " 2 3", "n": "1", "d": "ascii"}
    path.write_text(HEADER.format(**values) + "1 nan 3 0 0 4 5 6\n")
    cloud = pcd.read_points(path)
    assert cloud.extra["fpfh"].tolist() == [[4, 5, 6]]
    assert bool(cloud.positions[0, 1].isnan())  # kept, as organised clouds have them


def test_lzf_by_hand() -> None:
    assert lzf.decompress(b"\x02abc", 3) == b"abc"
    assert lzf.decompress(b"\x00a\x20\x00", 4) == b"aaaa"  # overlapping reference
    assert lzf.decompress(b"\x01ab\xe0\x03\x01", 14) == b"ababababababab"
    for data, size in ((b"\x02ab", 3), (b"\x20\x00", 3), (b"\x00a\x20", 4), (b"\x02abc", 2)):
        with pytest.raises(ValueError, match="compressed"):
            lzf.decompress(data, size)
