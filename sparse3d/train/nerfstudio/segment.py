"""``sparse-unet`` as nerfstudio sees it: labelled frames in, IoU out, and no cameras."""

# nerfstudio declares attributes by their base classes; each subclass holds its own kind.
# pyright: reportIncompatibleVariableOverride=false

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tyro.conf import Fixed

from sparse3d.segment.config import SegmentConfig
from sparse3d.segment.results import write_prediction
from sparse3d.segment.scores import SegmentScores
from sparse3d.segment.task import SegmentTask
from sparse3d.train.nerfstudio.frames import FrameDataManager, FrameDataManagerConfig
from sparse3d.train.nerfstudio.pipeline import (
    TaskPipeline,
    TaskPipelineConfig,
    numbers_of,
    one_line_errors,
)

__all__ = ["SegmentPipeline", "SegmentPipelineConfig"]


@dataclass
class SegmentPipelineConfig(TaskPipelineConfig):
    """``sparse-unet`` and its data."""

    _target: type = field(default_factory=lambda: SegmentPipeline)
    datamanager: Fixed[FrameDataManagerConfig] = field(default_factory=FrameDataManagerConfig)
    task: SegmentConfig = field(default_factory=SegmentConfig)
    """The recipe."""


class SegmentPipeline(TaskPipeline):
    """A segmentation task with its frames."""

    config: SegmentPipelineConfig
    datamanager: FrameDataManager
    task: SegmentTask

    def build_task(self) -> SegmentTask:
        """The task on the frames of the data manager."""
        config = self.config.task
        task = SegmentTask.from_scene(self.datamanager.open(), config, self.config.seed)
        self.datamanager.show(task.split.train, task.split.val, config.batch_size)
        return task

    def get_average_eval_image_metrics(
        self, step: int | None = None, output_path: Path | None = None, get_std: bool = False
    ) -> dict[str, Any]:
        """The figures of ``sparse3d eval``, every number under a name of its own.

        Args:
            step: Ignored.
            output_path: Folder for the labels of the validation frames.
            get_std: Ignored.
        """
        del step, get_std
        with one_line_errors():
            scores = self.task.evaluate()
            if output_path is not None:
                for frame in self.task.split.val:
                    write_prediction(output_path, frame, self.task.segmenter.segment(frame))
        return _numbers(scores)


def _numbers(scores: SegmentScores) -> dict[str, int | float]:
    """What is known, such as ``miou`` and ``iou_car``."""
    each = zip(scores.classes, scores.ious, strict=True)
    return numbers_of(scores) | {f"iou_{name}": iou for name, iou in each if iou is not None}
