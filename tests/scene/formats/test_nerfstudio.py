"""transforms.json: what is read, what is refused, and the way there and back."""

import json
import math
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
from sparse3d.scene.formats import nerfstudio
from sparse3d.scene.formats.registry import open_scene, save_scene

EYE = [[1.0, 0.0, 0.0, 0.5], [0.0, 1.0, 0.0, 2.0], [0.0, 0.0, 1.0, 3.0], [0.0, 0.0, 0.0, 1.0]]


def image(folder: Path, name: str, size: tuple[int, int] = (12, 8)) -> str:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (200, 100, 50)).save(path)
    return name


def frame(folder: Path, name: str = "images/a.png", **values: Any) -> dict[str, Any]:
    return {"file_path": image(folder, name), "transform_matrix": EYE} | values


def opened(folder: Path, frames: list[Any], **values: Any) -> Scene:
    (folder / "transforms.json").write_text(json.dumps({"frames": frames} | values))
    return open_scene(folder)


def lens_of(folder: Path, **values: Any) -> Intrinsics:
    return opened(folder, [frame(folder)], **values).cameras[0].intrinsics


def test_fox(shared_data: Path) -> None:
    scene = open_scene(shared_data / "fox")
    assert (scene.name, scene.format, len(scene.frames)) == ("fox", "nerfstudio", 50)
    camera = scene.cameras[0]
    assert camera.name == "images/0001.jpg"
    lens = camera.intrinsics
    assert (lens.lens, lens.fx, lens.distortion[:2]) == ("opencv", 687.76, (0.0578421, -0.0805099))
    assert camera.read_image().shape == (960, 540, 3)


def test_dtu_has_intrinsics_in_each_frame(shared_data: Path) -> None:
    scene = open_scene(shared_data / "dtu_scan24_384")
    truth = np.load(shared_data / "dtu_scan24_384" / "cameras_sphere.npz")
    for number, camera in enumerate(scene.cameras):
        camera_from_world = torch.linalg.inv(camera.world_from_camera)[:3].numpy()
        projection = camera.intrinsics.matrix().numpy() @ camera_from_world
        expected = truth[f"world_mat_{number}"][:3]
        expected = expected / np.linalg.norm(expected[2, :3])
        np.testing.assert_allclose(projection, expected, rtol=2e-4, atol=0.05)


def test_shared_intrinsics_with_frames_of_their_own(tmp_path: Path) -> None:
    frames = [frame(tmp_path), frame(tmp_path, "images/b.png", fl_x=9, cx=1)]
    first, second = (c.intrinsics for c in opened(tmp_path, frames, fl_x=5, fl_y=6, w=12).cameras)
    assert (first.fx, first.fy, first.cx, first.cy) == (5, 6, 6, 4)
    assert (second.fx, second.fy, second.cx, second.cy) == (9, 6, 1, 4)


def test_field_of_view_instead_of_focal_length(tmp_path: Path) -> None:
    lens = lens_of(tmp_path, camera_angle_x=math.pi / 2, camera_angle_y=2 * math.atan(0.5))
    assert (lens.fx, lens.fy) == pytest.approx((6, 8))
    lens = lens_of(tmp_path, camera_angle_x=math.pi / 2)
    assert (lens.fx, lens.fy) == pytest.approx((6, 6))


def test_size_comes_from_the_first_image_where_it_is_not_given(tmp_path: Path) -> None:
    lens = lens_of(tmp_path, fl_x=5)
    assert (lens.width, lens.height, lens.cx, lens.cy) == (12, 8, 6, 4)


@pytest.mark.parametrize("values", [{"camera_model": "OPENCV_FISHEYE"}, {"is_fisheye": True}])
def test_fisheye_lenses(tmp_path: Path, values: dict[str, Any]) -> None:
    lens = lens_of(tmp_path, fl_x=5, k1=0.1, k2=0.2, k3=0.3, k4=0.4, **values)
    assert (lens.lens, lens.distortion) == ("fisheye", (0.1, 0.2, 0.3, 0.4))


def test_opencv_lenses(tmp_path: Path) -> None:
    lens = lens_of(tmp_path, fl_x=5, k1=0.1, k2=0.2, k3=0.3, p1=0.4, p2=0.5)
    assert (lens.lens, lens.distortion[:5]) == ("opencv", (0.1, 0.2, 0.4, 0.5, 0.3))
    assert lens_of(tmp_path, fl_x=5, distortion_params=[0.1, 0.2, 0.3, 0, 0.4, 0.5]) == lens
    assert lens_of(tmp_path, fl_x=5, k1=0, p1=0.0, camera_model="OPENCV").lens == "pinhole"


def test_poses_have_opengl_axes_in_the_file(tmp_path: Path) -> None:
    camera = opened(tmp_path, [frame(tmp_path)], fl_x=5).cameras[0]
    expected = torch.tensor(EYE, dtype=torch.float64)
    expected[:, 1:3] *= -1
    torch.testing.assert_close(camera.world_from_camera, expected)


def test_poses_of_few_digits_become_rotations(tmp_path: Path) -> None:
    rough = [[0.70711, -0.70711, 0, 1], [0.70711, 0.70711, 0, 2], [0, 0, 1, 3], [0, 0, 0, 1]]
    camera = opened(tmp_path, [frame(tmp_path, transform_matrix=rough)], fl_x=5).cameras[0]
    rotation = camera.world_from_camera[:3, :3]
    torch.testing.assert_close(rotation @ rotation.T, torch.eye(3, dtype=torch.float64))
    assert camera.world_from_camera[:3, 3].tolist() == [1, 2, 3]


def test_frames_come_in_the_order_of_their_paths(tmp_path: Path) -> None:
    frames = [frame(tmp_path, f"images/{name}.png") for name in "cab"]
    names = [f.name for f in opened(tmp_path, frames, fl_x=5).frames]
    assert names == ["images/a.png", "images/b.png", "images/c.png"]


def test_masks_depth_and_splits(tmp_path: Path) -> None:
    Image.fromarray(np.arange(96, dtype=np.uint8).reshape(8, 12) % 2).save(tmp_path / "m.png")
    Image.fromarray(np.full((8, 12), 1500, np.uint16)).save(tmp_path / "d.png")
    np.save(tmp_path / "d.npy", np.full((8, 12), 2500.0))
    frames = [
        frame(tmp_path, mask_path="m.png", depth_file_path="d.png"),
        frame(tmp_path, "images/b.png", depth_file_path="./d.npy"),
        frame(tmp_path, "images/c.png"),
    ]
    lists = {"train_filenames": ["images/b.png"], "test_filenames": ["./images/a.png"]}
    scene = opened(tmp_path, frames, fl_x=5, **lists, val_filenames=["images/a.png"])
    a, b, c = scene.cameras
    mask, depth_a, depth_b = a.read_mask(), a.read_depth(), b.read_depth()
    assert mask is not None
    assert mask[0, :3].tolist() == [False, True, False]
    assert depth_a is not None
    assert depth_b is not None
    assert depth_a[0, 0] == pytest.approx(1.5)
    assert depth_b[0, 0] == pytest.approx(2.5)  # thousandths in both kinds of file
    assert (c.read_mask(), c.read_depth()) == (None, None)
    assert [f.split for f in scene.frames] == ["test", "train", None]


def test_images_without_suffix_are_found(tmp_path: Path) -> None:
    image(tmp_path, "images/x.jpg")
    scene = opened(tmp_path, [{"file_path": "images/x", "transform_matrix": EYE}], fl_x=5)
    assert scene.cameras[0].name == "images/x.jpg"


BAD_POSES = {
    "nan": [[math.nan, 0, 0, 0], *EYE[1:]],
    "stretch": [[1.01, 0, 0, 0], *EYE[1:]],
    "mirror": [[-1, 0, 0, 0], *EYE[1:]],
    "text": [["x", 0, 0, 0], *EYE[1:]],
    "ragged": [[1, 0, 0], *EYE[1:]],
    "small": [[1]],
    "missing": None,
}


@pytest.mark.parametrize("pose", BAD_POSES.values(), ids=BAD_POSES)
def test_a_bad_pose_names_file_and_frame(tmp_path: Path, pose: Any) -> None:
    good, bad = frame(tmp_path), frame(tmp_path, "images/b.png", transform_matrix=pose)
    with pytest.raises(DataError, match=r"transforms\.json: frame images/b\.png: transform_mat"):
        opened(tmp_path, [good, bad], fl_x=5)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "fl_x or camera_angle_x expected"),
        ({"fl_x": "five"}, "fl_x must be a finite number, got 'five'"),
        ({"fl_x": True}, "fl_x must be"),
        ({"fl_x": math.nan}, "fl_x must be"),
        ({"fl_x": 10**400}, "fl_x must be"),
        ({"fl_x": -5}, "must be positive"),
        ({"fl_x": 5, "w": 12.5, "h": 8}, "w must be a whole number"),
        ({"camera_angle_x": 4}, "camera_angle_x must be in"),
        ({"fl_x": 5, "camera_model": "EQUIRECTANGULAR"}, "'EQUIRECTANGULAR' is not supported"),
        ({"fl_x": 5, "k4": 0.1}, "k4"),
        ({"fl_x": 5, "is_fisheye": True, "p1": 0.1}, "p1 and p2"),
        ({"fl_x": 5, "distortion_params": [1, 2]}, "6 numbers"),
        ({"fl_x": 5, "train_filenames": ["images/z.png"]}, "which is no frame"),
        ({"fl_x": 5, "train_filenames": "images/a.png"}, "must be a list"),
        ({"fl_x": 5, "ply_file_path": "gone.ply"}, r"gone\.ply: file expected"),
        ({"fl_x": 5, "w": 24, "h": 8}, r"a\.png: image is 12x8, but .* for 24x8"),
    ],
)
def test_values_that_cannot_be(tmp_path: Path, values: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        opened(tmp_path, [frame(tmp_path)], **values)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("key", ["file_path", "mask_path", "depth_file_path"])
@pytest.mark.parametrize("text", ["../outside.png", "images/../../outside.png", "/etc/hostname"])
def test_paths_may_not_leave_the_folder(tmp_path: Path, key: str, text: str) -> None:
    folder = tmp_path / "scene"
    image(tmp_path, "outside.png")
    entry = frame(folder) | {key: text}
    with pytest.raises(DataError, match="leads out of the folder"):
        opened(folder, [entry], fl_x=5)


def test_points_may_not_lie_outside(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="leads out of the folder"):
        opened(tmp_path, [frame(tmp_path)], fl_x=5, ply_file_path="../points.ply")


def test_absolute_paths_inside_are_fine(tmp_path: Path) -> None:
    entry = frame(tmp_path) | {"file_path": str(tmp_path / "images" / "a.png")}
    assert opened(tmp_path, [entry], fl_x=5).cameras[0].name == "images/a.png"


@pytest.mark.parametrize("frames", [[], None, "x", [3], [{}], [{"file_path": ""}]])
def test_frames_that_are_none(tmp_path: Path, frames: Any) -> None:
    with pytest.raises(DataError, match=r"transforms\.json: frame"):
        opened(tmp_path, frames, fl_x=5)


def test_a_missing_image_is_named_when_opened(tmp_path: Path) -> None:
    entries = [frame(tmp_path), {"file_path": "images/gone.png", "transform_matrix": EYE}]
    with pytest.raises(DataError, match=r"gone\.png: file expected by transforms\.json"):
        opened(tmp_path, entries, fl_x=5)


def test_an_image_in_two_frames_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="appears in two frames"):
        opened(tmp_path, [frame(tmp_path), frame(tmp_path)], fl_x=5)


def test_images_of_two_sizes_under_one_intrinsic(tmp_path: Path) -> None:
    entry = frame(tmp_path, "images/b.png")
    image(tmp_path, "images/b.png", (6, 4))
    with pytest.raises(DataError, match=r"b\.png: image is 6x4, but its camera's .* 12x8"):
        opened(tmp_path, [frame(tmp_path), entry], fl_x=5)


def test_sizes_in_large_scenes_are_checked_when_read(tmp_path: Path) -> None:
    frames = [frame(tmp_path, f"images/{i:03}.png") for i in range(201)]
    image(tmp_path, "images/150.png", (6, 4))
    scene = opened(tmp_path, frames, fl_x=5)
    with pytest.raises(DataError, match=r"150\.png: image is 6x4"):
        scene.cameras[150].read_image()


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"frames": [1,]}', b"\xff\xfe", b"[" * 99999]
)
def test_json_that_does_not_parse(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "transforms.json").write_bytes(content)
    with pytest.raises(DataError, match=r"transforms\.json: (not valid JSON|a JSON object)"):
        open_scene(tmp_path)


def test_a_truncated_png_is_named_when_read(tmp_path: Path) -> None:
    scene = opened(tmp_path, [frame(tmp_path)], fl_x=5)
    file = tmp_path / "images" / "a.png"
    file.write_bytes(file.read_bytes()[:-30])
    with pytest.raises(DataError, match=r"a\.png: image is damaged or cut short"):
        scene.cameras[0].read_image()


def test_other_json_names_are_recognised_by_content(tmp_path: Path) -> None:
    opened(tmp_path, [frame(tmp_path)], fl_x=5)
    (tmp_path / "transforms.json").rename(tmp_path / "cameras.json")
    assert len(open_scene(tmp_path / "cameras.json").cameras) == 1
    (tmp_path / "other.json").write_text("{}")
    assert not nerfstudio.FORMAT.recognises(tmp_path / "other.json")


def test_what_is_written_is_read_back(photo_scene: Scene, tmp_path: Path) -> None:
    save_scene(photo_scene, tmp_path / "out", "nerfstudio")
    back = open_scene(tmp_path / "out")
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
    torch.testing.assert_close(points.colors, expected.colors)


def test_shared_values_stand_at_the_top_only(photo_scene: Scene, tmp_path: Path) -> None:
    save_scene(photo_scene, tmp_path / "out", "nerfstudio")
    document = json.loads((tmp_path / "out" / "transforms.json").read_text())
    assert document["camera_model"] == "OPENCV"
    assert (document["h"], document["fl_x"], document["k1"]) == (8, 10.0, 0.1)
    assert {"w", "cx"}.isdisjoint(document)
    assert [f["w"] for f in document["frames"]] == [12, 10, 12]
    assert "fl_x" not in document["frames"][0]


def test_masks_depth_and_splits_survive(photo_scene: Scene, tmp_path: Path) -> None:
    Image.fromarray(np.eye(8, 12, dtype=np.uint8)).convert("L").save(tmp_path / "mask.bmp")
    np.save(tmp_path / "depth.npy", np.linspace(0, 5, 96, dtype=np.float32).reshape(8, 12))
    first = photo_scene.frames[0]
    camera = replace(
        first.cameras[0], mask_path=tmp_path / "mask.bmp", depth_path=tmp_path / "depth.npy"
    )
    frames = (
        replace(first, cameras=(camera,), split="train"),
        replace(photo_scene.frames[1], split="test"),
        photo_scene.frames[2],
    )
    save_scene(replace(photo_scene, frames=frames), tmp_path / "out", "nerfstudio")
    back = open_scene(tmp_path / "out")
    assert [frame.split for frame in back.frames] == ["train", "test", None]
    torch.testing.assert_close(back.cameras[0].read_mask(), camera.read_mask())
    torch.testing.assert_close(back.cameras[0].read_depth(), camera.read_depth())
    document = json.loads((tmp_path / "out" / "transforms.json").read_text())
    assert document["val_filenames"] == document["test_filenames"] == ["images/1.png"]


def test_lenses_without_a_name_are_refused(photo_scene: Scene, tmp_path: Path) -> None:
    def with_lens(lens: Intrinsics) -> Scene:
        first = photo_scene.frames[0]
        camera = replace(first.cameras[0], intrinsics=lens)
        frames = (replace(first, cameras=(camera,)), *photo_scene.frames[1:])
        return replace(photo_scene, frames=frames)

    rational = Intrinsics(12, 8, 5.0, 5.0, 6.0, 4.0, "opencv", (0.0,) * 5 + (0.1,))
    with pytest.raises(DataError, match="rational"):
        save_scene(with_lens(rational), tmp_path / "out", "nerfstudio")
    fisheye = Intrinsics(12, 8, 5.0, 5.0, 6.0, 4.0, "fisheye")
    with pytest.raises(DataError, match="fisheye and other"):
        save_scene(with_lens(fisheye), tmp_path / "out", "nerfstudio")
    assert not (tmp_path / "out").exists()


def test_cameras_without_photos_are_refused(photo_scene: Scene, tmp_path: Path) -> None:
    camera = replace(photo_scene.cameras[0], image_path=None)
    frames = (replace(photo_scene.frames[0], cameras=(camera,)),)
    with pytest.raises(DataError, match="has no image"):
        save_scene(replace(photo_scene, frames=frames), tmp_path / "out", "nerfstudio")
    assert not (tmp_path / "out").exists()
    with pytest.raises(DataError, match="posed cameras expected"):
        save_scene(replace(photo_scene, frames=()), tmp_path / "out", "nerfstudio")


@pytest.mark.nerfstudio
@pytest.mark.filterwarnings("ignore")  # nerfstudio's and Open3D's own
def test_nerfstudio_reads_what_we_write(photo_scene: Scene, tmp_path: Path) -> None:
    parsers = pytest.importorskip("nerfstudio.data.dataparsers.nerfstudio_dataparser")
    save_scene(photo_scene, tmp_path / "out", "nerfstudio")
    config = parsers.NerfstudioDataParserConfig(
        data=tmp_path / "out",
        orientation_method="none",
        center_method="none",
        auto_scale_poses=False,
        eval_mode="all",
        load_3D_points=True,
    )
    outputs = config.setup().get_dataparser_outputs("train")
    flip = torch.tensor([1.0, -1.0, -1.0, 1.0])
    for number, camera in enumerate(photo_scene.cameras):
        theirs = outputs.cameras[number]
        expected = (camera.world_from_camera.float() * flip)[:3]
        torch.testing.assert_close(theirs.camera_to_worlds, expected)
        assert (theirs.width.item(), theirs.fx.item()) == (camera.intrinsics.width, 10.0)
        torch.testing.assert_close(
            theirs.distortion_params, torch.tensor([0.1, -0.02, 0, 0, 0.003, -0.004])
        )
    points = photo_scene.read_points()
    assert points is not None
    torch.testing.assert_close(outputs.metadata["points3D_xyz"], points.positions.float())
