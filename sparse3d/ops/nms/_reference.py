"""Greedy suppression, one box after the other."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from sparse3d.ops.iou3d import box_iou

__all__ = ["keep"]


def keep(boxes: Float[Tensor, "n 7"], threshold: float) -> Int64[Tensor, " k"]:
    """Rows that stay, of boxes sorted from best to worst."""
    overlaps = box_iou(boxes, boxes, kind="bev", backend="reference").tolist()
    kept: list[int] = []
    for row in range(len(boxes)):
        if all(overlaps[row][other] <= threshold for other in kept):
            kept.append(row)
    return torch.tensor(kept, dtype=torch.int64, device=boxes.device)
