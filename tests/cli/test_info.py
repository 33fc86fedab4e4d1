"""``sparse3d info``: counts that are right, and that the data's own documentation confirms."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from sparse3d.cli.info import describe, describe_path, main
from sparse3d.cli.main import main as sparse3d
from sparse3d.geometry.intrinsics import Intrinsics
from sparse3d.scene import (
    Boxes3D,
    Camera,
    Frame,
    Gaussians,
    Mesh,
    PointCloud,
    Scene,
    SparseGrid,
    Stored,
)
from sparse3d.scene.formats.scene_folder import write_scene


def cloud(n: int) -> PointCloud:
    return PointCloud(torch.arange(3.0 * n).reshape(n, 3))


def boxes(*names: str) -> Boxes3D:
    n = len(names)
    return Boxes3D(torch.zeros(n, 3), torch.ones(n, 3), torch.zeros(n), names)


def camera(
    name: str,
    width: int,
    image: Path | None = None,
    mask: Path | None = None,
    depth: Path | None = None,
) -> Camera:
    pose = torch.eye(4, dtype=torch.float64)
    pose[0, 3] = width
    return Camera(name, Intrinsics(width, 4, 5.0, 5.0, 2.0, 2.0), pose, image, mask, depth)


def refuse(path: Path) -> Any:
    raise AssertionError(f"{path} was read, though its count is known")


def test_everything_in_a_scene_is_counted() -> None:
    cameras = (
        camera("a", 6, image=Path("a.png"), mask=Path("a_mask.png")),
        camera("b", 6, image=Path("b.png")),
        camera("c", 8, depth=Path("c.npy")),
    )
    scene = Scene(
        "all",
        frames=(
            Frame("0", cameras[:2], points=cloud(5), boxes=boxes("Car", "Van"), split="train"),
            Frame("1", cameras[2:], points=cloud(7), boxes=boxes("Car"), split="test"),
            Frame("2"),
        ),
        points=cloud(11),
        gaussians=Gaussians(
            torch.zeros(4, 3),
            torch.ones(4, 4),
            torch.zeros(4, 3),
            torch.zeros(4),
            torch.zeros(4, 1, 3),
        ),
        mesh=Mesh(torch.zeros(3, 3), torch.tensor([[0, 1, 2], [2, 1, 0]])),
    )
    found = describe(scene)
    assert {name: found[name] for name in ("frames", "cameras", "images", "masks", "depths")} == {
        "frames": 3,
        "cameras": 3,
        "images": 2,
        "masks": 1,
        "depths": 1,
    }
    assert found["intrinsics"] == 2
    assert found["points"] == 5 + 7 + 11
    assert found["boxes"] == 3
    assert found["classes"] == {"Car": 2, "Van": 1}
    assert (found["gaussians"], found["vertices"], found["triangles"]) == (4, 3, 2)
    assert found["splits"] == {"train": 1, "test": 1}
    assert found["resolutions"] == {"6x4": 2, "8x4": 1}
    assert found["extents"]["cameras"] == [[6.0, 0.0, 0.0], [8.0, 0.0, 0.0]]
    assert found["extents"]["points"] == [[0.0, 1.0, 2.0], [30.0, 31.0, 32.0]]


def test_the_cells_of_a_grid_are_counted(tmp_path: Path) -> None:
    grid = SparseGrid.of_coordinates(torch.tensor([[0, 1, 0, 0], [1, 0, 0, 1]]), (2, 1, 2), 2)
    write_scene(Scene("cells", grid=grid), tmp_path / "cells")
    assert describe_path(tmp_path / "cells")["cells"] == 2


def test_an_empty_scene_has_nothing() -> None:
    found = describe(Scene("empty"))
    assert all(found[name] == 0 for name in ("frames", "cameras", "points", "boxes", "gaussians"))
    assert found["extents"] == {}


def test_sweeps_of_known_size_are_not_read() -> None:
    frame = Frame("0", points=Stored(Path("sweep.bin"), refuse, count=120_000))
    assert describe(Scene("drive", frames=(frame, frame)))["points"] == 240_000


def test_sweeps_of_unknown_size_are_read() -> None:
    frame = Frame("0", points=Stored(Path("sweep.las"), lambda _: cloud(9)))
    assert describe(Scene("drive", frames=(frame,)))["points"] == 9


def test_extents_leave_out_what_is_not_finite() -> None:
    rows = torch.tensor([[1.0, 2.0, 3.0], [float("nan"), 0.0, 0.0], [4.0, 5.0, 6.0]])
    found = describe(Scene("holes", points=PointCloud(rows)))
    assert found["points"] == 3
    assert found["extents"]["points"] == [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]
    nothing = describe(Scene("nothing", points=PointCloud(rows[1:2])))
    assert nothing["extents"] == {}


# The counts of the data's README; intrinsics: one lens a scene, but DTU's 49 calibrations.
COUNTS = {
    "fox": {"images": 50, "cameras": 50, "frames": 50, "intrinsics": 1, "points": 0},
    "llff_fern": {"images": 20, "cameras": 20, "intrinsics": 1, "points": 4980},
    "dtu_scan24_384": {"images": 49, "cameras": 49, "intrinsics": 49},
    "nerf_synthetic_lego": {"images": 100, "intrinsics": 1, "splits": {"train": 77, "test": 23}},
    "kitti_mini": {"frames": 9, "images": 8, "boxes": 49},
    "meshes/bunny.obj": {"vertices": 2503, "triangles": 4968},
    "meshes/armadillo.obj": {"vertices": 49990, "triangles": 99976},
    "meshes/bunny_scan.pts": {"points": 30571},
    "meshes/room_fragment.pcd": {"points": 113662},
    "splats/guitar.ply": {"gaussians": 90854},
    "splats/guitar.compressed.ply": {"gaussians": 90854},
    "splats/inria_9k_sh3.ply": {"gaussians": 9080},
}


@pytest.mark.parametrize("name", COUNTS)
def test_counts_of_real_data(name: str, shared_data: Path, tmp_path: Path) -> None:
    out = tmp_path / "info.json"
    assert main([str(shared_data / name), "--json", str(out)]) == 0
    found = json.loads(out.read_text())
    assert {key: found[key] for key in COUNTS[name]} == COUNTS[name]


def test_people_get_a_table_without_empty_rows(
    shared_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(shared_data / "fox")]) == 0
    shown = capsys.readouterr().out
    assert "540x960: 50" in shown
    assert "gaussians" not in shown


def test_programs_get_json_alone(shared_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(shared_data / "fox"), "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["images"] == 50


def test_missing_path_is_a_user_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert sparse3d(["info", str(tmp_path / "nowhere")]) == 2
    shown = capsys.readouterr().err
    assert shown.count("\n") == 1
    assert "nowhere" in shown


def test_a_folder_of_files_is_listed_and_summed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
    (tmp_path / "b.pts").write_text("2\n0 0 0\n1 2 3\n")
    (tmp_path / "notes.txt").write_text("nothing of interest\n")
    result = describe_path(tmp_path)
    assert [Path(part["source"]).name for part in result["files"]] == ["a.obj", "b.pts"]
    assert (result["vertices"], result["triangles"], result["points"]) == (3, 1, 2)
    assert main([str(tmp_path)]) == 0
    assert "a.obj: obj, 3 vertices, 1 triangles" in capsys.readouterr().out


def test_a_folder_without_any_known_file_is_a_user_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "notes.txt").write_text("nothing of interest\n")
    assert sparse3d(["info", str(tmp_path)]) == 2
    assert "not recognised as any of" in capsys.readouterr().err
