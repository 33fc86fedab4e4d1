"""``sparse3d-data`` agrees with nerfstudio's own parser where both can read a scene."""

import json
from pathlib import Path

import pytest
import torch

pytest.importorskip("nerfstudio.configs.method_configs", reason="needs sparse3d[nerfstudio]")

from nerfstudio.configs.dataparser_configs import all_dataparsers
from nerfstudio.data.dataparsers.nerfstudio_dataparser import NerfstudioDataParserConfig
from nerfstudio.data.datasets.base_dataset import InputDataset

from sparse3d.errors import ConfigError, DataError
from sparse3d.train.nerfstudio.dataparser import Sparse3DDataParserConfig

pytestmark = pytest.mark.nerfstudio


def test_it_is_registered() -> None:
    assert isinstance(all_dataparsers["sparse3d-data"], Sparse3DDataParserConfig)


def test_cameras_and_images_equal_those_of_nerfstudios_parser(scene_folder: Path) -> None:
    config = NerfstudioDataParserConfig(
        data=scene_folder,
        orientation_method="none",
        center_method="none",
        auto_scale_poses=False,
        eval_mode="interval",
        load_3D_points=False,
    )
    ours = Sparse3DDataParserConfig(data=scene_folder, auto_scale_poses=False)
    for split in ("train", "val"):
        theirs = config.setup().get_dataparser_outputs(split)
        mine = ours.setup().get_dataparser_outputs(split)
        assert [p.name for p in mine.image_filenames] == [p.name for p in theirs.image_filenames]
        for name in ("camera_to_worlds", "fx", "fy", "cx", "cy", "width", "height"):
            a, b = getattr(mine.cameras, name), getattr(theirs.cameras, name)
            torch.testing.assert_close(a, b, atol=1e-6, rtol=0)
        pixels = InputDataset(mine)[0]["image"]
        assert torch.equal(pixels, InputDataset(theirs)[0]["image"])


def test_scaled_poses_fill_the_box_and_can_be_undone(scene_folder: Path) -> None:
    scaled = Sparse3DDataParserConfig(data=scene_folder).setup().get_dataparser_outputs("train")
    plain = Sparse3DDataParserConfig(data=scene_folder, auto_scale_poses=False).setup()
    assert scaled.cameras.camera_to_worlds[..., 3].abs().max() <= 1
    back = scaled.transform_poses_to_original_space(scaled.cameras.camera_to_worlds, "opengl")
    wanted = plain.get_dataparser_outputs("train").cameras.camera_to_worlds
    torch.testing.assert_close(back, wanted, atol=1e-6, rtol=0)


def test_points_become_seeds(scene_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "images").symlink_to(scene_folder / "images")
    document = json.loads((scene_folder / "transforms.json").read_text())
    rows = ["0 0 1 255 0 51", "1 2 3 0 255 102"]
    header = ["ply", "format ascii 1.0", "element vertex 2"]
    header += [f"property float {axis}" for axis in "xyz"]
    header += [f"property uchar {color}" for color in ("red", "green", "blue")]
    (tmp_path / "points.ply").write_text("\n".join([*header, "end_header", *rows]) + "\n")
    (tmp_path / "transforms.json").write_text(
        json.dumps(document | {"ply_file_path": "points.ply"})
    )
    parser = Sparse3DDataParserConfig(data=tmp_path, auto_scale_poses=False).setup()
    seeds = parser.get_dataparser_outputs("train").metadata
    assert seeds["points3D_xyz"].tolist() == [[0, 0, 1], [1, 2, 3]]
    assert seeds["points3D_rgb"].tolist() == [[255, 0, 51], [0, 255, 102]]


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=str(tmp_path)):
        Sparse3DDataParserConfig(data=tmp_path).setup().get_dataparser_outputs("train")


def test_a_split_without_views_is_an_error(scene_folder: Path) -> None:
    parser = Sparse3DDataParserConfig(data=scene_folder, eval_interval=1).setup()
    with pytest.raises(ConfigError, match="no train view"):
        parser.get_dataparser_outputs("train")
