"""OBJ files by hand, against Open3D and by the counts of real ones."""

from pathlib import Path

import numpy as np
import pytest

from sparse3d.errors import DataError
from sparse3d.scene import Scene
from sparse3d.scene.formats import obj


def read(path: Path, text: str) -> Scene:
    path.write_text(text)
    assert obj.FORMAT.recognises(path)
    assert obj.FORMAT.read
    return obj.FORMAT.read(path)


SQUARE = "# comment\nv 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nvt 0 0\nvn 0 0 1\n"


@pytest.mark.parametrize(
    "face",
    [
        "f 1 2 3 4",
        "f 1/1 2/1 3/1 4/1",
        "f 1//1 2//1 3//1 4//1",
        "f 1/1/1 2/1/1 3/1/1 4/1/1",
        "f -4 -3 -2 -1",
        "f 1 2 \\\n3 4",
    ],
)
def test_all_forms_of_a_face(tmp_path: Path, face: str) -> None:
    mesh = read(tmp_path / "a.obj", SQUARE + face + "\nv 5 5 5\n").read_mesh()
    assert mesh is not None
    assert mesh.triangles.tolist() == [[0, 1, 2], [0, 2, 3]]
    assert mesh.normals is None


def test_colors_and_matching_normals(tmp_path: Path) -> None:
    vertices = "v 0 0 0 1 0 0\nv 1 0 0 0 1 0\nv 0 1 0 0 0 0.5\n"
    text = vertices + "vn 0 0 1\nvn 0 1 0\nvn 1 0 0\nf 1//1 2//2 3//3\n"
    mesh = read(tmp_path / "a.obj", text).read_mesh()
    assert mesh is not None
    assert mesh.colors is not None
    assert mesh.normals is not None
    assert mesh.colors[2].tolist() == [0, 0, 0.5]
    assert mesh.normals[2].tolist() == [1, 0, 0]


def test_without_faces_it_is_points(tmp_path: Path) -> None:
    points = read(tmp_path / "a.obj", SQUARE).read_points()
    assert points is not None
    assert len(points) == 4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("v 0 0 0\nf 1 2 3\n", "there are 1"),
        ("v 0 0 0\nf 0 1 1\n", "numbered from 1"),
        ("v 0 0 0\nf 1 1\n", "2 corners"),
        ("v 0 0 0\nf 1 1 a\n", "by number"),
        ("v 0 0\nf 1 1 1\n", "fewer than 3"),
        ("v 0 0 x\nf 1 1 1\n", "must be numbers"),
        ("f 1 2 3\n", "no vertices"),
        ("v 0 0 0\nf -2 1 1\n", "name vertices -1"),
    ],
)
def test_bad_lines_are_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(tmp_path / "a.obj", text).read_mesh()


@pytest.mark.parametrize(
    ("name", "vertices", "triangles"), [("bunny", 2503, 4968), ("armadillo", 49990, 99976)]
)
def test_real_meshes_equal_open3d(
    shared_data: Path, name: str, vertices: int, triangles: int
) -> None:
    o3d = pytest.importorskip("open3d")
    path = shared_data / "meshes" / f"{name}.obj"
    mesh = obj.read_mesh(path)
    assert (len(mesh.vertices), len(mesh.triangles)) == (vertices, triangles)
    other = o3d.io.read_triangle_mesh(str(path))  # numbers the vertices anew
    corners = np.asarray(other.vertices)[np.asarray(other.triangles)]
    np.testing.assert_allclose(mesh.vertices[mesh.triangles].numpy(), corners, atol=1e-6)


def test_other_text_is_not_taken_for_it(tmp_path: Path) -> None:
    for text in ("", "hello world\n", "1 2 3\n", '{"frames": []}'):
        (tmp_path / "a.obj").write_text(text)
        assert not obj.FORMAT.recognises(tmp_path / "a.obj")
