"""Classes of the default configuration, and configurations that contradict themselves."""

from typing import Any

import pytest

from sparse3d.data.segmentation.config import AugmentConfig, DataConfig, parse_class
from sparse3d.errors import ConfigError


def test_the_default_covers_the_34_ids_of_semantic_kitti() -> None:
    config = DataConfig()
    ids = [number for text in config.classes for number in parse_class(text)[1]]
    known = [0, 1, 10, 11, 13, 15, 16, 18, 20, 30, 31, 32, 40, 44, 48, 49, 50, 51, 52, 60, 70, 71]
    known += [72, 80, 81, 99, *range(252, 260)]
    assert sorted([*ids, *config.ignored]) == known
    assert len(config.classes) == 19


@pytest.mark.parametrize("text", ["road", "=4", "road=", "road=4,", "road=-1", "road=x", "road=²"])
def test_classes_that_do_not_parse(text: str) -> None:
    with pytest.raises(ConfigError, match=r"classes take name=id,id,..., such as road=40,60, got"):
        DataConfig(classes=(text,))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"classes": ()}, "at least one class"),
        ({"ignored": ()}, "at least one id"),
        ({"classes": ("a=1", "b=2", "a=3"), "ignored": (0,)}, "names a twice"),
        ({"classes": ("a=1", "b=2,1"), "ignored": (0,)}, "id 1 is in a and in b"),
        ({"classes": ("a=10", "b=1")}, "id 1 is in ignored and in b"),
        ({"classes": ("a=65536",)}, "ids must be from 0 to 65535, got 65536"),
        ({"ignored": (0, -1)}, "ids must be from 0 to 65535, got -1"),
        ({"low": (0.0, 0.0, 5.0)}, "low must be below high, got 5.0 and 4.0 for z"),
        ({"low": (0.0, float("nan"), 0.0)}, "low must be below high"),
        ({"intensity_scale": 0.0}, "intensity_scale must be positive"),
        ({"val_fraction": 1.0}, "val_fraction must be from 0 to less than 1"),
    ],
)
def test_impossible_data(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        DataConfig(**change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rotation": 181.0}, "rotation must be from 0 to 180"),
        ({"scale": (1.0, 0.9)}, "least first"),
        ({"translation": (0.0, -1.0, 0.0)}, "translation and jitter must be at least 0"),
        ({"jitter": -0.1}, "translation and jitter must be at least 0"),
        ({"drop_intensity": 1.1}, "drop_intensity must be from 0 to 1"),
    ],
)
def test_impossible_augmentation(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        AugmentConfig(**change)
