"""PLY points and meshes against plyfile and Open3D, and files that are not what they promise."""

from pathlib import Path

import numpy as np
import pytest
import torch
from plyfile import PlyData, PlyElement

from sparse3d.errors import DataError
from sparse3d.scene import Mesh, PointCloud, Scene
from sparse3d.scene.formats import ply


def cloud(n: int = 17, seed: int = 0) -> PointCloud:
    rng = torch.Generator().manual_seed(seed)
    return PointCloud(
        torch.randn(n, 3, generator=rng),
        colors=torch.randint(0, 256, (n, 3), generator=rng) / 255,
        normals=torch.nn.functional.normalize(torch.randn(n, 3, generator=rng)),
        intensities=torch.rand(n, generator=rng),
        labels=torch.randint(0, 20, (n,), generator=rng).int(),
        times=torch.rand(n, generator=rng).double(),
        rings=torch.randint(0, 64, (n,), generator=rng).int(),
        extra={"curvature": torch.rand(n, generator=rng), "echo": torch.arange(n).byte()},
    )


def assert_same(a: PointCloud, b: PointCloud) -> None:
    torch.testing.assert_close(a.positions, b.positions, rtol=0, atol=0, equal_nan=True)
    assert a.attributes().keys() == b.attributes().keys()
    for name, values in a.attributes().items():
        torch.testing.assert_close(values, b.attributes()[name], rtol=0, atol=0)


def test_points_come_back_with_all_attributes(tmp_path: Path) -> None:
    ply.write_points(tmp_path / "a.ply", cloud())
    assert_same(ply.read_points(tmp_path / "a.ply"), cloud())
    scene = ply.FORMAT.read and ply.FORMAT.read(tmp_path / "a.ply")
    assert isinstance(scene, Scene)
    assert scene.points is not None
    assert getattr(scene.points, "count", None) == 17


def test_plyfile_reads_what_we_write(tmp_path: Path) -> None:
    written = cloud()
    ply.write_points(tmp_path / "a.ply", written)
    vertex = PlyData.read(str(tmp_path / "a.ply"))["vertex"]
    np.testing.assert_array_equal(vertex["y"], written.positions[:, 1].numpy())
    assert written.colors is not None
    np.testing.assert_array_equal(vertex["blue"], (written.colors[:, 2] * 255).round().numpy())
    np.testing.assert_array_equal(vertex["label"], written.attributes()["labels"].numpy())


@pytest.mark.parametrize(("text", "order"), [(True, "="), (False, "<"), (False, ">")])
def test_every_encoding_of_plyfile_reads_the_same(tmp_path: Path, text: bool, order: str) -> None:
    wanted = cloud()
    ply.write_points(tmp_path / "a.ply", wanted)
    vertex = PlyData.read(str(tmp_path / "a.ply"))["vertex"]
    PlyData([vertex], text=text, byte_order=order).write(str(tmp_path / "b.ply"))
    assert_same(ply.read_points(tmp_path / "b.ply"), wanted)


def test_double_coordinates_keep_their_digits(tmp_path: Path) -> None:
    positions = torch.tensor([[4.5e6 + 1e-4, 3.2e5, 1.0]], dtype=torch.float64)
    ply.write_points(tmp_path / "a.ply", PointCloud(positions))
    assert torch.equal(ply.read_points(tmp_path / "a.ply").positions, positions)


def test_points_that_are_not_finite_stay(tmp_path: Path) -> None:
    positions = torch.tensor([[0.0, 1.0, 2.0], [float("nan"), float("inf"), 0.0]])
    ply.write_points(tmp_path / "a.ply", PointCloud(positions))
    read = ply.read_points(tmp_path / "a.ply").positions
    assert torch.equal(read.isnan(), positions.isnan())
    assert len(read) == 2


def test_scalar_fields_of_cloudcompare_are_known(tmp_path: Path) -> None:
    rows = np.array(
        [(1, 2, 3, 9, 7, 4)],
        dtype=[
            (k, "f4") for k in ("x", "y", "z", "scalar_Intensity", "scalar_Label", "scalar_Foo")
        ],
    )
    PlyData([PlyElement.describe(rows, "vertex")]).write(str(tmp_path / "a.ply"))
    read = ply.read_points(tmp_path / "a.ply")
    assert read.intensities is not None
    assert read.labels is not None
    assert (read.intensities.item(), read.labels.item(), list(read.extra)) == (9, 7, ["scalar_Foo"])


def mesh() -> Mesh:
    rng = torch.Generator().manual_seed(3)
    return Mesh(
        torch.randn(9, 3, generator=rng),
        torch.randint(0, 9, (14, 3), generator=rng),
        colors=torch.randint(0, 256, (9, 3), generator=rng) / 255,
    )


def test_mesh_comes_back_and_open3d_reads_it(tmp_path: Path) -> None:
    o3d = pytest.importorskip("open3d")
    path, written = tmp_path / "m.ply", mesh()
    ply.write_mesh(path, written)
    read = ply.read_mesh(path)
    assert torch.equal(read.vertices, written.vertices)
    assert torch.equal(read.triangles, written.triangles)
    other = o3d.io.read_triangle_mesh(str(path))
    np.testing.assert_array_equal(np.asarray(other.triangles), written.triangles.numpy())
    np.testing.assert_array_equal(np.asarray(other.vertices), written.vertices.double().numpy())


@pytest.mark.parametrize("text", [True, False])
def test_polygons_become_fans(tmp_path: Path, text: bool) -> None:
    vertex = np.zeros(6, dtype=[("x", "f4"), ("y", "f4"), ("z", "f4")])
    face = np.empty(3, dtype=[("vertex_indices", "O"), ("flag", "u1")])
    face["vertex_indices"][:] = [
        np.array(f, "i4") for f in ([0, 1, 2, 3], [3, 4, 5], [5, 4, 3, 2, 1])
    ]
    elements = [
        PlyElement.describe(vertex, "vertex"),
        PlyElement.describe(face, "face", len_types={"vertex_indices": "u1"}),
    ]
    PlyData(elements, text=text).write(str(tmp_path / "m.ply"))
    expected = [[0, 1, 2], [0, 2, 3], [3, 4, 5], [5, 4, 3], [5, 3, 2], [5, 2, 1]]
    assert ply.read_mesh(tmp_path / "m.ply").triangles.tolist() == expected


@pytest.mark.parametrize("what", ["points", "mesh", "quads"])
def test_every_cut_of_a_binary_file_is_refused(tmp_path: Path, what: str) -> None:
    path, cut = tmp_path / "a.ply", tmp_path / "cut.ply"
    if what == "points":
        ply.write_points(path, cloud(3))
    elif what == "mesh":
        ply.write_mesh(path, mesh())
    else:
        vertex = np.zeros(4, dtype=[("x", "f4"), ("y", "f4"), ("z", "f4")])
        face = np.empty(2, dtype=[("vertex_indices", "O")])
        face["vertex_indices"][:] = [np.array(f, "i4") for f in ([0, 1, 2, 3], [3, 1, 2])]
        PlyData([PlyElement.describe(vertex, "vertex"), PlyElement.describe(face, "face")]).write(
            str(path)
        )
    reader = ply.read_points if what == "points" else ply.read_mesh
    data = path.read_bytes()
    for size in range(len(data)):
        cut.write_bytes(data[:size])
        with pytest.raises(DataError, match=r"cut\.ply"):
            reader(cut)


HEADER = "ply\nformat {encoding} 1.0\nelement vertex {count}\n{columns}end_header\n"
XYZ = "property float x\nproperty float y\nproperty float z\n"


@pytest.mark.parametrize(
    ("encoding", "count", "columns", "message"),
    [
        ("binary_little_endian", "1000000000000", XYZ, "1000000000000 vertex rows"),
        ("ascii", "1000000000000", XYZ, "1000000000000 vertex rows"),
        ("ascii", "-5", XYZ, "whole number"),
        ("ascii", "many", XYZ, "whole number"),
        ("ascii", "9" * 5000, XYZ, "whole number"),
        ("ascii", "1", "property quad x\n", "unknown type"),
        ("ascii", "1", "property list uchar\n", "unknown type"),
        ("ascii", "1", "property\n", "unknown type"),
        ("ascii", "1", "property list float int x\n", "usable type"),
        ("ascii", "0", XYZ, "empty"),
        ("ascii", "1", "property float x\nproperty float y\n", "property z"),
        ("ascii", "1", XYZ + "property float x\n", "different names"),
        ("ebcdic", "1", XYZ, "not understood"),
        ("ascii", "1", XYZ + "banana\n", "not understood"),
    ],
)
def test_bad_headers_are_refused(
    tmp_path: Path, encoding: str, count: str, columns: str, message: str
) -> None:
    path = tmp_path / "bad.ply"
    path.write_text(HEADER.format(encoding=encoding, count=count, columns=columns) + "1 2 3 4\n")
    assert ply.FORMAT.recognises(path)
    assert ply.FORMAT.read is not None
    with pytest.raises(DataError, match=message):
        ply.FORMAT.read(path)


@pytest.mark.parametrize("body", ["1 2\n", "1 2 x\n", "1 2 3\n4 5"])
def test_bad_text_is_refused(tmp_path: Path, body: str) -> None:
    path = tmp_path / "bad.ply"
    count = "2" if "4" in body else "1"
    path.write_text(HEADER.format(encoding="ascii", count=count, columns=XYZ) + body)
    with pytest.raises(DataError, match=r"bad\.ply"):
        ply.read_points(path)


def test_face_with_a_missing_vertex_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.ply"
    ply.write_mesh(path, mesh())
    data = path.read_bytes()
    path.write_bytes(data[:-4] + np.int32(9).tobytes())
    with pytest.raises(DataError, match="but there are 9"):
        ply.read_mesh(path)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere\.ply"):
        ply.read_points(tmp_path / "nowhere.ply")
    assert not ply.FORMAT.recognises(tmp_path)


def test_full_disk_is_one_line_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    monkeypatch.setattr(
        "sparse3d.scene.atomic.uuid.uuid4", lambda: type("U", (), {"hex": "0" * 32})
    )
    (tmp_path / ".a.ply.00000000.part").symlink_to("/dev/full")
    with pytest.raises(DataError, match="no space left"):
        ply.write_points(tmp_path / "a.ply", cloud(100000))
    assert list(tmp_path.iterdir()) == []
