"""Greedy suppression, a chunk of boxes at a time."""

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from sparse3d.ops.iou3d import box_iou

__all__ = ["keep"]

_CHUNK = 256


def keep(boxes: Float[Tensor, "n 7"], threshold: float) -> Int64[Tensor, " k"]:
    """Rows that stay, of boxes sorted from best to worst."""
    kept = torch.zeros(0, dtype=torch.int64, device=boxes.device)
    for rows in torch.arange(len(boxes), device=boxes.device).split(_CHUNK):
        removed = (box_iou(boxes[rows], boxes[kept], kind="bev") > threshold).any(1)
        left = rows[~removed]
        overlaps = box_iou(boxes[left], boxes[left], kind="bev") > threshold
        kept = torch.cat([kept, left[_stay(overlaps.cpu()).to(boxes.device)]])
    return kept


def _stay(overlaps: Bool[Tensor, "n n"]) -> Bool[Tensor, " n"]:
    """Which rows no earlier row that stays overlaps."""
    stay = torch.ones(len(overlaps), dtype=torch.bool)
    for row in overlaps.triu(1).any(1).nonzero()[:, 0].tolist():
        if stay[row]:
            stay[row + 1 :] &= ~overlaps[row, row + 1 :]
    return stay
