"""``sparse3d convert``: what goes in comes out, and mistakes leave nothing behind."""

from pathlib import Path

import pytest
import torch

from sparse3d.cli.main import main
from sparse3d.scene.formats.registry import open_scene


def test_cameras_survive_the_way_through_colmap_and_back(
    shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fox, colmap, back = shared_data / "fox", tmp_path / "colmap", tmp_path / "back"
    assert main(["convert", str(fox), str(colmap), "--to", "colmap"]) == 0
    assert main(["convert", str(colmap), str(back), "--to", "nerfstudio"]) == 0
    assert "(colmap)" in capsys.readouterr().out
    for before, after in zip(open_scene(fox).cameras, open_scene(back).cameras, strict=True):
        torch.testing.assert_close(
            after.world_from_camera, before.world_from_camera, rtol=0, atol=1e-9
        )
        assert after.intrinsics.distortion == pytest.approx(before.intrinsics.distortion, abs=1e-9)


def test_unknown_format_is_refused_before_anything_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["convert", str(tmp_path / "nowhere"), str(tmp_path / "out"), "--to", "jpeg"]) == 2
    shown = capsys.readouterr().err
    assert "'jpeg'" in shown
    assert "colmap" in shown
    assert not (tmp_path / "out").exists()


def test_a_full_folder_is_not_written_into(
    shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.txt").write_text("precious")
    assert main(["convert", str(shared_data / "fox"), str(tmp_path), "--to", "colmap"]) == 2
    assert "new or empty" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
