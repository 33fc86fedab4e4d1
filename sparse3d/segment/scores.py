"""Intersection over union of classes, as SemanticKITTI's development kit counts it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Int, Int64
from torch import Tensor

from sparse3d.data.segmentation.classes import IGNORED

__all__ = ["Confusion", "SegmentScores"]


class Confusion:
    """How often what was predicted as what; rows are predictions, columns the truth.

    Args:
        classes: Number of classes without the ignored one, which has number 0.
    """

    def __init__(self, classes: int) -> None:
        self.counts = torch.zeros(classes + 1, classes + 1, dtype=torch.int64)

    def add(self, predicted: Int[Tensor, " n"], truth: Int[Tensor, " m"]) -> None:
        """Count the points of a sweep.

        Raises:
            ValueError: If there are not equally many, or a number is out of range.
        """
        if len(predicted) != len(truth):
            raise ValueError(f"{len(predicted)} predictions for {len(truth)} points")
        size = len(self.counts)
        for numbers in (predicted, truth):
            if len(numbers) and not 0 <= int(numbers.min()) <= int(numbers.max()) < size:
                raise ValueError(f"class numbers from 0 to {size - 1} expected")
        pairs = predicted.long() * size + truth.long()
        self.counts += torch.bincount(pairs, minlength=size * size).reshape(size, size)


@dataclass(frozen=True, slots=True)
class SegmentScores:
    """What an evaluation found."""

    classes: tuple[str, ...]
    """Names."""
    intersections: Int64[Tensor, " c"]
    """Points of each class that were found to be so."""
    unions: Int64[Tensor, " c"]
    """Points that are or were said to be of each class."""
    truths: Int64[Tensor, " c"]
    """Points of each class."""
    named: int
    """Points that count and were said to be of some class."""
    frames: int
    """Number of frames."""
    note: str | None = None
    """One line on what was judged."""

    @classmethod
    def of(
        cls, classes: Sequence[str], confusion: Confusion, frames: int, note: str | None
    ) -> "SegmentScores":
        """The scores; points whose truth is ignored are left out, whatever was predicted.

        A point that counts and was predicted as ignored is missing from its class, and is no
        false alarm of any (``np_ioueval.py`` of the semantic-kitti-api).
        """
        counts = confusion.counts.clone()
        counts[:, IGNORED] = 0
        hits, said, truths = counts.diagonal()[1:], counts.sum(1)[1:], counts.sum(0)[1:]
        unions = said + truths - hits
        return cls(tuple(classes), hits, unions, truths, int(said.sum()), frames, note)

    @property
    def ious(self) -> tuple[float | None, ...]:
        """Of each class, 0 to 1; None where it neither occurs nor was predicted."""
        pairs = zip(self.intersections.tolist(), self.unions.tolist(), strict=True)
        return tuple(hits / union if union else None for hits, union in pairs)

    @property
    def miou(self) -> float | None:
        """Mean over the classes that occur in the truth; None without any."""
        occurring = zip(self.ious, self.truths.tolist(), strict=True)
        ious = [iou for iou, truth in occurring if iou is not None and truth]
        return sum(ious) / len(ious) if ious else None

    @property
    def miou_all(self) -> float:
        """Mean over all classes, those that do not occur counted as 0: the benchmark's figure."""
        return sum(iou or 0.0 for iou in self.ious) / len(self.classes)

    @property
    def accuracy(self) -> float | None:
        """Share of the points that count and were named which were named rightly."""
        return int(self.intersections.sum()) / self.named if self.named else None

    def to_json(self) -> dict[str, Any]:
        """Plain data; shares from 0 to 1."""
        return {
            "miou": self.miou,
            "miou_all_classes": self.miou_all,
            "accuracy": self.accuracy,
            "iou": dict(zip(self.classes, self.ious, strict=True)),
            "points_per_class": dict(zip(self.classes, self.truths.tolist(), strict=True)),
            "points": int(self.truths.sum()),
            "classes_present": int((self.truths > 0).sum()),
            "frames": self.frames,
            "note": self.note,
        }

    def headline(self) -> str:
        """One line for people."""
        present = [i for i, truth in enumerate(self.truths.tolist()) if truth]
        each = ", ".join(f"{self.classes[i]} {_percent(self.ious[i])}" for i in present)
        note = "" if self.note is None else f"; {self.note}"
        return (
            f"mIoU {_percent(self.miou)} % over the {len(present)} classes that occur ({each}),"
            f" accuracy {_percent(self.accuracy)} % on {self.frames} frames{note}"
        )


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f}"
