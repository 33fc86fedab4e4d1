"""``sparse3d view`` from its words to a picture, or one line of what is wrong."""

import errno
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

from sparse3d.cli.main import main
from sparse3d.scene import PointCloud
from sparse3d.scene.formats.ply import write_points


@pytest.fixture
def cloud(tmp_path: Path) -> Path:
    rng = torch.Generator().manual_seed(0)
    path = tmp_path / "cloud.ply"
    write_points(path, PointCloud(torch.rand(300, 3, generator=rng)))
    return path


@pytest.mark.parametrize("name", ["out.png", "new/out.JPG"])
def test_a_picture_is_written(cloud: Path, name: str, capfd: pytest.CaptureFixture[str]) -> None:
    target = cloud.parent / name
    words = ["view", str(cloud), "--snapshot", str(target), "--width", "200", "--height", "100"]
    assert main(words) == 0
    with Image.open(target) as image:
        assert image.size == (200, 100)
        assert image.format == ("PNG" if name.endswith("png") else "JPEG")
    assert capfd.readouterr() == (f"200x100: {target}\n", "")
    assert [path.name for path in target.parent.glob(".*")] == []


@pytest.mark.parametrize(("renderer", "noted"), [("own", False), ("auto", True)])
def test_without_open3d_a_picture_is_drawn_all_the_same(
    cloud: Path,
    renderer: str,
    noted: bool,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "open3d", None)  # as if it were not installed
    target = cloud.parent / "out.png"
    words = ["view", str(cloud), "--snapshot", str(target), "--renderer", renderer]
    assert main([*words, "--width", "90", "--height", "60"]) == 0
    with Image.open(target) as image:
        assert len(image.getcolors(90 * 60) or []) > 100
    error = capsys.readouterr().err
    assert error.count("\n") == noted
    assert ("note: drawn by sparse3d itself" in error) == noted


def test_open3d_by_name_must_be_installed(
    cloud: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "open3d", None)
    target = cloud.parent / "out.png"
    assert main(["view", str(cloud), "--snapshot", str(target), "--renderer", "open3d"]) == 2
    assert "needs Open3D" in capsys.readouterr().err
    assert not target.exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--snapshot", "out.gif"], "must end in .png or .jpg"),
        (["--snapshot", "out.png", "--width", "0"], "--width must be 1 to 8192 pixels, got 0"),
        (["--snapshot", "out.png", "--height", "9999"], "--height must be 1 to 8192"),
        (["--snapshot", "out.png", "--camera", "front"], "no camera is named 'front'"),
        (["--snapshot", "out.png", "--frame", "7"], "no frame is named '7'"),
        (["--snapshot", "out.png", "--hide", "points"], "has nothing that can be drawn"),
        (["--snapshot", "out.png", "--background", "0", "nan", "2"], "--background must be"),
    ],
)
def test_mistakes_end_in_one_line_and_write_nothing(
    cloud: Path,
    words: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(cloud.parent)
    assert main(["view", str(cloud), *words]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert [path.name for path in cloud.parent.iterdir()] == ["cloud.ply"]


def test_a_scene_must_be_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["view", "--snapshot", "out.png"]) == 2
    assert "name a scene" in capsys.readouterr().err


def test_a_missing_scene_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["view", str(tmp_path / "none"), "--snapshot", "out.png"]) == 2
    assert f"{tmp_path / 'none'}: no such file or folder" in capsys.readouterr().err


def test_a_full_disk_leaves_nothing(
    cloud: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def half(path: Path, image: object) -> None:
        path.write_text("half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("sparse3d.cli.view.snapshot", lambda *_: torch.zeros(2, 3, 3))
    monkeypatch.setattr("sparse3d.cli.view.write_rgb", half)
    assert main(["view", str(cloud), "--snapshot", str(cloud.parent / "out.png")]) == 2
    assert "out.png: no space left on the output disk" in capsys.readouterr().err
    assert [path.name for path in cloud.parent.iterdir()] == ["cloud.ply"]
