"""IoU against a loop over points, the arithmetic of the development kit, and torchmetrics."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchmetrics.classification import MulticlassJaccardIndex

from sparse3d.segment.scores import Confusion, SegmentScores

NAMES = ("a", "b", "c", "d")


def scored(predicted: torch.Tensor, truth: torch.Tensor) -> SegmentScores:
    confusion = Confusion(len(NAMES))
    for part in torch.arange(len(truth)).split(7):  # as several frames would
        confusion.add(predicted[part], truth[part])
    return SegmentScores.of(NAMES, confusion, 1, None)


def by_the_devkit(predicted: np.ndarray, truth: np.ndarray) -> tuple[float, list[float], float]:
    """Mean and single IoU and accuracy, worked out as the kit's ``np_ioueval.py`` defines them."""
    matrix = np.zeros((5, 5))
    for p, t in zip(predicted, truth, strict=True):
        matrix[p, t] += t != 0
    ious, hits, named = [], 0.0, 0.0
    for k in range(1, 5):
        union = matrix[k].sum() + matrix[:, k].sum() - matrix[k, k]
        ious.append(matrix[k, k] / (union + 1e-15))
        hits, named = hits + matrix[k, k], named + matrix[k].sum()
    return sum(ious) / 4, ious, hits / (named + 1e-15)


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=60))
def test_figures_of_the_development_kit(pairs: list[tuple[int, int]]) -> None:
    rows = torch.tensor(pairs, dtype=torch.int64).reshape(-1, 2)
    scores = scored(rows[:, 0], rows[:, 1])
    mean, ious, accuracy = by_the_devkit(rows[:, 0].numpy(), rows[:, 1].numpy())
    assert scores.miou_all == pytest.approx(mean)
    assert [iou or 0.0 for iou in scores.ious] == pytest.approx(ious)
    assert (scores.accuracy or 0.0) == pytest.approx(accuracy)


def test_figures_of_torchmetrics() -> None:
    generator = torch.Generator().manual_seed(3)
    truth = torch.randint(5, (500,), generator=generator)
    predicted = torch.where(
        torch.rand(500, generator=generator) < 0.6,
        truth.clamp_min(1),
        torch.randint(1, 5, (500,), generator=generator),
    )
    judge = MulticlassJaccardIndex(5, average="none", ignore_index=0)
    expected = judge(predicted, truth)[1:]
    scores = scored(predicted, truth)
    assert list(scores.ious) == pytest.approx(expected.tolist(), abs=1e-6)
    assert scores.miou == pytest.approx(expected.mean().item(), abs=1e-6)
    assert scores.miou == scores.miou_all


def test_unlabelled_points_count_nowhere_and_unnamed_ones_are_missed() -> None:
    predicted = torch.tensor([1, 2, 0, 1, 1])
    truth = torch.tensor([0, 0, 1, 1, 2])
    scores = scored(predicted, truth)
    assert scores.ious == (1 / 3, 0.0, None, None)
    assert scores.miou == pytest.approx(1 / 6)
    assert scores.miou_all == pytest.approx(1 / 12)
    assert scores.accuracy == pytest.approx(1 / 2)
    assert scores.to_json()["points"] == 3
    assert scores.to_json()["classes_present"] == 2


def test_a_class_that_is_only_predicted_does_not_enter_the_mean() -> None:
    scores = scored(torch.tensor([1, 3]), torch.tensor([1, 1]))
    assert scores.ious == (0.5, None, 0.0, None)
    assert scores.miou == 0.5


def test_nothing_to_judge() -> None:
    scores = scored(torch.tensor([1, 0]), torch.tensor([0, 0]))
    assert scores.miou is None
    assert scores.accuracy is None
    assert "mIoU - % over the 0 classes" in scores.headline()


def test_a_line_for_people() -> None:
    headline = scored(torch.tensor([1, 1, 2]), torch.tensor([1, 2, 2])).headline()
    assert headline.startswith("mIoU 50.0 % over the 2 classes that occur (a 50.0, b 50.0), ")
    assert headline.endswith("accuracy 66.7 % on 1 frames")


@pytest.mark.parametrize(
    ("predicted", "truth", "message"),
    [
        ([1, 2], [1], "2 predictions for 1 points"),
        ([5], [1], "class numbers from 0 to 4 expected"),
        ([1], [-1], "class numbers from 0 to 4 expected"),
    ],
)
def test_wrong_numbers_are_refused(predicted: list[int], truth: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Confusion(4).add(torch.tensor(predicted), torch.tensor(truth))


def test_json_holds_plain_numbers() -> None:
    values = scored(torch.tensor([1]), torch.tensor([1])).to_json()
    assert values["iou"] == {"a": 1.0, "b": None, "c": None, "d": None}
    assert values["points_per_class"] == {"a": 1, "b": 0, "c": 0, "d": 0}
    assert math.isclose(values["miou"], 1)
