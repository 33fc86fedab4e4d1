"""Suppression against the greedy loop, and its promises."""

import time

import pytest
import torch
from torch import Tensor

from sparse3d.ops.backend import Backend
from sparse3d.ops.iou3d import box_iou
from sparse3d.ops.nms import nms

BACKENDS = ["reference", "torch"]


def crowd(count: int, seed: int, spread: float) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    low = torch.tensor([-spread, -spread, -1, 3.0, 1.4, 1.4, -3.1])
    high = torch.tensor([spread, spread, 1, 5.0, 2.1, 1.9, 3.1])
    boxes = low + torch.rand(count, 7, generator=generator) * (high - low)
    return boxes, torch.rand(count, generator=generator)


@pytest.mark.parametrize("threshold", [0.0, 0.1, 0.5, 1.0])
@pytest.mark.parametrize("spread", [2.0, 12.0])
def test_equals_the_greedy_loop(threshold: float, spread: float) -> None:
    boxes, scores = crowd(60, 0, spread)
    wanted = nms(boxes, scores, threshold, backend="reference")
    assert torch.equal(nms(boxes, scores, threshold), wanted)


def test_what_stays_is_apart_and_what_goes_has_a_better_neighbour() -> None:
    boxes, scores = crowd(900, 1, 12.0)  # several chunks
    kept = nms(boxes, scores, 0.2)
    assert 20 < len(kept) < 800
    assert bool((scores[kept].diff() <= 0).all())
    overlaps = box_iou(boxes, boxes[kept], kind="bev") > 0.2
    assert torch.equal(overlaps[kept].nonzero()[:, 0], torch.arange(len(kept)))
    gone = torch.ones(len(boxes), dtype=torch.bool)
    gone[kept] = False
    better = scores[:, None] < scores[kept][None]
    assert bool((overlaps & better)[gone].any(1).all())


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_box_that_was_removed_removes_nothing(backend: Backend) -> None:
    row = torch.tensor([0.0, 0, 0, 4, 2, 1, 0])
    boxes = row.repeat(3, 1)
    boxes[:, 0] = torch.tensor([0.0, 1.5, 3.0])  # each overlaps the next by 0.45, ends by 0.14
    assert nms(boxes, torch.tensor([0.9, 0.8, 0.7]), 0.3, backend=backend).tolist() == [0, 2]


@pytest.mark.parametrize("backend", BACKENDS)
def test_equal_scores_go_by_row_and_duplicates_leave_one(backend: Backend) -> None:
    boxes, _ = crowd(1, 2, 1.0)
    half = 300 if backend == "torch" else 20
    boxes = boxes.repeat(2 * half, 1)
    boxes[half:, 1] += 50
    scores = torch.full((2 * half,), 0.5)
    assert nms(boxes, scores, 0.5, backend=backend).tolist() == [0, half]


@pytest.mark.parametrize("backend", BACKENDS)
def test_height_does_not_matter_and_the_limit_itself_stays(backend: Backend) -> None:
    boxes = torch.tensor([[0.0, 0, 0, 4, 2, 1, 0], [0, 0, 9, 4, 2, 1, 0], [2, 0, 0, 4, 2, 1, 0]])
    scores = torch.tensor([3.0, 2.0, 1.0])
    third = box_iou(boxes[:1], boxes[2:], kind="bev").item()
    assert nms(boxes, scores, third, backend=backend).tolist() == [0, 2]
    assert nms(boxes, scores, third - 1e-5, backend=backend).tolist() == [0]


@pytest.mark.parametrize("backend", BACKENDS)
def test_none_and_one(backend: Backend) -> None:
    boxes, scores = crowd(1, 3, 1.0)
    assert nms(boxes, scores, 0.5, backend=backend).tolist() == [0]
    none = nms(boxes[:0], scores[:0], 0.5, backend=backend)
    assert none.shape == (0,)
    assert none.dtype == torch.int64


def test_thousands_of_boxes_take_no_time() -> None:
    boxes, scores = crowd(4000, 4, 40.0)
    start = time.process_time()
    kept = nms(boxes, scores, 0.1)
    assert time.process_time() - start < 5  # about 0.2 s; all pairs would take a minute
    assert 300 < len(kept) < 2000


def test_mistakes_are_named() -> None:
    boxes, scores = crowd(3, 5, 1.0)
    with pytest.raises(ValueError, match=r"backends auto, reference, torch, got 'native'"):
        nms(boxes, scores, 0.5, backend="native")
    with pytest.raises(ValueError, match=r"threshold must be in 0 to 1, got 1.5"):
        nms(boxes, scores, 1.5)
    with pytest.raises(ValueError, match=r"threshold must be in 0 to 1, got nan"):
        nms(boxes, scores, float("nan"))
    broken = scores.clone()
    broken[2] = float("nan")
    with pytest.raises(ValueError, match=r"scores must be finite, got nan in row 2"):
        nms(boxes, broken, 0.5)
    boxes[1, 4] = 0
    with pytest.raises(ValueError, match=r"boxes must hold finite boxes .* in row 1"):
        nms(boxes, scores, 0.5)
