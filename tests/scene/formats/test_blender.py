"""Blender synthetic scenes."""

import json
import math
from pathlib import Path

import pytest
from PIL import Image

from sparse3d.errors import DataError
from sparse3d.scene.formats.registry import open_scene

EYE = [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 4], [0, 0, 0, 1]]


def part(folder: Path, split: str, names: list[str], **values: object) -> None:
    for name in names:
        path = folder / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGBA", (10, 6), (10, 20, 30, 0)).save(path)
    frames = [{"file_path": f"./{name}", "transform_matrix": EYE} for name in names]
    document = {"camera_angle_x": math.pi / 2, "frames": frames} | values
    (folder / f"transforms_{split}.json").write_text(json.dumps(document))


def test_lego(shared_data: Path) -> None:
    scene = open_scene(shared_data / "nerf_synthetic_lego")
    splits = [frame.split for frame in scene.frames]
    assert (scene.format, splits.count("train"), splits.count("test")) == ("blender", 77, 23)
    camera = scene.cameras[0]
    assert camera.name == "train/r_0.png"
    assert camera.intrinsics.fx == pytest.approx(200 / math.tan(0.6911112070083618 / 2))
    mask = camera.read_mask()
    assert mask is not None
    assert 0.05 < mask.float().mean() < 0.6
    assert camera.read_image((1.0, 1.0, 1.0))[0, 0].tolist() == [1, 1, 1]


def test_splits_in_the_order_train_val_test(tmp_path: Path) -> None:
    part(tmp_path, "test", ["test/r_0"])
    part(tmp_path, "train", ["train/r_10", "train/r_2"])
    part(tmp_path, "val", ["val/r_0"])
    scene = open_scene(tmp_path)
    names = [(frame.name, frame.split) for frame in scene.frames]
    assert names == [
        ("train/r_10.png", "train"),
        ("train/r_2.png", "train"),
        ("val/r_0.png", "val"),
        ("test/r_0.png", "test"),
    ]
    lens = scene.cameras[0].intrinsics
    assert (lens.width, lens.height, lens.cx, lens.cy) == (10, 6, 5, 3)
    assert lens.fx == lens.fy == pytest.approx(5)
    only = open_scene(tmp_path / "transforms_val.json")
    assert [frame.split for frame in only.frames] == ["val"]


def test_bad_angle_missing_image_and_no_frames(tmp_path: Path) -> None:
    part(tmp_path, "train", ["train/a"], camera_angle_x=0)
    with pytest.raises(DataError, match=r"transforms_train\.json: camera_angle_x must be"):
        open_scene(tmp_path)
    part(tmp_path, "train", ["train/a"])
    (tmp_path / "train" / "a.png").unlink()
    with pytest.raises(DataError, match=r"train/a: file expected"):
        open_scene(tmp_path)
    part(tmp_path, "train", [])
    with pytest.raises(DataError, match="frames with poses expected"):
        open_scene(tmp_path)


def test_images_of_two_sizes(tmp_path: Path) -> None:
    part(tmp_path, "train", ["train/a", "train/b"])
    Image.new("RGBA", (5, 3)).save(tmp_path / "train" / "b.png")
    with pytest.raises(DataError, match=r"b\.png: image is 5x3"):
        open_scene(tmp_path)
