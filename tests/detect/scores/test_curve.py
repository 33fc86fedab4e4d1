"""Sampling of the official curve."""

import torch
from torch import Tensor

from sparse3d.detect.scores.curve import official_thresholds


def ranked(count: int) -> Tensor:
    """Scores whose negative is their rank, in no order."""
    generator = torch.Generator().manual_seed(0)
    return -1.0 - torch.randperm(count, generator=generator).double()


def test_every_score_is_taken_where_objects_are_few() -> None:
    assert (-official_thresholds(ranked(12), 12)).tolist() == list(range(1, 13))
    assert (-official_thresholds(ranked(7), 40)).tolist() == list(range(1, 8))
    assert official_thresholds(ranked(0), 40).tolist() == []


def test_scores_nearest_to_the_recall_points_are_taken() -> None:
    assert (-official_thresholds(ranked(80), 80)).tolist() == [1, *range(2, 81, 2)]
    assert (-official_thresholds(ranked(400), 400)).tolist() == [1, *range(10, 401, 10)]


def test_the_last_score_is_taken_though_its_recall_is_not_due() -> None:
    assert (-official_thresholds(ranked(13), 400)).tolist() == [1, 10, 13]
