"""The toy tasks for all tests of training."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from sparse3d.scene import Scene
from sparse3d.train.methods import Method

TOY = Path(__file__).with_name("toy.py")


@pytest.fixture(scope="session")
def toy() -> ModuleType:
    """The module ``toy.py`` beside this file."""
    if "toy_tasks" in sys.modules:
        return sys.modules["toy_tasks"]
    specification = importlib.util.spec_from_file_location("toy_tasks", TOY)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules["toy_tasks"] = module
    specification.loader.exec_module(module)
    return module


@pytest.fixture
def toy_method(toy: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Method:
    """The only method there is, ``toy``, on data that is never looked at."""

    def build(scene: Scene, config: Any, seed: int, cache: Path | None) -> Any:
        del scene, cache
        return toy.Toy(config, seed)

    configs = tmp_path / "configs"
    configs.mkdir()
    (configs / "toy.yaml").write_text("iterations: 10\n")
    method = Method("toy", "a toy", "toy.yaml", lambda: toy.ToyConfig, lambda: build)
    monkeypatch.setattr("sparse3d.train.methods.METHODS", (method,))
    monkeypatch.setattr("sparse3d.train.methods.config_folder", lambda: configs)
    monkeypatch.setattr("sparse3d.train.run.open_scene", lambda path: Scene(path.name))
    return method
