"""The shipped recipes load and make networks."""

import pytest

from sparse3d.segment.config import SegmentConfig
from sparse3d.segment.segmenter import Segmenter
from sparse3d.train.config import config_folder, load_config
from sparse3d.train.methods import find_method

RECIPES = sorted(path.name for path in (config_folder() / "segment").glob("*.yaml"))


def test_the_recipes_are_found() -> None:
    expected = ["sparse-unet-base.yaml", "sparse-unet-demo.yaml", "sparse-unet.yaml"]
    assert expected == RECIPES


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_makes_a_network(name: str) -> None:
    config = load_config(config_folder() / "segment" / name, SegmentConfig())
    network = Segmenter(config).network
    assert network.head.out_features == 19
    assert network.unet.outputs == config.network.channels[0]


def test_the_method_is_found() -> None:
    method = find_method("sparse-unet")
    assert isinstance(method.default_config(), SegmentConfig)
