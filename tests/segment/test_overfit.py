"""Three labelled sweeps of SemanticKITTI, learned by heart."""

from pathlib import Path

import pytest

from sparse3d.scene.formats.registry import open_scene
from sparse3d.segment.config import SegmentConfig
from sparse3d.segment.task import SegmentTask
from sparse3d.train.config import config_folder, load_config
from sparse3d.train.loop import train_task


@pytest.mark.slow
def test_the_demo_recipe_overfits_real_sweeps(shared_data: Path) -> None:
    recipe = config_folder() / "segment" / "sparse-unet-demo.yaml"
    config = load_config(recipe, SegmentConfig())
    task = SegmentTask.from_scene(open_scene(shared_data / "semantic_kitti_mini"), config)
    train_task(task)
    scores = task.evaluate()
    present = {n for n, t in zip(scores.classes, scores.truths.tolist(), strict=True) if t}
    assert present == {"car", "road", "fence", "vegetation", "terrain", "pole", "traffic-sign"}
    assert scores.miou is not None
    assert scores.miou >= 0.9
