"""Recognition by content, and outputs that are whole or not there."""

import errno
import shutil
from pathlib import Path
from typing import Any

import pytest

from sparse3d.errors import ConfigError, DataError
from sparse3d.scene import Scene
from sparse3d.scene.formats import photos
from sparse3d.scene.formats.registry import FORMATS, open_scene, recognise, save_scene

EXPECTED = {
    "fox": "nerfstudio",
    "dtu_scan24_384": "nerfstudio",
    "nerf_synthetic_lego": "blender",
    "llff_fern": "colmap",
    "kitti_mini": "kitti",
    "semantic_kitti_mini": "semantic-kitti",
    "semantic_kitti_mini/sequences": "semantic-kitti",
    "semantic_kitti_mini/sequences/01": "semantic-kitti",
    "meshes/bunny.obj": "obj",
    "meshes/bunny_scan.pts": "pts",
    "meshes/room_fragment.pcd": "pcd",
    "splats/guitar.ply": "gaussian-ply",
    "splats/inria_9k_sh3.ply": "gaussian-ply",
    "splats/guitar.compressed.ply": "compressed-ply",
    "kitti_mini/training/velodyne/000000.bin": "bin",
}


@pytest.mark.parametrize(("path", "name"), EXPECTED.items())
def test_real_data_are_recognised_by_one_format(shared_data: Path, path: str, name: str) -> None:
    assert [form.name for form in FORMATS if form.recognises(shared_data / path)] == [name]
    assert recognise(shared_data / path).name == name


def test_names_are_unique() -> None:
    names = [form.name for form in FORMATS]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("content", [b"", b"hello\n", b"\x00" * 5, b"{}", b"ply", b"\xff\xd8\xff"])
def test_what_no_format_knows_is_refused_with_the_list(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "something.xyz"
    path.write_bytes(content)
    expected = r"something\.xyz: not recognised as any of .*colmap, .*ply, "
    with pytest.raises(DataError, match=expected) as e:
        open_scene(path)
    assert "\n" not in str(e.value)


def test_empty_folders_and_missing_paths(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not recognised"):
        open_scene(tmp_path)
    with pytest.raises(DataError, match="gone: no such file or folder"):
        open_scene(tmp_path / "gone")


def test_a_file_that_may_not_be_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.xyz").write_text("secret")
    monkeypatch.setattr("sparse3d.scene.formats.registry.os.access", lambda *_: False)
    with pytest.raises(DataError, match=r"a\.xyz: cannot be read \(Permission denied\)"):
        open_scene(tmp_path / "a.xyz")


def test_formats_that_cannot_be_written(photo_scene: Scene, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no format is named 'colmop'; writable are .*colmap"):
        save_scene(photo_scene, tmp_path / "out", "colmop")
    with pytest.raises(ConfigError, match="blender can only be read"):
        save_scene(photo_scene, tmp_path / "out", "blender")


@pytest.mark.parametrize("name", ["nerfstudio", "colmap", "colmap-text"])
def test_a_full_disk_leaves_nothing_behind(
    photo_scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    copy, copied = shutil.copyfile, []

    def refuse(*_: Any) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    def copy_until_full(source: Path, target: Path) -> None:
        if len(copied) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        copied.append(copy(source, target))

    monkeypatch.setattr(photos.os, "link", refuse)
    monkeypatch.setattr(photos.shutil, "copyfile", copy_until_full)
    with pytest.raises(DataError, match="out: no space left on the output disk"):
        save_scene(photo_scene, tmp_path / "out", name)
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


@pytest.mark.parametrize("name", ["nerfstudio", "colmap"])
def test_a_folder_with_contents_is_not_overwritten(
    photo_scene: Scene, tmp_path: Path, name: str
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").touch()
    with pytest.raises(DataError, match="must be new or empty"):
        save_scene(photo_scene, tmp_path / "out", name)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine"]


def test_photos_are_copied_where_they_cannot_be_linked(
    photo_scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(photos.os, "link", refuse)
    save_scene(photo_scene, tmp_path / "out", "colmap")
    copy = tmp_path / "out" / "images" / "0.png"
    original = photo_scene.cameras[0].image_path
    assert original is not None
    assert copy.read_bytes() == original.read_bytes()
    assert not copy.samefile(original)
