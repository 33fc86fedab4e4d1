"""``sparse-unet`` under nerfstudio: losses of our own loop, numbers, predicted labels."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("nerfstudio.configs.method_configs", reason="needs sparse3d[nerfstudio]")

from nerfstudio.configs.method_configs import all_methods

from sparse3d.data.segmentation.config import DataConfig
from sparse3d.scene.formats.registry import open_scene
from sparse3d.segment.config import NetworkConfig, SegmentConfig
from sparse3d.segment.task import SegmentTask
from sparse3d.train.loop import train_task

pytestmark = pytest.mark.nerfstudio

_TINY = SegmentConfig(
    iterations=3,
    dataset=DataConfig(low=(-8.0, -8.0, -2.0), high=(8.0, 8.0, 2.0)),
    network=NetworkConfig(
        voxel_size=(0.5, 0.5, 0.5), voxel_channels=4, channels=(4, 8), layers=(1, 1)
    ),
)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two training frames, and one to be judged by."""
    for number, sequence in enumerate(("00", "01", "08")):
        folder = tmp_path / "data/sequences" / sequence
        for kind in ("velodyne", "labels"):
            (folder / kind).mkdir(parents=True)
        generator = np.random.default_rng(number)
        rows = generator.uniform([-7, -7, -1.5, 0], [7, 7, 1.5, 1], (150, 4)).astype("<f4")
        rows.tofile(folder / "velodyne/000000.bin")
        np.where(rows[:, 2] < 0, 40, 70).astype("<u4").tofile(folder / "labels/000000.label")
    return tmp_path / "data"


@pytest.fixture
def trainer(data: Path, tmp_path: Path) -> Any:
    base: Any = all_methods["sparse-unet"]
    assert base.method_name == "sparse-unet"
    datamanager = dataclasses.replace(base.pipeline.datamanager, data=data)
    pipeline = dataclasses.replace(base.pipeline, task=_TINY, datamanager=datamanager)
    names = {"timestamp": "run", "experiment_name": "street", "output_dir": tmp_path}
    config = dataclasses.replace(base, pipeline=pipeline, max_num_iterations=3, **names)
    trainer = config.setup()
    trainer.setup()
    return trainer


def test_it_trains_as_our_own_loop_does(trainer: Any, data: Path, tmp_path: Path) -> None:
    assert len(trainer.pipeline.datamanager.train_dataset) == 2
    assert len(trainer.pipeline.datamanager.eval_dataset) == 1
    trainer.train()
    own = SegmentTask.from_scene(open_scene(data), _TINY)
    train_task(own)
    ours, theirs = own.state_dict()["network"], trainer.pipeline.task.state_dict()["network"]
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    numbers = trainer.pipeline.get_average_eval_image_metrics(output_path=tmp_path / "found")
    scores = own.evaluate()
    assert numbers["miou"] == scores.miou
    assert numbers["iou_road"] == scores.ious[8]
    assert numbers["frames"] == 1
    labels = np.fromfile(tmp_path / "found/sequences/08/predictions/000000.label", "<u4")
    assert len(labels) == 150
