"""Losses of the centre heatmap head."""

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, logsigmoid

__all__ = ["box_loss", "direction_loss", "heatmap_loss"]


def heatmap_loss(
    logits: Float[Tensor, "b c u v"],
    target: Float[Tensor, "b c u v"],
    known: Bool[Tensor, "b u v"],
) -> Float[Tensor, ""]:
    """Penalty-reduced focal loss (Zhou et al. 2019, "Objects as Points", equation 1).

    With alpha 2 and beta 4, divided by the number of centres (cells whose target is 1), at least 1.

    Args:
        logits: Of the heatmaps.
        target: Between 0 and 1.
        known: Cells that count.
    """
    probability = torch.sigmoid(logits)
    centers = (target == 1).to(logits.dtype)
    found = centers * (1 - probability) ** 2 * logsigmoid(logits)
    empty = (1 - target) ** 4 * probability**2 * logsigmoid(-logits)  # 0 at a centre
    total = ((found + empty) * known[:, None]).sum()
    return -total / centers.sum().clamp_min(1)


def box_loss(
    maps: Float[Tensor, "b 8 u v"],
    cells: Int64[Tensor, "p 3"],
    target: Float[Tensor, "p 8"],
    weights: Float[Tensor, " p"],
) -> Float[Tensor, ""]:
    """Weighted mean over cells of the L1 distance to the encoded box.

    Args:
        maps: What the head says.
        cells: Frame in the batch, and cell; without any the loss is 0.
        target: What it shall say there.
        weights: Of the cells.
    """
    said = maps[cells[:, 0], :, cells[:, 1], cells[:, 2]]
    errors = (said - target).abs().sum(1)
    return (errors * weights).sum() / weights.sum().clamp_min(1)


def direction_loss(
    logits: Float[Tensor, "b u v"],
    cells: Int64[Tensor, "p 3"],
    forward: Bool[Tensor, " p"],
    weights: Float[Tensor, " p"],
) -> Float[Tensor, ""]:
    """Weighted mean over cells of the cross entropy of the direction; 0 without any cell.

    Args:
        logits: What the head says.
        cells: Frame in the batch, and cell.
        forward: What is so.
        weights: Of the cells.
    """
    said, so = logits[cells[:, 0], cells[:, 1], cells[:, 2]], forward.to(logits.dtype)
    errors = binary_cross_entropy_with_logits(said, so, reduction="none")
    return (errors * weights).sum() / weights.sum().clamp_min(1)
