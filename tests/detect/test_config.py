"""The shipped recipes load and fit together."""

import pytest

from sparse3d.detect.config import SecondConfig
from sparse3d.detect.detector import Detector
from sparse3d.train.config import config_folder, load_config

RECIPES = sorted(path.name for path in (config_folder() / "detect").glob("*.yaml"))


def test_the_recipes_are_found() -> None:
    assert {"second.yaml", "second-demo.yaml", "second-base.yaml"} <= set(RECIPES)


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_makes_a_network_whose_cells_cover_the_range(name: str) -> None:
    config = load_config(config_folder() / "detect" / name, SecondConfig())
    grid = Detector(config).grid
    for axis in range(2):
        reach = grid.low[axis] + grid.shape[axis] * grid.size[axis]
        assert grid.low[axis] == config.dataset.low[axis]
        assert reach >= config.dataset.high[axis] - 1e-6
