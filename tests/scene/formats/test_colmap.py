"""COLMAP models against pycolmap, and files that are not what they should be."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from sparse3d.errors import DataError
from sparse3d.geometry.intrinsics import Intrinsics
from sparse3d.scene import Scene
from sparse3d.scene.formats import colmap_binary, colmap_text
from sparse3d.scene.formats.colmap_lens import MODELS, lens_from_colmap, lens_to_colmap
from sparse3d.scene.formats.registry import open_scene, save_scene

pycolmap = pytest.importorskip("pycolmap")

PARAMETERS = {
    "f": 500.0, "fx": 500.0, "fy": 510.0, "cx": 311.0, "cy": 250.0,
    "k1": -0.12, "k2": 0.03, "p1": 0.002, "p2": -0.001, "k3": 0.004, "k4": 0.01, "k5": -0.006,
    "k6": 0.002,
}  # fmt: skip


def assert_same_cameras(ours: Scene, theirs: Any) -> None:
    by_name = {image.name: image for image in theirs.images.values()}
    assert len(by_name) == len(ours.cameras)
    for camera in ours.cameras:
        image = by_name[camera.name.removeprefix("images/")]
        expected = image.cam_from_world().inverse().matrix()
        np.testing.assert_allclose(camera.world_from_camera[:3].numpy(), expected, atol=1e-12)
        pixels = np.array([[1.0, 2.0], [5.0, 3.0]])
        directions = camera.intrinsics.unproject(torch.from_numpy(pixels))[:, :2].numpy()
        np.testing.assert_allclose(
            directions, theirs.cameras[image.camera_id].cam_from_img(pixels), atol=1e-6
        )


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_every_lens_model_projects_as_colmap_does(model: Any) -> None:
    values = [PARAMETERS[name] for name in model.parameters.split()]
    lens = lens_from_colmap(model, 640, 480, values, Path("cameras.bin"))
    oracle = pycolmap.Camera(model=model.name, width=640, height=480, params=values)
    assert (int(oracle.model.value), oracle.params_info.replace(",", "")) == (
        model.number,
        model.parameters.replace("k1", "k")
        if oracle.params_info.endswith("k")
        else model.parameters,
    )
    points = np.random.default_rng(0).uniform((-1, -0.8, 1), (1, 0.8, 2), (100, 3))
    pixels = lens.project(torch.from_numpy(points))[0].numpy()
    np.testing.assert_allclose(pixels, oracle.img_from_cam(points), atol=1e-9)
    kind, parameters = lens_to_colmap(lens)
    back = lens_from_colmap(kind, 640, 480, parameters, Path("cameras.bin"))
    assert back == lens


def test_fern(shared_data: Path) -> None:
    folder = shared_data / "llff_fern"
    scene = open_scene(folder)
    truth = pycolmap.Reconstruction(folder / "sparse" / "0")
    assert (scene.name, scene.format, scene.cameras[0].name) == (
        "llff_fern",
        "colmap",
        "images/000.png",
    )
    assert_same_cameras(scene, truth)
    points = scene.read_points()
    assert points is not None
    assert getattr(scene.points, "count", None) == len(points) == 4980
    by_position = {tuple(point.xyz): point for point in truth.points3D.values()}
    for row in range(0, len(points), 50):
        expected = by_position[tuple(points.positions[row].tolist())]
        assert points.colors is not None
        assert (points.colors[row] * 255).round().int().tolist() == expected.color.tolist()
        assert points.extra["track_length"][row] == expected.track.length()
        assert points.extra["reprojection_error"][row] == pytest.approx(expected.error)


@pytest.mark.parametrize("place", ["sparse/0", "sparse", "."])
def test_the_model_may_lie_further_down(photo_scene: Scene, tmp_path: Path, place: str) -> None:
    save_scene(photo_scene, tmp_path / "out", "colmap")
    for file in (tmp_path / "out" / "sparse" / "0").iterdir():
        file.rename(tmp_path / "out" / place / file.name)
    for path in (tmp_path / "out", tmp_path / "out" / place):
        assert open_scene(path).cameras[0].image_path == tmp_path / "out" / "images" / "0.png"


def test_text_of_colmap_itself_is_read_like_its_binary(shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "llff_fern"
    pycolmap.Reconstruction(folder / "sparse" / "0").write_text(tmp_path)
    text, binary = open_scene(tmp_path), open_scene(folder)
    assert text.format == "colmap-text"
    for ours, theirs in zip(text.cameras, binary.cameras, strict=True):
        assert ours.intrinsics == theirs.intrinsics
        assert ours.image_path is None
        torch.testing.assert_close(ours.world_from_camera, theirs.world_from_camera)
    ours, theirs = text.read_points(), binary.read_points()
    assert ours is not None
    assert theirs is not None
    order, expected_order = (p.positions[:, 0].argsort() for p in (ours, theirs))
    torch.testing.assert_close(ours.positions[order], theirs.positions[expected_order])


@pytest.mark.parametrize("name", ["colmap", "colmap-text"])
def test_colmap_opens_what_we_write(photo_scene: Scene, tmp_path: Path, name: str) -> None:
    save_scene(photo_scene, tmp_path / "out", name)
    theirs = pycolmap.Reconstruction(tmp_path / "out" / "sparse" / "0")
    assert_same_cameras(photo_scene, theirs)
    assert len(theirs.cameras) == 2  # three photos, two lenses
    points = photo_scene.read_points()
    assert points is not None
    assert points.colors is not None
    for number, point in theirs.points3D.items():
        assert point.xyz.tolist() == points.positions[number - 1].tolist()
        assert (points.colors[number - 1] * 255).round().int().tolist() == point.color.tolist()


@pytest.mark.parametrize("name", ["colmap", "colmap-text"])
def test_what_is_written_is_read_back(photo_scene: Scene, tmp_path: Path, name: str) -> None:
    save_scene(photo_scene, tmp_path / "out", name)
    back = open_scene(tmp_path / "out")
    assert back.format == name
    for ours, theirs in zip(photo_scene.cameras, back.cameras, strict=True):
        assert (ours.name, ours.intrinsics) == (theirs.name, theirs.intrinsics)
        torch.testing.assert_close(
            theirs.world_from_camera, ours.world_from_camera, atol=1e-14, rtol=0
        )
        assert torch.equal(ours.read_image(), theirs.read_image())
    points, expected = back.read_points(), photo_scene.read_points()
    assert points is not None
    assert expected is not None
    assert torch.equal(points.positions, expected.positions)
    assert points.extra["reprojection_error"].tolist() == [-1.0] * len(expected)


def test_fox_through_colmap_and_back(shared_data: Path, tmp_path: Path) -> None:
    original = open_scene(shared_data / "fox")
    save_scene(original, tmp_path / "colmap", "colmap")
    save_scene(open_scene(tmp_path / "colmap"), tmp_path / "nerfstudio", "nerfstudio")
    for ours, theirs in zip(
        original.cameras, open_scene(tmp_path / "nerfstudio").cameras, strict=True
    ):
        assert (ours.name, ours.intrinsics) == (theirs.name, theirs.intrinsics)
        torch.testing.assert_close(
            theirs.world_from_camera, ours.world_from_camera, atol=1e-9, rtol=0
        )


def test_masks_lie_where_colmap_looks_for_them(photo_scene: Scene, tmp_path: Path) -> None:
    Image.fromarray(np.full((8, 12), 255, np.uint8)).save(tmp_path / "mask.png")
    first = photo_scene.frames[0]
    camera = replace(first.cameras[0], mask_path=tmp_path / "mask.png")
    frames = (replace(first, cameras=(camera,)), *photo_scene.frames[1:])
    save_scene(replace(photo_scene, frames=frames), tmp_path / "out", "colmap")
    assert (tmp_path / "out" / "masks" / "0.png.png").is_file()
    masks = [camera.read_mask() for camera in open_scene(tmp_path / "out").cameras]
    assert masks[0] is not None
    assert bool(masks[0].all())
    assert masks[1] is None


def test_names_that_meet_are_told_apart(photo_scene: Scene, tmp_path: Path) -> None:
    names = ("images/0.png", "0.png", "images/../0.PNG")
    frames = tuple(
        replace(frame, name=name, cameras=(replace(frame.cameras[0], name=name),))
        for frame, name in zip(photo_scene.frames, names, strict=True)
    )
    save_scene(replace(photo_scene, frames=frames), tmp_path / "out", "colmap")
    back = open_scene(tmp_path / "out")
    assert len({camera.name.lower() for camera in back.cameras}) == 3
    assert [(c.intrinsics.width, c.read_image().shape[1]) for c in back.cameras].count(
        (12, 12)
    ) == 2


def test_cameras_without_any_photo_are_kept(photo_scene: Scene, tmp_path: Path) -> None:
    bare = tuple(
        replace(frame, cameras=(replace(frame.cameras[0], image_path=None),))
        for frame in photo_scene.frames
    )
    save_scene(replace(photo_scene, frames=bare), tmp_path / "out", "colmap")
    assert [camera.image_path for camera in open_scene(tmp_path / "out").cameras] == [None] * 3
    mixed = replace(photo_scene, frames=(*bare[:1], *photo_scene.frames[1:]))
    with pytest.raises(DataError, match=r"camera images/0\.png has no image"):
        save_scene(mixed, tmp_path / "mixed", "colmap")


@pytest.fixture
def written(photo_scene: Scene, tmp_path: Path) -> Path:
    """A small model of ours in ``sparse/0``, with a track and keypoints made by hand."""
    save_scene(photo_scene, tmp_path / "out", "colmap")
    model = tmp_path / "out" / "sparse" / "0"
    images = (model / "images.bin").read_bytes()
    with_keypoints = images[:-8] + (2).to_bytes(8, "little") + bytes(48)
    (model / "images.bin").write_bytes(with_keypoints)
    points = (model / "points3D.bin").read_bytes()
    (model / "points3D.bin").write_bytes(points[:-8] + (3).to_bytes(8, "little") + bytes(24))
    return model


def test_keypoints_and_tracks_are_skipped(written: Path) -> None:
    scene = open_scene(written)
    points = scene.read_points()
    assert len(scene.cameras) == 3
    assert points is not None
    assert points.extra["track_length"].tolist() == [0] * 6 + [3]


@pytest.mark.parametrize(
    ("file", "reader"),
    [
        ("cameras.bin", colmap_binary.read_cameras),
        ("images.bin", colmap_binary.read_images),
        ("points3D.bin", colmap_binary.read_points),
    ],
)
def test_a_file_cut_at_any_byte_is_refused(written: Path, file: str, reader: Any) -> None:
    content = (written / file).read_bytes()
    assert reader(written / file) is not None
    for length in range(len(content)):
        (written / file).write_bytes(content[:length])
        with pytest.raises(DataError, match=file):
            reader(written / file)


def test_a_count_that_no_file_could_hold(written: Path) -> None:
    for file in ("cameras.bin", "images.bin", "points3D.bin"):
        content = (written / file).read_bytes()
        (written / file).write_bytes((10**12).to_bytes(8, "little") + content[8:])
        with pytest.raises(DataError, match=f"{file}: header promises 1000000000000 entries"):
            open_scene(written)
        (written / file).write_bytes(content)


@pytest.mark.parametrize(("number", "name"), [(7, "FOV"), (10, "THIN_PRISM_FISHEYE"), (99, "99")])
def test_unknown_camera_models_are_named(written: Path, number: int, name: str) -> None:
    content = bytearray((written / "cameras.bin").read_bytes())
    content[12] = number
    (written / "cameras.bin").write_bytes(content)
    with pytest.raises(DataError, match=rf"cameras\.bin: camera model {name} is not supported"):
        open_scene(written)


def test_a_pose_that_is_no_rotation_names_the_image(written: Path) -> None:
    content = bytearray((written / "images.bin").read_bytes())
    content[12:44] = bytes(32)  # a zero quaternion
    (written / "images.bin").write_bytes(content)
    with pytest.raises(DataError, match=r"images\.bin: image 0\.png: a finite rotation"):
        open_scene(written)


def test_bad_intrinsics_missing_camera_missing_photo_and_wrong_size(written: Path) -> None:
    root = written.parents[1]
    photo = root / "images" / "1.png"
    content = photo.read_bytes()
    photo.unlink()
    Image.new("RGB", (5, 4)).save(photo)
    with pytest.raises(DataError, match=r"1\.png: image is 5x4, but .* 10x8"):
        open_scene(root)
    photo.unlink()
    with pytest.raises(DataError, match=r"1\.png: file expected by images\.bin"):
        open_scene(root)
    photo.write_bytes(content)
    cameras = (written / "cameras.bin").read_bytes()
    (written / "cameras.bin").write_bytes(
        cameras[:32] + np.array([np.nan]).tobytes() + cameras[40:]
    )
    with pytest.raises(DataError, match=r"cameras\.bin: intrinsics must be finite"):
        open_scene(root)
    (written / "cameras.bin").write_bytes(bytes(8))
    with pytest.raises(DataError, match="has camera 1, not in cameras"):
        open_scene(root)
    (written / "images.bin").write_bytes(bytes(8))
    with pytest.raises(DataError, match="posed images expected, but there are none"):
        open_scene(root)


def test_names_may_not_leave_the_folder(written: Path) -> None:
    content = (written / "images.bin").read_bytes()
    (written / "images.bin").write_bytes(content.replace(b"0.png\0", b"../0.png\0"))
    with pytest.raises(DataError, match="leads out of the folder"):
        open_scene(written)
    (written / "images.bin").write_bytes(content.replace(b"0.png\0", b"\xff.png\0"))
    with pytest.raises(DataError, match="is not UTF-8"):
        open_scene(written)


CAMERA = "1 PINHOLE 12 8 5 5 6 4\n"
IMAGE = "1 1 0 0 0 0.5 0 0 1 my photo.png\n"


def text_model(folder: Path, cameras: str, images: str, points: str = "") -> Path:
    (folder / "cameras.txt").write_text(cameras)
    (folder / "images.txt").write_text(images)
    (folder / "points3D.txt").write_text(points)
    return folder


def test_text_by_hand(tmp_path: Path) -> None:
    points = "# comment\n\n1 1.5 2 3 255 0 51 0.5 1 2 3 4\n2 4 5 6 0 0 0 0.25\n"
    comments = "# one\n\n"
    images = comments + IMAGE + "1 2 -1 3 4 7\n" + IMAGE.replace("photo", "other")
    text_model(tmp_path, comments + CAMERA, images, points)
    scene = open_scene(tmp_path)
    names = [camera.name for camera in scene.cameras]
    assert names == ["images/my other.png", "images/my photo.png"]
    assert scene.cameras[0].intrinsics == Intrinsics(12, 8, 5.0, 5.0, 6.0, 4.0)
    assert scene.cameras[0].world_from_camera[:3, 3].tolist() == [-0.5, 0, 0]
    cloud = scene.read_points()
    assert cloud is not None
    assert cloud.positions.tolist() == [[1.5, 2, 3], [4, 5, 6]]
    assert cloud.colors is not None
    torch.testing.assert_close(cloud.colors[0], torch.tensor([1.0, 0.0, 0.2]))


@pytest.mark.parametrize(
    ("cameras", "images", "message"),
    [
        ("1 PINHOLE 12\n", IMAGE, r"cameras\.txt: CAMERA_ID MODEL"),
        ("1 PINHOLE 12 8 5 5 6\n", IMAGE, "4 parameters of a PINHOLE camera"),
        ("1 PINHOLE 12 8 5 5 6 x\n", IMAGE, "numbers expected"),
        ("1 FOV 12 8 5 5 6 4 1\n", IMAGE, "camera model FOV is not supported"),
        (CAMERA, "1 1 0 0\n", r"images\.txt: IMAGE_ID QW"),
        (CAMERA, "1 1 0 0 0 x 0 0 1 a.png\n", r"images\.txt: IMAGE_ID QW"),
        (CAMERA, "1 nan 0 0 0 0 0 0 1 a.png\n", r"a\.png: a finite rotation"),
        (CAMERA, "# nothing\n", "posed images expected"),
        (CAMERA, IMAGE + "\n" + IMAGE, "appears in two frames"),
    ],
)
def test_bad_text(tmp_path: Path, cameras: str, images: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        open_scene(text_model(tmp_path, cameras, images))


def test_bad_and_empty_lists_of_points(tmp_path: Path) -> None:
    path = tmp_path / "points3D.txt"
    path.write_text("# none\n")
    assert len(colmap_text.read_points(path)) == 0
    for content in ("1 2 3\n", "1 a b c 0 0 0 0\n"):
        path.write_text(content)
        with pytest.raises(DataError, match=r"points3D\.txt: lines of POINT3D_ID"):
            colmap_text.read_points(path)
