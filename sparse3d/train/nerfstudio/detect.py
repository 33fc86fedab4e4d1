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
from sparse3d.train.nerfstudio.frames import FrameDataManager, FrameDataManagerConfig
from sparse3d.train.nerfstudio.pipeline import TaskPipeline, TaskPipelineConfig, one_line_errors

__all__ = ["DetectPipeline", "DetectPipelineConfig"]


@dataclass
class DetectPipelineConfig(TaskPipelineConfig):
    """``second`` and its data."""

    _target: type = field(default_factory=lambda: DetectPipeline)
    datamanager: Fixed[FrameDataManagerConfig] = field(default_factory=FrameDataManagerConfig)
    task: SecondConfig = field(default_factory=SecondConfig)
    """The recipe."""


class DetectPipeline(TaskPipeline):
    """A detection task with its frames."""

    config: DetectPipelineConfig
    datamanager: FrameDataManager
    task: DetectTask

    def build_task(self) -> DetectTask:
        """The task on the frames of the data manager."""
        config = self.config.task
        task = DetectTask.from_scene(self.datamanager.open(), config, self.config.seed)
        self.datamanager.show(task.split.train, task.split.val, config.batch_size)
        return task

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
