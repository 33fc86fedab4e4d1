"""The scene folder: exact round trips, mapped arrays, and folders that others tampered with."""

import json
import time
from dataclasses import fields, is_dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from sparse3d.errors import DataError
from sparse3d.geometry.intrinsics import Intrinsics
from sparse3d.scene import (
    Boxes3D,
    Camera,
    Frame,
    Gaussians,
    ImageBoxes,
    Mesh,
    PointCloud,
    Scene,
    SparseGrid,
    VoxelSpace,
)
from sparse3d.scene.formats import scene_folder
from sparse3d.scene.stored import Stored


def cloud(n: int = 11) -> PointCloud:
    rng = torch.Generator().manual_seed(1)
    positions = torch.randn(n, 3, generator=rng, dtype=torch.float64)
    positions[0, 1:] = torch.tensor([float("nan"), float("inf")])
    return PointCloud(
        positions,
        colors=torch.rand(n, 3, generator=rng),
        normals=torch.rand(n, 3, generator=rng),
        intensities=torch.rand(n, generator=rng).half(),
        labels=torch.arange(n),
        times=torch.rand(n, generator=rng),
        rings=torch.arange(n).short(),
        extra={"a/../b c": torch.rand(n, 2, 2, generator=rng), "flag": torch.arange(n) > 3},
    )


def boxes(n: int = 3) -> Boxes3D:
    rng = torch.Generator().manual_seed(2)
    image = ImageBoxes(
        torch.rand(n, 4, generator=rng),
        torch.rand(n, generator=rng),
        torch.rand(n, generator=rng),
        torch.arange(n).int(),
    )
    return Boxes3D(
        torch.randn(n, 3, generator=rng),
        torch.rand(n, 3, generator=rng) + 1,
        torch.rand(n, generator=rng),
        tuple(f"Müll {i}" for i in range(n)),
        scores=torch.rand(n, generator=rng).double(),
        velocities=torch.rand(n, 2, generator=rng),
        image=image,
    )


def grid() -> SparseGrid:
    rng = torch.Generator().manual_seed(4)
    cells = torch.randint(0, 5, (40, 4), generator=rng) % torch.tensor([2, 5, 3, 4])
    bare = SparseGrid.of_coordinates(cells, (5, 3, 4), 3)
    space = VoxelSpace((1 / 3, -2e9, 1e-17), (0.1, 0.2, 0.3), (5, 3, 4))
    features = torch.randn(len(bare), 6, generator=rng).half()
    return SparseGrid(bare.keys, bare.shape, bare.batch_size, space, features)


def pose() -> Tensor:
    matrix = torch.eye(4, dtype=torch.float64)
    matrix[:2, :2] = torch.tensor([[0.6, -0.8], [0.8, 0.6]])
    matrix[:3, 3] = torch.tensor([1 / 3, 2e9, -1e-17])
    return matrix


def whole_scene(folder: Path) -> Scene:
    folder.mkdir()
    Image.new("RGB", (8, 6), (1, 2, 3)).save(folder / "photo.jpg")
    Image.new("L", (8, 6), 255).save(folder / "mask.png")
    np.save(folder / "depth.npy", np.ones((6, 8), np.float32))
    lens = Intrinsics(8, 6, 5.1, 5.2, 4.0, 1 / 3, "opencv", (0.1, -0.02, 1e-17))
    cameras = (
        Camera("a/left", lens, pose(), folder / "photo.jpg", folder / "mask.png"),
        Camera(
            "a/right",
            Intrinsics(8, 6, 5.0, 5.0, 4.0, 3.0),
            pose(),
            depth_path=folder / "depth.npy",
            depth_scale=0.1,
        ),
        Camera("a/eye", Intrinsics(8, 6, 5.0, 5.0, 4.0, 3.0, "fisheye", (0.1,)), pose()),
    )
    frames = (
        Frame("one", cameras, cloud(), boxes(), pose(), timestamp=1.1e9 + 1 / 3, split="val"),
        Frame("two", points=PointCloud(torch.empty(0, 3)), boxes=boxes(0)),
        Frame("three"),
    )
    rng = torch.Generator().manual_seed(3)
    splat = Gaussians(*(torch.randn(4, *s, generator=rng) for s in ((3,), (4,), (3,), (), (9, 3))))
    mesh = Mesh(torch.rand(5, 3, generator=rng), torch.tensor([[0, 1, 4]]), colors=torch.rand(5, 3))
    return Scene("whole", frames, cloud(5), splat, mesh, grid(), metric=True)


def assert_same(a: object, b: object, where: str = "scene") -> None:
    a, b = (x.read() if isinstance(x, Stored) else x for x in (a, b))
    if isinstance(a, Tensor):
        assert isinstance(b, Tensor), where
        assert a.dtype == b.dtype, where
        torch.testing.assert_close(a, b, rtol=0, atol=0, equal_nan=True)
    elif isinstance(a, Path):
        assert isinstance(b, Path)
        assert a.read_bytes() == b.read_bytes()
    elif isinstance(a, dict):
        assert isinstance(b, dict)
        assert a.keys() == b.keys()
        for key in a:
            assert_same(a[key], b[key], f"{where}[{key}]")
    elif isinstance(a, tuple):
        assert isinstance(b, tuple)
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            assert_same(x, y, f"{where}[{i}]")
    elif is_dataclass(a):
        for field in fields(a):
            if field.name not in ("format", "source"):
                assert_same(getattr(a, field.name), getattr(b, field.name), f"{where}.{field.name}")
    else:
        assert a == b, where


def test_everything_comes_back_exactly(tmp_path: Path) -> None:
    scene = whole_scene(tmp_path / "in")
    scene_folder.write_scene(scene, tmp_path / "out")
    assert scene_folder.FORMAT.recognises(tmp_path / "out")
    again = scene_folder.read_scene(tmp_path / "out")
    assert_same(scene, again)
    scene_folder.write_scene(again, tmp_path / "twice")
    assert_same(scene, scene_folder.read_scene(tmp_path / "twice"))
    assert getattr(again.frames[0].boxes, "count", None) == 3


def test_a_folder_can_be_moved(tmp_path: Path) -> None:
    scene = whole_scene(tmp_path / "in")
    scene_folder.write_scene(scene, tmp_path / "out")
    (tmp_path / "out").rename(tmp_path / "elsewhere")
    assert_same(scene, scene_folder.read_scene(tmp_path / "elsewhere"))


def test_arrays_are_mapped_and_writing_to_them_changes_no_file(tmp_path: Path) -> None:
    n = 10_000_000
    big = PointCloud(torch.zeros(1, 3).expand(n, 3), intensities=torch.zeros(1).expand(n))
    scene_folder.write_scene(Scene("big", points=big), tmp_path / "big")
    start = time.perf_counter()
    points = scene_folder.read_scene(tmp_path / "big").read_points()
    assert time.perf_counter() - start < 0.5
    assert points is not None
    assert len(points) == n
    points.positions[7] = 5
    again = scene_folder.read_scene(tmp_path / "big").read_points()
    assert again is not None
    assert float(again.positions[7].sum()) == 0


def test_thousands_of_frames_open_in_about_a_second(tmp_path: Path) -> None:
    lens, tiny, some = Intrinsics(8, 6, 5.0, 5.0, 4.0, 3.0), PointCloud(torch.zeros(1, 3)), boxes()
    frames = (Frame(str(i), (Camera(f"{i}/c", lens, pose()),), tiny, some) for i in range(500))
    scene_folder.write_scene(Scene("many", tuple(frames)), tmp_path / "many")
    start = time.process_time()
    assert len(scene_folder.read_scene(tmp_path / "many").frames) == 500
    assert time.process_time() - start < 1  # 0.1 s without type checks and neighbours


def test_nothing_in_it_is_pickled(tmp_path: Path) -> None:
    scene_folder.write_scene(whole_scene(tmp_path / "in"), tmp_path / "out")
    for file in (tmp_path / "out").rglob("*.npy"):
        np.load(file, allow_pickle=False)


FRAME = ("frames", 0)
CAMERA = (*FRAME, "cameras", 0)


def edited(folder: Path, keys: tuple[str | int, ...], value: object) -> Path:
    """A written scene with one entry of its index changed, or deleted if the value is ``...``."""
    scene_folder.write_scene(whole_scene(folder / "in"), folder / "out")
    index = json.loads((folder / "out/scene.json").read_text())
    owner = index
    for key in keys[:-1]:
        owner = owner[key]
    if value is ...:
        del owner[keys[-1]]
    else:
        owner[keys[-1]] = value
    (folder / "out/scene.json").write_text(json.dumps(index))
    return folder / "out"


@pytest.mark.parametrize(
    ("keys", "value", "message"),
    [
        (("version",), 2, "version 1 or before"),
        (("version",), ..., "version 1 or before"),
        (("format",), "other", "sparse3d-scene"),
        (("frames",), 3, "must be a list"),
        (("frames", 1), 3, "list of objects"),
        (("frames", 1, "name"), "one", "frame one appears twice"),
        ((*FRAME, "name"), ..., "name must be a text"),
        ((*FRAME, "split"), "dev", "split must be"),
        ((*FRAME, "timestamp"), "now", "finite number"),
        ((*FRAME, "world_from_ego", 3), "x", "must be numbers"),
        ((*FRAME, "points"), [], "must be an object"),
        ((*FRAME, "points", "count"), -1, "whole number"),
        ((*FRAME, "points", "arrays", "positions"), "../../in/depth.npy", "leads out"),
        ((*FRAME, "points", "extra", "flag"), "/etc/passwd", "leads out"),
        ((*FRAME, "boxes", "file"), "a/../../b", "leads out"),
        ((*FRAME, "boxes", "file"), "..\\b", "leads out"),
        ((*FRAME, "boxes", "file"), "C:/b", "leads out"),
        (("grid", "shape"), [5, 3], "shape must be 3 finite"),
        (("grid", "shape"), [5, 3, float("inf")], "shape must be 3 finite"),
        (("grid", "shape"), [5, 3, 65537], "cells an axis"),
        (("grid", "shape"), [5, 3, 4.5], "shape must be whole"),
        (("grid", "batch_size"), -1, "batch_size must be a whole"),
        (("grid", "batch_size"), 16385, "at most 16384 grids"),
        (("grid", "size"), [0.1, 0, 0.1], "edges of cells must be positive"),
        (("grid", "size"), ..., "size must be 3 finite"),
        ((*CAMERA, "image"), "../in/photo.jpg", "leads out"),
        ((*CAMERA, "lens"), "pinhole", "at most 0 distortion"),
        ((*CAMERA, "lens"), "sphere", "pinhole, opencv or fisheye"),
        ((*CAMERA, "fx"), ..., "fx, fy"),
        ((*CAMERA, "fx"), -1, "positive"),
        ((*CAMERA, "world_from_camera", 0), 7, "rotation"),
        ((*CAMERA, "world_from_camera", 0), float("nan"), "rotation"),
        ((*CAMERA, "world_from_camera", 0), ..., "16 numbers"),
    ],
)
def test_tampered_indices_are_refused(
    tmp_path: Path, keys: tuple[str | int, ...], value: object, message: str
) -> None:
    path = edited(tmp_path, keys, value)
    with pytest.raises(DataError, match=rf"scene\.json.*{message}"):
        scene_folder.read_scene(path)


@pytest.mark.parametrize(
    ("keys", "value", "message"),
    [
        (("count",), 6, "6 rows"),
        (("arrays", "positions"), "nowhere.npy", r"nowhere\.npy"),
        (("arrays", "positions"), ..., "positions expected"),
        (("arrays", "colors"), "points/labels.npy", "n x 3"),
        (("arrays", "positions"), "scene.json", "not a readable array"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(
    tmp_path: Path, keys: tuple[str | int, ...], value: object, message: str
) -> None:
    scene = scene_folder.read_scene(edited(tmp_path, ("points", *keys), value))
    with pytest.raises(DataError, match=message):
        scene.read_points()


@pytest.mark.parametrize(
    ("keys", "value", "message"),
    [
        (("count",), 6, "6 rows"),
        (("arrays", "keys"), ..., "keys expected"),
        (("arrays", "keys"), "points/labels.npy", "rows expected"),
        (("arrays", "features"), "grid/keys.npy", "n x c floats"),
        (("shape",), [4, 3, 4], "must lie in"),
        (("batch_size",), 1, "must lie in"),
    ],
)
def test_grids_that_do_not_fit_are_refused(
    tmp_path: Path, keys: tuple[str | int, ...], value: object, message: str
) -> None:
    path = edited(tmp_path, ("grid", *keys), value)
    if keys == ("shape",):
        edited_index = json.loads((path / "scene.json").read_text())
        del edited_index["grid"]["low"]
        (path / "scene.json").write_text(json.dumps(edited_index))
    scene = scene_folder.read_scene(path)
    with pytest.raises(DataError, match=message):
        scene.read_grid()


def test_keys_of_a_grid_must_be_sorted(tmp_path: Path) -> None:
    scene_folder.write_scene(Scene("one", grid=grid()), tmp_path / "out")
    file = tmp_path / "out/grid/keys.npy"
    np.save(file, np.load(file)[::-1])
    scene = scene_folder.read_scene(tmp_path / "out")
    with pytest.raises(DataError, match="sorted, distinct keys expected"):
        scene.read_grid()


@pytest.mark.parametrize("file", ["positions", "boxes", "triangles", "sh"])
def test_every_cut_of_an_array_is_refused(tmp_path: Path, file: str) -> None:
    scene_folder.write_scene(whole_scene(tmp_path / "in"), tmp_path / "out")
    places = {"boxes": "frames/000000", "positions": "points", "triangles": "mesh"}
    path = tmp_path / "out" / places.get(file, "gaussians") / f"{file}.npy"
    data = path.read_bytes()
    scene = scene_folder.read_scene(tmp_path / "out")
    readers = {
        "positions": scene.read_points,
        "boxes": scene.frames[0].read_boxes,
        "triangles": scene.read_mesh,
        "sh": scene.read_gaussians,
    }
    for size in range(len(data)):
        path.write_bytes(data[:size])
        with pytest.raises(DataError, match=rf"{file}\.npy"):
            readers[file]()


def test_folders_with_contents_and_missing_images_leave_nothing(tmp_path: Path) -> None:
    scene = whole_scene(tmp_path / "in")
    with pytest.raises(DataError, match="new or empty"):
        scene_folder.write_scene(scene, tmp_path / "in")
    (tmp_path / "in/mask.png").unlink()
    with pytest.raises(DataError, match=r"mask\.png"):
        scene_folder.write_scene(scene, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_full_disk_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, array: np.ndarray) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("sparse3d.scene.formats.scene_arrays.save_npy", full)
    with pytest.raises(DataError, match="no space left"):
        scene_folder.write_scene(Scene("x", points=cloud()), tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
