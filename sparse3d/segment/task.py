"""The ``sparse-unet`` method as a Task."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.optim import Optimizer

from sparse3d.data.kept import Kept
from sparse3d.data.segmentation.augment import augment
from sparse3d.data.segmentation.classes import IGNORED
from sparse3d.data.segmentation.load import load_sample, load_sweep
from sparse3d.data.segmentation.sample import Sample
from sparse3d.data.segmentation.split import count_classes, labelled_frames, split_frames
from sparse3d.errors import DataError
from sparse3d.nn.optimizer import one_cycle_group
from sparse3d.nn.training import (
    LossTerm,
    ParameterGroup,
    check_origin,
    drawn_row,
    step_generator,
)
from sparse3d.scene import Frame, Scene
from sparse3d.scene.scene import Split
from sparse3d.segment.config import SegmentConfig
from sparse3d.segment.losses import balance_weights, lovasz_softmax, point_cross_entropy
from sparse3d.segment.scores import Confusion, SegmentScores
from sparse3d.segment.segmenter import Segmenter

__all__ = ["SegmentBatch", "SegmentTask", "load_segmenter"]

_KEPT = 40_000_000
"""Points that stay in memory, 24 bytes each; 330 frames of SemanticKITTI."""


@dataclass(frozen=True, slots=True)
class SegmentBatch:
    """Training samples of one step."""

    samples: tuple[Sample, ...]

    @property
    def name(self) -> str:
        """The frames, for messages."""
        return "frames " + ", ".join(sample.name for sample in self.samples)


class SegmentTask:
    """Semantic segmentation of point clouds; implements ``Task``.

    Args:
        scene: Frames with labelled points.
        config: The recipe.
        seed: Seed of all random numbers.

    Raises:
        DataError: If no frame is labelled.
    """

    method = "sparse-unet"

    def __init__(self, scene: Scene, config: SegmentConfig, seed: int) -> None:
        self.config = config
        self.split = split_frames(scene, config.dataset)
        self.labelled = labelled_frames(scene)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.segmenter = Segmenter(config)
        self._source = scene.source or scene.name
        self._seed = seed
        self._samples = Kept(_KEPT, self._load, lambda sample: len(sample.points))

    @classmethod
    def from_scene(
        cls, scene: Scene, config: SegmentConfig, seed: int = 0, cache: Path | None = None
    ) -> "SegmentTask":
        """As the constructor.

        Args:
            scene: Frames with labelled points.
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
        return [one_cycle_group(self.segmenter.network, config.rates, config.iterations)]

    def batch(self, step: int, rank: int = 0, world_size: int = 1) -> SegmentBatch:
        """The next frames, randomly changed; every frame comes once before any comes again.

        Raises:
            DataError: If there is no training frame, or one cannot be read.
        """
        if not self.split.train:
            problem = "training frames expected, but all labelled frames are named val or test"
            raise DataError(self._source, problem)
        size = self.config.batch_size
        draws = range((step * world_size + rank) * size, (step * world_size + rank + 1) * size)
        return SegmentBatch(tuple(self._draw(draw) for draw in draws))

    def losses(self, batch: SegmentBatch, step: int) -> list[LossTerm]:
        """Cross entropy and Lovasz-softmax over the points that count."""
        del step
        self.segmenter.network.train()
        said = self.segmenter.logits([sample.points for sample in batch.samples])
        numbers = torch.cat([sample.numbers for sample in batch.samples])[said.points]
        counting = numbers != IGNORED
        logits, classes = said.logits[said.voxels[counting]], numbers[counting] - 1
        weights = self.config.loss
        entropy = point_cross_entropy(logits, classes, self._class_weights)
        lovasz = lovasz_softmax(logits, classes)
        return [
            LossTerm("cross_entropy", weights.cross_entropy * entropy),
            LossTerm("lovasz", weights.lovasz * lovasz),
        ]

    def after_step(self, step: int, optimizers: Mapping[str, Optimizer]) -> None:
        """Nothing."""
        del step, optimizers

    def evaluate(self, on_progress: Callable[[int, int], None] | None = None) -> SegmentScores:
        """IoU on the validation frames."""
        return self._score(self.split.val, self.split.note, on_progress)

    def evaluate_split(
        self, split: Split, on_progress: Callable[[int, int], None] | None = None
    ) -> SegmentScores:
        """IoU on the labelled frames that the data set itself names so.

        Raises:
            DataError: If there are none.
        """
        frames = tuple(frame for frame in self.labelled if frame.split == split)
        if not frames:
            raise DataError(self._source, f"labelled frames named {split} expected, there are none")
        return self._score(frames, None, on_progress)

    def state_dict(self) -> dict[str, Any]:
        """Weights and running statistics."""
        network = self.segmenter.state_dict()
        return {"method": self.method, "setting": self.segmenter.setting(), "network": network}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over weights and running statistics.

        Raises:
            ConfigError: If they are those of another method or configuration.
        """
        load_segmenter(self.segmenter, state)

    def describe(self) -> str:
        """One line on what is trained on."""
        train, val = len(self.split.train), len(self.split.val)
        note = "" if self.split.note is None else f"; {self.split.note}"
        return f"{train} training and {val} validation frames{note}"

    @cached_property
    def _class_weights(self) -> Float[Tensor, " c"] | None:
        if self.config.loss.class_weights == "none":
            return None
        counts = count_classes(self.split.train, self.config.dataset)
        return balance_weights(counts[1:])

    def _score(
        self,
        frames: Sequence[Frame],
        note: str | None,
        on_progress: Callable[[int, int], None] | None,
    ) -> SegmentScores:
        classes = self.segmenter.classes.names
        confusion = Confusion(len(classes))
        for done, frame in enumerate(frames, 1):
            sweep = load_sweep(frame, self.config.dataset)
            assert sweep.numbers is not None  # only labelled frames are judged
            confusion.add(self.segmenter.numbers(sweep), sweep.numbers)
            if on_progress is not None:
                on_progress(done, len(frames))
        return SegmentScores.of(classes, confusion, len(frames), note)

    def _draw(self, draw: int) -> Sample:
        sample = self._samples[drawn_row(draw, len(self.split.train), self._seed)]
        return augment(sample, self.config.augment, step_generator(self._seed, draw, stream=2))

    def _load(self, number: int) -> Sample:
        return load_sample(self.split.train[number], self.config.dataset)


def load_segmenter(segmenter: Segmenter, state: Mapping[str, Any]) -> None:
    """Take over the weights in the state of a task; its data is not needed.

    Raises:
        ConfigError: If they are those of another method or configuration.
    """
    check_origin(state, SegmentTask.method, segmenter.setting())
    segmenter.load_state_dict(state["network"])
