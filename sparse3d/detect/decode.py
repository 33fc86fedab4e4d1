"""From heatmaps to boxes."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn.functional import max_pool2d

from sparse3d.detect.config import DecodeConfig
from sparse3d.detect.heading import heading
from sparse3d.detect.network import CenterMaps
from sparse3d.detect.targets import CellGrid
from sparse3d.ops.nms import nms
from sparse3d.scene import Boxes3D

__all__ = ["decode"]

_LARGEST = 4.0
"""Logarithm of a size, metres, beyond which an untrained head is not believed."""


def decode(
    maps: CenterMaps, grid: CellGrid, classes: tuple[str, ...], config: DecodeConfig
) -> tuple[Boxes3D, ...]:
    """Peaks of the heatmaps as boxes with scores, best first, one set a frame.

    A peak is a cell with the largest value among its eight neighbours (Zhou et al. 2019, "Objects
    as Points", section 4). Of boxes of one class that overlap, the best stays.

    Args:
        maps: Of a batch.
        grid: The cells.
        classes: Names, in the order of the heatmaps.
        config: Thresholds.
    """
    heat = torch.sigmoid(maps.heat)
    peaks = torch.where(max_pool2d(heat, 3, stride=1, padding=1) == heat, heat, 0.0)
    return tuple(
        _frame(one, torch.cat([boxes, directions[None]]), grid, classes, config)
        for one, boxes, directions in zip(peaks, maps.boxes, maps.directions, strict=True)
    )


def _frame(
    peaks: Float[Tensor, "c u v"],
    maps: Float[Tensor, "9 u v"],
    grid: CellGrid,
    classes: tuple[str, ...],
    config: DecodeConfig,
) -> Boxes3D:
    best = peaks.flatten().topk(min(10 * config.max_detections, peaks.numel()))
    chosen = best.indices[best.values > config.score_threshold]
    scores = best.values[: len(chosen)]
    labels, u, v = torch.unravel_index(chosen, peaks.shape)
    rows = _boxes(maps[:, u, v].T, torch.stack([u, v], dim=1), grid)
    kept = _suppress(rows, scores, labels, config)[: config.max_detections]
    names = tuple(classes[label] for label in labels[kept].tolist())
    rows = rows[kept]
    return Boxes3D(rows[:, :3], rows[:, 3:6], rows[:, 6], names, scores=scores[kept])


def _boxes(
    said: Float[Tensor, "n 9"], cells: Int64[Tensor, "n 2"], grid: CellGrid
) -> Float[Tensor, "n 7"]:
    places = (said[:, :2] + cells + 0.5) * said.new_tensor(grid.size) + said.new_tensor(grid.low)
    sizes = said[:, 3:6].clamp(-_LARGEST, _LARGEST).exp()
    yaws = heading(said[:, 6:8], said[:, 8] >= 0)
    return torch.cat([places, said[:, 2:3], sizes, yaws[:, None]], dim=1)


def _suppress(
    rows: Float[Tensor, "n 7"],
    scores: Float[Tensor, " n"],
    labels: Int64[Tensor, " n"],
    config: DecodeConfig,
) -> Int64[Tensor, " k"]:
    """Rows that stay, best first."""
    kept = []
    for label in labels.unique().tolist():
        own = (labels == label).nonzero()[:, 0]
        kept.append(own[nms(rows[own], scores[own], config.nms_threshold)])
    if not kept:
        return labels
    return torch.cat(kept).sort().values  # rows come best first
