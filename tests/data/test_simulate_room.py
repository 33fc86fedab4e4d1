"""The simulated room: geometry, truth and repeatability."""

import hashlib
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sparse3d.data.simulate.cameras import forward_facing_path, orbit_path
from sparse3d.data.simulate.primitives import box_mesh, cylinder_mesh, moved, sphere_mesh
from sparse3d.data.simulate.room import RoomConfig, simulate_room
from sparse3d.data.simulate.textures import Material, SolidNoise, Texture
from sparse3d.data.simulate.world import Part, World
from sparse3d.errors import ConfigError, DataError
from sparse3d.geometry.intrinsics import Intrinsics
from sparse3d.geometry.transforms import is_rigid, look_at
from sparse3d.scene import Mesh
from sparse3d.scene.formats.registry import open_scene

SMALL = RoomConfig(views=2, test_views=1, width=40, height=30, samples=1)
GREY = Material("plaster", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5), 1.0)
UP = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)


def volume(mesh: Mesh) -> float:
    """Signed volume by the divergence theorem; positive if all faces are turned outwards."""
    a, b, c = mesh.vertices.double()[mesh.triangles].unbind(1)
    return float((torch.linalg.cross(a, b) * c).sum() / 6)


@pytest.mark.parametrize(
    ("mesh", "expected", "tolerance"),
    [
        (box_mesh(1.0, 2.0, 3.0), 6.0, 1e-9),
        (cylinder_mesh(0.5, 2.0), math.pi * 0.25 * 2, 0.02),
        (sphere_mesh(0.5), 4 / 3 * math.pi * 0.125, 0.02),
        (moved(box_mesh(1.0, 2.0, 3.0), 5.0, -6.0, 7.0, 0.7), 6.0, 1e-5),
    ],
)
def test_shapes_are_closed_and_turned_outwards(
    mesh: Mesh, expected: float, tolerance: float
) -> None:
    edges = mesh.triangles[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
    forward = {tuple(edge) for edge in edges.tolist()}
    assert len(forward) == len(edges), "an edge is used twice in the same direction"
    assert forward == {(b, a) for a, b in forward}, "an edge has one face only"
    assert volume(mesh) == pytest.approx(expected, rel=tolerance)


def test_paths_look_at_their_target() -> None:
    target = torch.tensor([0.6, 0.0, 0.75], dtype=torch.float64)
    for poses in (
        forward_facing_path(5, (-2.0, 0.0, 1.5), (0.6, 0.0, 0.75), (0.7, 0.2)),
        orbit_path(7, (0.6, 0.0, 0.75), (2.0, 1.5), 0.8),
    ):
        assert all(is_rigid(pose) for pose in poses)
        towards = torch.nn.functional.normalize(target - poses[:, :3, 3], dim=1)
        torch.testing.assert_close(poses[:, :3, 2], towards)
        assert len({tuple(p) for p in poses[:, :3, 3].tolist()}) == len(poses)


@pytest.mark.parametrize(
    "texture", ["plaster", "wood", "brick", "checker", "mosaic", "marble", "fabric"]
)
def test_textures_are_colours_that_vary_and_repeat_by_seed(texture: Texture) -> None:
    material = Material(texture, (0.9, 0.5, 0.3), (0.2, 0.1, 0.4), 0.2)
    points = torch.rand(500, 3, generator=torch.Generator().manual_seed(0)) * 6 - 3
    colors = material.colors(points, SolidNoise(1))
    assert colors.shape == (500, 3)
    assert colors.min() >= 0
    assert colors.max() <= 1
    assert colors.std(0).max() > 0.02
    assert torch.equal(colors, material.colors(points, SolidNoise(1)))
    assert not torch.equal(colors, material.colors(points, SolidNoise(2)))


def test_depth_is_along_the_axis_and_lit_sides_are_brighter() -> None:
    pytest.importorskip("open3d")
    parts = [Part("wall", moved(box_mesh(0.2, 8.0, 8.0), 3.1, 0.0, 0.0), GREY)]
    parts.append(Part("ball", moved(sphere_mesh(0.5, 48), 2.0, 0.0, 0.0), GREY))
    world = World(parts, [(0.0, 0.0, 5.0)], ambient=0.3, seed=0)
    lens = Intrinsics(41, 31, 30.0, 30.0, 20.5, 15.5)
    pose = look_at(torch.zeros(3).double(), torch.tensor([1.0, 0, 0]).double(), UP)
    picture = world.photograph(lens, pose)
    assert picture.depth[15, 20] == pytest.approx(1.5, abs=2e-3)
    assert picture.parts[15, 20] == 1
    assert picture.depth[0, 0] == pytest.approx(3.0, abs=1e-4), "z-depth, not distance"
    assert picture.image[11, 20].mean() > picture.image[19, 20].mean() + 0.1
    nothing = World(parts[1:], [(0.0, 0.0, 5.0)], 0.3, 0).photograph(lens, pose)
    assert nothing.depth[0, 0] == 0
    assert nothing.parts[0, 0] == -1


def test_room_is_a_scene_with_splits_and_true_depth(tmp_path: Path) -> None:
    pytest.importorskip("open3d")
    simulate_room(tmp_path / "room", SMALL)
    scene = open_scene(tmp_path / "room")
    assert scene.metric
    assert [frame.split for frame in scene.frames] == ["train", "test", "train"]
    camera = scene.cameras[0]
    depth = camera.read_depth()
    assert depth is not None
    assert camera.read_image().shape == (30, 40, 3)
    assert ((depth > 0.3) & (depth < 7)).all()
    parts = np.array(Image.open(tmp_path / "room" / "parts" / "000.png"))
    names = (tmp_path / "room" / "parts.txt").read_text().splitlines()
    assert parts.min() >= 1
    assert parts.max() <= len(names)
    assert "table" in {names[number - 1] for number in np.unique(parts).tolist()}


def test_same_seed_same_bytes_another_seed_others(tmp_path: Path) -> None:
    pytest.importorskip("open3d")

    def digest(name: str, seed: int) -> dict[str, str]:
        folder = tmp_path / name
        simulate_room(folder, RoomConfig(seed, 1, 1, 40, 30, samples=1))
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        return {
            str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in files
        }

    first = digest("a", 1)
    assert first == digest("b", 1)
    other = digest("c", 2)
    assert first["frames/000000/image_0.png"] != other["frames/000000/image_0.png"]


def test_an_occupied_folder_and_impossible_values_are_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(DataError, match="new or empty"):
        simulate_room(tmp_path, SMALL)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
    with pytest.raises(ConfigError, match="views"):
        RoomConfig(views=0)
    with pytest.raises(ConfigError, match="field_of_view"):
        RoomConfig(field_of_view=170.0)
    with pytest.raises(ConfigError, match="at most 8192, got 504x9000"):
        RoomConfig(height=9000)
    with pytest.raises(ConfigError, match=r"seed must be from 0 to .*, got -1"):
        RoomConfig(seed=-1)
