"""``second`` as nerfstudio sees it: frames in, average precision out, and no cameras."""

# nerfstudio declares attributes by their base classes; each subclass holds its own kind.
# pyright: reportIncompatibleVariableOverride=false

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tyro.conf import Fixed

from sparse3d.detect.config import SecondConfig
from sparse3d.detect.scores.result import DetectionScores
from sparse3d.detect.task import DetectTask
from sparse3d.errors import ConfigError
from sparse3d.scene import Frame
from sparse3d.scene.formats.registry import open_scene
from sparse3d.train.nerfstudio.pipeline import (
    TaskDataManager,
    TaskDataManagerConfig,
    TaskPipeline,
    TaskPipelineConfig,
    one_line_errors,
)

__all__ = [
    "DetectDataManager",
    "DetectDataManagerConfig",
    "DetectPipeline",
    "DetectPipelineConfig",
]


@dataclass
class DetectDataManagerConfig(TaskDataManagerConfig):
    """Where the frames are; how they are used says the task's configuration."""

    _target: type = field(default_factory=lambda: DetectDataManager)


class DetectDataManager(TaskDataManager):
    """Opens the scene, makes the task, and shows its frames to nerfstudio."""

    train_dataset: tuple[Frame, ...] = ()
    eval_dataset: tuple[Frame, ...] = ()

    def make_task(self, config: SecondConfig, seed: int) -> DetectTask:
        """The task on the data."""
        task = DetectTask.from_scene(open_scene(self.get_datapath()), config, seed)
        self.train_dataset, self.eval_dataset = task.split.train, task.split.val
        self._batch_size = config.batch_size
        return task

    def get_train_rays_per_batch(self) -> int:
        """Unit of nerfstudio's speed display: frames of a step."""
        return self._batch_size

    def get_eval_rays_per_batch(self) -> int:
        """Unit of nerfstudio's speed display: a frame."""
        return 1

    @property
    def includes_time(self) -> bool:
        """What nerfstudio's viewers ask for first; there is nothing for them to show."""
        with one_line_errors():
            raise ConfigError(
                "nerfstudio's viewer draws images from cameras and cannot show a detector;"
                " train with --vis tensorboard, look at detections with sparse3d view"
            )


@dataclass
class DetectPipelineConfig(TaskPipelineConfig):
    """``second`` and its data."""

    _target: type = field(default_factory=lambda: DetectPipeline)
    datamanager: Fixed[DetectDataManagerConfig] = field(default_factory=DetectDataManagerConfig)
    task: SecondConfig = field(default_factory=SecondConfig)
    """The recipe."""


class DetectPipeline(TaskPipeline):
    """A detection task with its frames."""

    config: DetectPipelineConfig
    datamanager: DetectDataManager
    task: DetectTask

    def build_task(self) -> DetectTask:
        """The task that the data manager makes."""
        return self.datamanager.make_task(self.config.task, self.config.seed)

    def get_average_eval_image_metrics(
        self, step: int | None = None, output_path: Path | None = None, get_std: bool = False
    ) -> dict[str, Any]:
        """The average precision of ``sparse3d eval``, every number under a name of its own.

        Args:
            step: Ignored.
            output_path: Folder for the detections, as KITTI result files and as a scene.
            get_std: Ignored.
        """
        del step, get_std
        with one_line_errors():
            scores = self.task.evaluate()
            if output_path is not None:
                self.task.export(output_path)
        return _numbers(scores)


def _numbers(scores: DetectionScores) -> dict[str, int | float]:
    """What is known, such as ``car_detection_3d_AP_all_point_moderate``."""
    found: dict[str, int | float | None] = {"frames": scores.frames}
    for one in scores.metrics:
        for difficulty, level in zip(scores.difficulties, one.levels, strict=True):
            columns = {
                "AP_R11": level.ap_r11,
                "AP_R40": level.ap_r40,
                "AP_all_point": level.all_point,
                "recall_at_one_false_alarm_a_frame": level.recall,
                "counted": level.counted,
            }
            found |= {f"{one.key}_{name}_{difficulty}": n for name, n in columns.items()}
    return {name: number for name, number in found.items() if number is not None}
