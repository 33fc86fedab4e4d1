"""Values of the recipe that cannot be meant."""

from pathlib import Path

import pytest

from sparse3d.cli.main import main
from sparse3d.errors import ConfigError
from sparse3d.splat.config import DensifyConfig, InitConfig, SplatConfig
from sparse3d.train.config import load_config


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("iterations: -1", "iterations must be at least 0, got -1"),
        ("sh_degree: 4", "sh_degree must be from 0 to 3, got 4"),
        ("sh_every: 0", "sh_every must be at least 1, got 0"),
        ("ssim_weight: 1.5", "ssim_weight must be from 0 to 1, got 1.5"),
        ("opacity_decay: 0.0", "opacity_decay must be from 0.001 to 1, got 0.0"),
        ("init: {max_features: 0}", "init.max_features must be at least 1, got 0"),
        ("init: {min_angle: -1}", "init.min_angle must be from 0 to 180, got -1.0"),
        ("init: {opacity: 1}", "init.opacity must be from 0.001 to 0.999, got 1.0"),
        ("rates: {means: .inf}", "rates.means must be at least 0, got inf"),
        ("rates: {quaternions: -1e-3}", "rates.quaternions must be at least 0, got -0.001"),
        ("densify: {every: 0}", "densify.every must be at least 1, got 0"),
        ("densify: {prune_scale: -1}", "densify.prune_scale must be at least 0, got -1.0"),
        ("densify: {mcmc: {noise: -1}}", "densify.mcmc.noise must be at least 0, got -1.0"),
        ("densify: {stop_fraction: 2}", "densify.stop_fraction must be from 0 to 1, got 2.0"),
    ],
)
def test_impossible_values_are_named_with_the_file(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_config(tmp_path / "c.yaml", SplatConfig())
    assert str(caught.value) == f"{tmp_path / 'c.yaml'}: {message}"


def test_impossible_words_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reconstruct", str(tmp_path), "--rates.means", "nan"]) == 2
    assert capsys.readouterr().err == ("sparse3d: error: rates.means must be at least 0, got nan\n")


def test_bounds_themselves_are_allowed() -> None:
    SplatConfig(iterations=0, sh_degree=3, ssim_weight=1.0, opacity_decay=1.0)
    SplatConfig(densify=DensifyConfig(stop_fraction=0.0, max_gaussians=0))
    SplatConfig(init=InitConfig(min_points=1, opacity=0.999))
