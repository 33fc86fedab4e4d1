"""The ``second`` method as a Task."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch.optim import Optimizer

from sparse3d.data.detection.augment import augment
from sparse3d.data.detection.classes import ClassMap
from sparse3d.data.detection.config import View
from sparse3d.data.detection.crop import crop_to_range
from sparse3d.data.detection.load import load_sample, resolve_view
from sparse3d.data.detection.sample import Sample
from sparse3d.data.detection.split import labelled_frames, split_frames
from sparse3d.data.kept import Kept
from sparse3d.detect.config import SecondConfig
from sparse3d.detect.detector import Detector
from sparse3d.detect.losses import box_loss, direction_loss, heatmap_loss
from sparse3d.detect.results import DetectedFrame, write_results
from sparse3d.detect.scores.frames import frame_of_scene
from sparse3d.detect.scores.kitti import DetectionScores, evaluate_objects
from sparse3d.detect.targets import FrameTargets, frame_targets
from sparse3d.errors import DataError
from sparse3d.geometry.boxes import in_range
from sparse3d.nn.optimizer import one_cycle_group
from sparse3d.nn.training import (
    LossTerm,
    ParameterGroup,
    check_origin,
    drawn_row,
    step_generator,
)
from sparse3d.scene import Boxes3D, Frame, Scene
from sparse3d.scene.scene import Split

__all__ = ["DetectBatch", "DetectTask", "load_detector"]

_KEPT = 40_000_000
"""Points that stay in memory, 16 bytes each; 2,000 frames of KITTI as its camera sees them."""
_SHOWN = 50
"""Frames of the exported scene; one of KITTI takes about 2 MB."""


@dataclass(frozen=True, slots=True)
class DetectBatch:
    """Training samples of one step."""

    samples: tuple[Sample, ...]

    @property
    def name(self) -> str:
        """The frames, for messages."""
        return "frames " + ", ".join(sample.name for sample in self.samples)


class DetectTask:
    """3D object detection on point clouds; implements ``Task``.

    Args:
        scene: Frames with points and boxes.
        config: The recipe.
        seed: Seed of all random numbers.

    Raises:
        DataError: If no frame is labelled, or training frames are and none has an object of a
            wanted class within the range.
    """

    method = "second"

    def __init__(self, scene: Scene, config: SecondConfig, seed: int) -> None:
        self.config = config
        self.split = split_frames(scene, config.dataset)
        self.labelled = labelled_frames(scene)
        self.view: View = resolve_view(scene, config.dataset)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.detector = Detector(config)
        self._source = scene.source or scene.name
        self._seed = seed
        self._samples = Kept(_KEPT, self._load, lambda sample: len(sample.points))
        self._found: tuple[DetectedFrame, ...] | None = None

    @classmethod
    def from_scene(
        cls, scene: Scene, config: SecondConfig, seed: int = 0, cache: Path | None = None
    ) -> "DetectTask":
        """As the constructor.

        Args:
            scene: Frames with points and boxes.
            config: The recipe.
            seed: Seed of all random numbers.
            cache: Not needed: nothing is slow to compute anew.
        """
        del cache
        return cls(scene, config, seed)

    @property
    def iterations(self) -> int:
        """Number of steps of a full training."""
        return self.config.iterations

    def parameter_groups(self) -> list[ParameterGroup]:
        """The network, in one."""
        config = self.config
        return [one_cycle_group(self.detector.network, config.rates, config.iterations)]

    def batch(self, step: int, rank: int = 0, world_size: int = 1) -> DetectBatch:
        """The next frames, randomly changed; every frame comes once before any comes again.

        Raises:
            DataError: If there is no training frame, or one cannot be read.
        """
        if not self.split.train:
            problem = "training frames expected, but all frames with boxes are named val or test"
            raise DataError(self._source, problem)
        size = self.config.batch_size
        draws = range((step * world_size + rank) * size, (step * world_size + rank + 1) * size)
        return DetectBatch(tuple(self._draw(draw) for draw in draws))

    def losses(self, batch: DetectBatch, step: int) -> list[LossTerm]:
        """Focal loss of the heatmaps; boxes and directions at and beside the centres."""
        del step
        self.detector.network.train()
        maps = self.detector.maps([sample.points for sample in batch.samples])
        targets = [self._targets(sample) for sample in batch.samples]
        heat = heatmap_loss(
            maps.heat,
            torch.stack([t.heat for t in targets]),
            torch.stack([t.known for t in targets]),
        )
        padded = [torch.nn.functional.pad(t.cells, (1, 0), value=i) for i, t in enumerate(targets)]
        cells, marks = torch.cat(padded), torch.cat([t.weights for t in targets])
        boxes = box_loss(maps.boxes, cells, torch.cat([t.boxes for t in targets]), marks)
        forward = torch.cat([t.forward for t in targets])
        directions = direction_loss(maps.directions, cells, forward, marks)
        weights = self.config.loss
        return [
            LossTerm("heatmap", weights.heatmap * heat),
            LossTerm("box", weights.box * boxes),
            LossTerm("direction", weights.direction * directions),
        ]

    def after_step(self, step: int, optimizers: Mapping[str, Optimizer]) -> None:
        """What was detected before is no longer true."""
        del step, optimizers
        self._found = None

    def evaluate(self, on_progress: Callable[[int, int], None] | None = None) -> DetectionScores:
        """Average precision on the validation frames."""
        self._found = self._detect(self.split.val, on_progress)
        return self._score(self._found, self.split.note)

    def evaluate_split(
        self, split: Split, on_progress: Callable[[int, int], None] | None = None
    ) -> DetectionScores:
        """Average precision on the labelled frames that the data set itself names so.

        Raises:
            DataError: If there are none.
        """
        frames = tuple(frame for frame in self.labelled if frame.split == split)
        if not frames:
            raise DataError(self._source, f"labelled frames named {split} expected, there are none")
        return self._score(self._detect(frames, on_progress), None)

    def _detect(
        self, frames: Sequence[Frame], on_progress: Callable[[int, int], None] | None
    ) -> tuple[DetectedFrame, ...]:
        found = []
        for frame in frames:
            found.append(DetectedFrame(frame, self.detector.detect(frame, self.view)))
            if on_progress is not None:
                on_progress(len(found), len(frames))
        return tuple(found)

    def _score(self, found: Sequence[DetectedFrame], note: str | None) -> DetectionScores:
        data = self.config.dataset
        frames = [frame_of_scene(one.frame, one.boxes, self._truth(one.frame)) for one in found]
        scores = evaluate_objects(frames, data.classes, ignored=data.ignored)
        notes = [text for text in (note, scores.note) if text is not None]
        return replace(scores, note="; ".join(notes) or None)

    def _truth(self, frame: Frame) -> Boxes3D | None:
        """Annotations under our names; where no image limits them, those within the range."""
        boxes, config = frame.read_boxes(), self.config.dataset
        if boxes is None:
            return None
        renamed = ClassMap.of(config).rename(boxes)
        if renamed.image is not None:
            return renamed
        return renamed.select(in_range(renamed.centers, config.low, config.high))

    def state_dict(self) -> dict[str, Any]:
        """Weights and running statistics."""
        network = self.detector.state_dict()
        return {"method": self.method, "setting": self.detector.setting(), "network": network}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over weights and running statistics.

        Raises:
            ConfigError: If they are those of another method or configuration.
        """
        load_detector(self.detector, state)

    def export(self, folder: Path) -> None:
        """Write what is found in the validation frames, replacing an earlier export.

        Args:
            folder: Gets ``detections/`` (KITTI result files of the frames with cameras) and
                ``scene/`` (up to 50 frames, spread evenly, with points and detections).
        """
        found = self._found or self._detect(self.split.val, None)
        write_results(folder, "validation", found, shown=_SHOWN)

    def describe(self) -> str:
        """One line on what is trained on, and what of it is looked at."""
        train, val = len(self.split.train), len(self.split.val)
        seen = "what the main camera sees" if self.view == "camera" else "all around"
        note = "" if self.split.note is None else f"; {self.split.note}"
        return f"{train} training and {val} validation frames, {seen}{note}"

    def _draw(self, draw: int) -> Sample:
        sample = self._samples[drawn_row(draw, len(self.split.train), self._seed)]
        changed = augment(sample, self.config.augment, step_generator(self._seed, draw, stream=2))
        return crop_to_range(changed, self.config.dataset)

    def _load(self, number: int) -> Sample:
        return load_sample(self.split.train[number], self.config.dataset, self.view)

    def _targets(self, sample: Sample) -> FrameTargets:
        config = self.config
        return frame_targets(
            sample.boxes.rows(),
            self.detector.labels(sample.boxes.names),
            sample.ignored.rows(),
            self.detector.grid,
            len(config.dataset.classes),
            config.loss.min_overlap,
            config.loss.min_radius,
        )


def load_detector(detector: Detector, state: Mapping[str, Any]) -> None:
    """Take over the weights in the state of a task; its data is not needed.

    Raises:
        ConfigError: If they are those of another method or configuration.
    """
    check_origin(state, DetectTask.method, detector.setting())
    detector.load_state_dict(state["network"])
