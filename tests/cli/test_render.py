"""``sparse3d render``: the pictures that the rasteriser draws, one a camera, or nothing at all."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sparse3d.cli.main import main
from sparse3d.geometry.intrinsics import Intrinsics
from sparse3d.geometry.undistort import undistorted_pinhole
from sparse3d.scene import SH_C0, Camera, Frame, Gaussians, Scene

PINHOLE = Intrinsics(32, 24, 30.0, 30.0, 16.0, 12.0)
WIDE = Intrinsics(32, 24, 30.0, 30.0, 16.0, 12.0, "opencv", (0.1, 0.01))


def red_ball(distance: float) -> Gaussians:
    return Gaussians(
        torch.tensor([[0.0, 0.0, distance]]),
        torch.tensor([[1.0, 0.0, 0.0, 0.0]]),
        torch.full((1, 3), -0.5),
        torch.tensor([8.0]),
        torch.tensor([[[1.0, 0.0, 0.0]]]).sub(0.5).div(SH_C0),
    )


@pytest.fixture
def on_disk(monkeypatch: pytest.MonkeyPatch):
    """Lets ``render`` find scenes under made-up paths."""

    def put(**scenes: Scene) -> None:
        monkeypatch.setattr("sparse3d.cli.render.open_scene", lambda path: scenes[str(path)])

    return put


def seen_by(*lenses: Intrinsics) -> Scene:
    pose = torch.eye(4, dtype=torch.float64)
    cameras = tuple(Camera(f"photos/{i}.jpg", lens, pose) for i, lens in enumerate(lenses))
    return Scene("cameras", frames=(Frame("0", cameras),))


def render(out: Path, *words: str) -> int:
    return main(["render", "splat", "--cameras", "cameras", "--out", str(out), *words])


def test_colour_and_depth_of_every_camera_are_written(on_disk, tmp_path: Path) -> None:
    on_disk(splat=Scene("s", gaussians=red_ball(4.0)), cameras=seen_by(PINHOLE, WIDE))
    assert render(tmp_path / "out", "--background", "0", "0", "1") == 0
    image = np.asarray(Image.open(tmp_path / "out" / "images" / "photos_0.png"))
    assert image.shape == (24, 32, 3)
    assert image[12, 16].tolist() == pytest.approx([255, 0, 0], abs=8)  # not quite opaque there
    assert image[0, 0].tolist() == [0, 0, 255]
    depth = np.load(tmp_path / "out" / "depth" / "photos_0.npy")
    assert depth[12, 16] == pytest.approx(4.0)


def test_a_distorted_camera_is_drawn_as_its_pinhole(on_disk, tmp_path: Path) -> None:
    on_disk(splat=Scene("s", gaussians=red_ball(4.0)), cameras=seen_by(WIDE))
    assert render(tmp_path / "out") == 0
    pinhole = undistorted_pinhole(WIDE)
    with Image.open(tmp_path / "out" / "images" / "photos_0.png") as image:
        assert image.size == (pinhole.width, pinhole.height)


def test_a_file_without_gaussians_is_refused(
    on_disk, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    on_disk(splat=Scene("s"), cameras=seen_by(PINHOLE))
    assert render(tmp_path / "out") == 2
    assert "Gaussians expected" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_scene_without_cameras_is_refused(
    on_disk, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    on_disk(splat=Scene("s", gaussians=red_ball(4.0)), cameras=seen_by())
    assert render(tmp_path / "out") == 2
    assert "cameras expected" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def many(n: int) -> Gaussians:
    rng = torch.Generator().manual_seed(0)
    return Gaussians(
        torch.randn(n, 3, generator=rng) + torch.tensor([0.0, 0.0, 6.0]),
        torch.randn(n, 4, generator=rng),
        torch.rand(n, 3, generator=rng) - 3,
        torch.randn(n, generator=rng),
        torch.randn(n, 1, 3, generator=rng),
    )


def images_of(out: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted(out.glob("*/*"))]


def test_a_budget_draws_fewer_the_same_each_time(
    on_disk, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    on_disk(splat=Scene("s", gaussians=many(500)), cameras=seen_by(PINHOLE, PINHOLE))
    for name, count in (("whole", None), ("all", 500), ("some", 90), ("again", 90)):
        words = () if count is None else ("--budget", str(count))
        assert render(tmp_path / name, *words) == 0
        drawn = re.findall(r"(\d+) Gaussians", capsys.readouterr().err)
        assert all((count or 500) - 8 < int(each) <= (count or 500) for each in drawn)
        assert len(drawn) == 2
    assert images_of(tmp_path / "all") == images_of(tmp_path / "whole")
    assert images_of(tmp_path / "some") == images_of(tmp_path / "again")
    assert images_of(tmp_path / "some") != images_of(tmp_path / "whole")


def test_a_long_time_is_enough_for_all(on_disk, tmp_path: Path) -> None:
    on_disk(splat=Scene("s", gaussians=many(500)), cameras=seen_by(PINHOLE))
    assert render(tmp_path / "whole") == 0
    assert render(tmp_path / "slow", "--milliseconds", "1e6") == 0
    assert images_of(tmp_path / "slow") == images_of(tmp_path / "whole")


def test_a_short_time_draws_the_fewest(
    on_disk, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    on_disk(splat=Scene("s", gaussians=many(1500)), cameras=seen_by(PINHOLE, PINHOLE))
    assert render(tmp_path / "out", "--milliseconds", "1e-3") == 0
    drawn = re.findall(r"(\d+) Gaussians", capsys.readouterr().err)
    assert all(990 < int(each) <= 1000 for each in drawn)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--budget", "0"), "--budget must be at least 1, got 0"),
        (("--milliseconds", "0"), "--milliseconds must be above 0, got 0.0"),
        (("--milliseconds", "nan"), "--milliseconds must be above 0, got nan"),
        (("--budget", "9", "--milliseconds", "9"), "not both"),
    ],
)
def test_budgets_that_cannot_be_are_refused(
    on_disk,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    complaint: str,
) -> None:
    on_disk(splat=Scene("s", gaussians=many(5)), cameras=seen_by(PINHOLE))
    assert render(tmp_path / "out", *words) == 2
    assert complaint in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
