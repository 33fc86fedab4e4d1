"""``sparse3d export``: the splat of a run in the formats of other programs."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from sparse3d.cli.main import main
from sparse3d.scene import Gaussians, Scene
from sparse3d.scene.formats.registry import open_scene, save_scene


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run folder with a splat of 300 Gaussians."""
    rng = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> Tensor:
        return torch.randn(300, *shape, generator=rng)

    splat = Gaussians(draw(3), draw(4), draw(3), draw(), draw(4, 3) / 5)
    (tmp_path / "run").mkdir()
    save_scene(Scene("run", gaussians=splat), tmp_path / "run" / "splat.ply", "gaussian-ply")
    return tmp_path / "run"


def test_plain_ply_holds_the_same_numbers(run: Path, tmp_path: Path) -> None:
    assert main(["export", str(run), "--out", str(tmp_path / "out.ply")]) == 0
    before = open_scene(run / "splat.ply").read_gaussians()
    after = open_scene(tmp_path / "out.ply").read_gaussians()
    assert before is not None
    assert after is not None
    assert torch.equal(after.means, before.means)
    assert torch.equal(after.sh, before.sh)


def test_compressed_ply_is_recognised_and_smaller(run: Path) -> None:
    assert main(["export", str(run), "--to", "compressed-ply"]) == 0
    written = run.parent / "run.compressed.ply"
    assert open_scene(written).format == "compressed-ply"
    assert written.stat().st_size < (run / "splat.ply").stat().st_size / 2


def test_a_folder_without_a_splat_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", str(tmp_path)]) == 2
    assert "splat.ply was expected" in capsys.readouterr().err
