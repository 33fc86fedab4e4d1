"""``sparse3d reconstruct`` from photos to files, and what it says of mistakes."""

import json
from pathlib import Path

import pytest
import torch

from sparse3d.cli.main import main as sparse3d
from sparse3d.geometry.intrinsics import Intrinsics
from sparse3d.geometry.transforms import look_at
from sparse3d.ops.backend import has_native
from sparse3d.scene import Camera, Frame, Scene
from sparse3d.scene.formats.registry import open_scene, save_scene
from sparse3d.scene.images import write_rgb

LENS = Intrinsics(32, 24, 30.0, 30.0, 16.0, 12.0)
UP = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)
QUICK = ("--iterations", "12", "--init.min-points", "60", "--densify.start", "5")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine photos of noise in nerfstudio's layout."""
    folder = tmp_path_factory.mktemp("photos")
    rng = torch.Generator().manual_seed(0)
    frames = []
    for i in range(9):
        path = folder / f"{i}.png"
        write_rgb(path, torch.rand(24, 32, 3, generator=rng))
        pose = look_at(torch.tensor([-3.0, 0.1 * i, 0.0]).double(), torch.zeros(3).double(), UP)
        frames.append(Frame(path.name, (Camera(path.name, LENS, pose, image_path=path),)))
    save_scene(Scene("noise", tuple(frames)), folder / "scene", "nerfstudio")
    return folder / "scene"


def test_photos_become_a_splat_with_metrics_and_pictures(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    words = ["reconstruct", str(photos), "--views", "3", "--out", str(out), *QUICK]
    assert sparse3d([*words, "--json", str(tmp_path / "m.json")]) == 0
    metrics = json.loads((out / "metrics.json").read_text())
    wanted = "psnr ssim lpips seconds iterations gaussians train_views test_views per_view"
    assert set(wanted.split()) <= set(metrics)
    assert metrics["iterations"] == 12
    assert len(metrics["train_views"]) == 3
    assert len(metrics["per_view"]) == len(metrics["test_views"]) == 2
    assert json.loads((tmp_path / "m.json").read_text()) == metrics
    splat = open_scene(out / "splat.ply").read_gaussians()
    assert splat is not None
    assert len(splat) == metrics["gaussians"]
    assert len(list((out / "renders").iterdir())) == 2
    assert len(list((out / "depth").iterdir())) == 2


def test_the_time_of_an_iteration_is_told_in_parts(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sparse3d(["reconstruct", str(photos), "--out", str(tmp_path / "run"), *QUICK]) == 0
    metrics = json.loads((tmp_path / "run/metrics.json").read_text())
    stages = "project sort " if has_native() else ""
    names = f"data {stages}forward loss backward optimizer after_step".split()
    assert list(metrics["step_seconds"]) == names
    assert all(seconds > 0 for seconds in metrics["step_seconds"].values())
    told = capsys.readouterr().out.splitlines()[0]
    assert all(f" {name} " in told.partition("ms/iteration:")[2] for name in names)


def test_same_command_same_splat(photos: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        words = ["reconstruct", str(photos), "--views", "1", "4", "--out", str(tmp_path / name)]
        assert sparse3d([*words, *QUICK]) == 0
    assert (tmp_path / "a/splat.ply").read_bytes() == (tmp_path / "b/splat.ply").read_bytes()


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--downscale-to", "big"), "504x378"),
        (("--views", "8"), "8 training views asked for"),
        (("--views", "3", "99"), "different numbers from 0 to 8"),
        (("--protocol", "dtu", "--views", "3"), "not in the scene"),
    ],
)
def test_mistakes_end_in_one_line_and_leave_nothing(
    photos: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    complaint: str,
) -> None:
    out = tmp_path / "run"
    assert sparse3d(["reconstruct", str(photos), "--out", str(out), *words]) == 2
    error = capsys.readouterr().err.splitlines()
    assert complaint in error[-1]
    assert not out.exists()


def test_a_scene_without_photos_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.pts").write_text("2\n0 0 0\n1 2 3\n")
    words = ["reconstruct", str(tmp_path / "a.pts"), "--out", str(tmp_path / "run")]
    assert sparse3d(words) == 2
    assert "a.pts: posed cameras expected" in capsys.readouterr().err


def test_a_run_is_resumed_by_the_same_words_only(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    words = ["reconstruct", str(photos), "--out", str(out), *QUICK]
    assert sparse3d([*words, "--views", "3"]) == 0
    splat = (out / "splat.ply").read_bytes()
    (out / "splat.ply").unlink()
    assert sparse3d([*words, "--views", "3"]) == 2
    assert "--resume continues" in capsys.readouterr().err
    assert sparse3d([*words, "--views", "3", "--resume"]) == 0
    assert (out / "splat.ply").read_bytes() == splat
    assert sparse3d([*words, "--views", "2", "--resume"]) == 2
    assert "was started with" in capsys.readouterr().err
