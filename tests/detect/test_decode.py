"""Heatmaps and boxes of a perfect head give the objects back."""

import pytest
import torch

from sparse3d.detect.config import DecodeConfig
from sparse3d.detect.decode import decode
from sparse3d.detect.network import CenterMaps
from sparse3d.detect.targets import CellGrid, frame_targets

GRID = CellGrid((0.0, -8.0), (0.4, 0.4), (60, 40))
CLASSES = ("Car", "Pedestrian")
BOXES = torch.tensor(
    [
        [5.3, 0.1, -0.9, 3.9, 1.6, 1.5, 3.0],
        [12.0, -5.5, -1.1, 4.2, 1.7, 1.6, -1.2],
        [20.01, 6.0, -0.7, 0.6, 0.7, 1.8, 0.4],
    ]
)
LABELS = torch.tensor([0, 0, 1])


def perfect_maps(boxes: torch.Tensor, labels: torch.Tensor) -> CenterMaps:
    """What a head would say that has learnt its targets."""
    targets = frame_targets(boxes, labels, boxes[:0], GRID, 2, 0.1, 2)
    heat = torch.logit(targets.heat.clamp(0.001, 0.999))
    maps, directions = torch.zeros(8, *GRID.shape), torch.zeros(GRID.shape)
    u, v = targets.cells.T
    maps[:, u, v] = targets.boxes.T
    directions[u, v] = torch.where(targets.forward, 3.0, -3.0)
    return CenterMaps(heat[None], maps[None], directions[None])


def empty_maps(heat: torch.Tensor) -> CenterMaps:
    count = len(heat)
    return CenterMaps(heat, torch.zeros(count, 8, *GRID.shape), torch.zeros(count, *GRID.shape))


def test_encoding_and_decoding_give_the_boxes_back() -> None:
    (found,) = decode(perfect_maps(BOXES, LABELS), GRID, CLASSES, DecodeConfig(score_threshold=0.5))
    order = found.centers[:, 0].argsort()
    assert torch.allclose(found.rows()[order], BOXES, atol=1e-4)
    assert [found.names[i] for i in order.tolist()] == ["Car", "Car", "Pedestrian"]
    assert found.scores is not None
    assert torch.allclose(found.scores, torch.tensor(0.999), atol=1e-4)


def test_scores_come_best_first_and_above_the_threshold() -> None:
    maps = perfect_maps(BOXES, LABELS)
    maps.heat[0, 0, 30:, :] -= 5.0  # the second car
    maps.heat[0, 1] -= 8.0
    (found,) = decode(maps, GRID, CLASSES, DecodeConfig(score_threshold=0.5))
    assert found.scores is not None
    assert found.names == ("Car", "Car")
    assert found.centers[:, 0].tolist() == pytest.approx([5.3, 12.0], abs=1e-4)
    assert found.scores[0] > found.scores[1] > 0.5


def test_of_overlapping_boxes_of_a_class_the_best_stays() -> None:
    maps = perfect_maps(BOXES[:1], LABELS[:1])
    maps.heat[0, :, :, :] = -5
    maps.heat[0, 0, 13, 20], maps.heat[0, 0, 15, 20] = 2.0, 1.0  # two peaks,
    maps.boxes[0, :, 15, 20] = maps.boxes[0, :, 13, 20]  # almost the same box
    config = DecodeConfig(score_threshold=0.5, nms_threshold=0.3)
    (found,) = decode(maps, GRID, CLASSES, config)
    assert len(found) == 1
    assert found.scores is not None
    assert found.scores.item() == pytest.approx(torch.sigmoid(torch.tensor(2.0)).item())
    maps.heat[0, 1, 15, 20] = 1.5  # another class may be there
    assert len(decode(maps, GRID, CLASSES, config)[0]) == 2


def test_an_empty_heatmap_gives_no_boxes() -> None:
    maps = empty_maps(torch.full((2, 2, *GRID.shape), -20.0))
    assert [len(found) for found in decode(maps, GRID, CLASSES, DecodeConfig())] == [0, 0]


def test_no_more_boxes_than_asked_for() -> None:
    maps = empty_maps(torch.randn(1, 2, *GRID.shape))
    config = DecodeConfig(score_threshold=0.0, max_detections=7, nms_threshold=1.0)
    assert len(decode(maps, GRID, CLASSES, config)[0]) == 7
