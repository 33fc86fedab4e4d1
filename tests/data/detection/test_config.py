"""Configurations of detection data: what contradicts itself is refused in words."""

import subprocess
import sys

import pytest

from sparse3d.data.detection.config import AugmentConfig, DataConfig
from sparse3d.errors import ConfigError


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"classes": ()}, "at least one class"),
        ({"classes": ("Car", "Car")}, "Car twice"),
        ({"ignored": ("Van", "Car")}, "Car is in classes and in ignored"),
        ({"renamed": ("Sedan",)}, "theirs=ours"),
        ({"renamed": ("=Car",)}, "theirs=ours"),
        ({"renamed": ("Sedan=",)}, "theirs=ours"),
        ({"renamed": ("Sedan=car",)}, "car is neither in classes nor in ignored"),
        ({"renamed": ("Sedan=Car", "Sedan=Van")}, "Sedan twice"),
        ({"low": (0.0, 40.0, -3.0)}, "40.0 and 40.0 for y"),
        ({"high": (70.4, 40.0, float("nan"))}, "nan for z"),
        ({"high": (float("inf"), 40.0, 1.0)}, "inf for x"),
        ({"min_points": -1}, "min_points"),
        ({"intensity_scale": 0.0}, "intensity_scale must be positive, got 0.0"),
        ({"val_fraction": 1.0}, "val_fraction"),
        ({"val_fraction": -0.1}, "val_fraction"),
    ],
)
def test_data_config_refuses(values: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        DataConfig(**values)  # pyright: ignore[reportArgumentType] -- wrong on purpose


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"rotation": 181.0}, "rotation must be from 0 to 180"),
        ({"rotation": -1.0}, "rotation"),
        ({"scale": (0.0, 1.0)}, "scale must be positive"),
        ({"scale": (1.1, 0.9)}, "least first"),
        ({"translation": (0.0, -0.1, 0.0)}, "translation"),
        ({"drop_intensity": 1.5}, "drop_intensity must be from 0 to 1, got 1.5"),
        ({"drop_intensity": float("nan")}, "drop_intensity"),
    ],
)
def test_augment_config_refuses(values: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        AugmentConfig(**values)  # pyright: ignore[reportArgumentType] -- wrong on purpose


def test_renaming_onto_an_ignored_class_is_allowed() -> None:
    assert DataConfig(renamed=("Lorry=Truck", "Sedan=Car")).renamed


def test_configs_need_no_torch() -> None:
    code = "import sys, sparse3d.data.detection.config; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
