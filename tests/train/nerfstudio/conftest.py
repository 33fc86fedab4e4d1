"""A tiny scene, and training runs of it in this process."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch

from sparse3d.geometry.conventions import opengl_from_opencv
from sparse3d.geometry.intrinsics import Intrinsics
from sparse3d.geometry.transforms import look_at, transform_points
from sparse3d.scene.images import write_rgb

if TYPE_CHECKING:
    from sparse3d.train.nerfstudio.trainer import TaskTrainer, TaskTrainerConfig

_WARNINGS_OF_NERFSTUDIO = (
    "ignore:`torch.cuda.amp.GradScaler:FutureWarning",
    "ignore:Using a non-tuple sequence for multidimensional indexing:UserWarning",
    "ignore:To copy construct from a tensor:UserWarning",
    "ignore:unclosed file .*images:ResourceWarning",
)

LENS = Intrinsics(40, 28, 36.0, 35.0, 20.5, 13.5)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of the adapter run through nerfstudio's own code, whose warnings are not ours."""
    for item in items:
        if item.get_closest_marker("nerfstudio") is not None:
            for ignored in _WARNINGS_OF_NERFSTUDIO:
                item.add_marker(pytest.mark.filterwarnings(ignored))


@pytest.fixture(scope="session")
def scene_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine small photos of a patterned floor, as ``transforms.json``."""
    folder = tmp_path_factory.mktemp("floor")
    (folder / "images").mkdir()
    frames = []
    for i in range(9):
        angle = 0.25 * i - 1
        position = torch.tensor([2 * math.sin(angle), -2 * math.cos(angle), 1.5 + 0.05 * i])
        up = torch.tensor([0.0, 0.0, 1.0])
        pose = look_at(position.double(), torch.zeros(3).double(), up.double())
        name = f"images/{i:02d}.png"
        write_rgb(folder / name, _floor(pose))
        matrix = opengl_from_opencv(pose).tolist()
        frames.append({"file_path": name, "transform_matrix": matrix})
    shared = {"w": LENS.width, "h": LENS.height, "fl_x": LENS.fx, "fl_y": LENS.fy}
    shared |= {"cx": LENS.cx, "cy": LENS.cy, "camera_model": "PINHOLE", "frames": frames}
    (folder / "transforms.json").write_text(json.dumps(shared))
    return folder


def _floor(pose: torch.Tensor) -> torch.Tensor:
    """What a camera sees of the plane z = 0 with a smooth pattern."""
    points = transform_points(pose, LENS.unproject(LENS.pixel_grid()))
    rays = points - pose[:3, 3]
    hit = pose[:3, 3] - rays * (pose[2, 3] / rays[..., 2:])
    x, y = hit[..., 0], hit[..., 1]
    waves = [torch.sin(5 * x + 1), torch.cos(4 * y), torch.sin(3 * x - 6 * y)]
    return (torch.stack(waves, dim=-1) / 2 + 0.5).float()


@pytest.fixture
def configured(scene_folder: Path, tmp_path: Path) -> Callable[..., "TaskTrainerConfig"]:
    """Makes configurations of short runs on the tiny scene."""
    import dataclasses

    from sparse3d.splat.config import DensifyConfig, InitConfig
    from sparse3d.train.nerfstudio.methods import sparse_splat

    def make(steps: int = 8, **changes: Any) -> "TaskTrainerConfig":
        base: Any = sparse_splat.config
        task = dataclasses.replace(
            base.pipeline.task,
            views=(4,),
            init=InitConfig(max_features=64, min_points=60),
            densify=DensifyConfig(start=2, every=3, gradient=1e-6, prune_opacity=0.05),
        )
        datamanager = dataclasses.replace(base.pipeline.datamanager, data=scene_folder)
        pipeline = dataclasses.replace(base.pipeline, task=task, datamanager=datamanager)
        changes = {"vis": "tensorboard", "timestamp": "run"} | changes
        return dataclasses.replace(
            base, pipeline=pipeline, output_dir=tmp_path, max_num_iterations=steps, **changes
        )

    return make


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], "TaskTrainer"]:
    """Sets a run up as ``ns-train`` does; leaves nerfstudio's global writers as they were."""
    from nerfstudio.utils import profiler, writer

    monkeypatch.setattr(writer, "EVENT_WRITERS", [])
    monkeypatch.setattr(writer, "EVENT_STORAGE", [])
    monkeypatch.setattr(writer, "GLOBAL_BUFFER", {})
    monkeypatch.setattr(profiler, "PROFILER", [])

    def set_up(config: "TaskTrainerConfig") -> "TaskTrainer":
        config.save_config()
        trainer = config.setup(local_rank=0, world_size=1)
        trainer.setup()
        return trainer

    return set_up
