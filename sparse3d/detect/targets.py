"""What the head shall say about frames whose objects are known."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from sparse3d.detect.heading import encode_axis, is_forward
from sparse3d.geometry.boxes import points_in_boxes

__all__ = ["CellGrid", "FrameTargets", "frame_targets", "heat_radius"]


@dataclass(frozen=True, slots=True)
class CellGrid:
    """The cells of a heatmap in the ego frame."""

    low: tuple[float, float]
    """Corner with the smallest x, y, metres."""
    size: tuple[float, float]
    """Edges of a cell along x, y, metres."""
    shape: tuple[int, int]
    """Cells along x, y."""

    def centers(self) -> Float[Tensor, "u v 2"]:
        """Centres of all cells, metres."""
        axes = [
            (torch.arange(count) + 0.5) * edge + start
            for count, edge, start in zip(self.shape, self.size, self.low, strict=True)
        ]
        return torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1)

    def cell_units(self, places: Float[Tensor, "n 2"]) -> Float[Tensor, "n 2"]:
        """Places x, y in cells from the corner; the centre of the first cell is (0.5, 0.5)."""
        return (places - places.new_tensor(self.low)) / places.new_tensor(self.size)


@dataclass(frozen=True, slots=True)
class FrameTargets:
    """Truth of one frame."""

    heat: Float[Tensor, "c u v"]
    """1 at the cell of an object's centre, less around it."""
    known: Bool[Tensor, "u v"]
    """False where something is that is neither object nor background."""
    cells: Int64[Tensor, "p 2"]
    """Cells at which a box is to be told: those of the centres and next to them."""
    boxes: Float[Tensor, "p 8"]
    """The boxes to be told, as the head encodes them."""
    forward: Bool[Tensor, " p"]
    """Which of the two directions of its axis the box has, see :mod:`sparse3d.detect.heading`."""
    weights: Float[Tensor, " p"]
    """1 at a centre, less beside it."""


def frame_targets(
    boxes: Float[Tensor, "n 7"],
    labels: Int64[Tensor, " n"],
    ignored: Float[Tensor, "i 7"],
    grid: CellGrid,
    classes: int,
    min_overlap: float,
    min_radius: int,
) -> FrameTargets:
    """Heatmaps after CenterNet (Zhou et al. 2019, "Objects as Points", section 3), and boxes.

    Args:
        boxes: Objects, rows x, y, z, l, w, h, yaw in the ego frame.
        labels: Number of their class.
        ignored: What shall be neither object nor background.
        grid: The cells.
        classes: Number of classes.
        min_overlap: See :func:`heat_radius`.
        min_radius: Cells.
    """
    units = grid.cell_units(boxes[:, :2])
    limit = torch.tensor(grid.shape)
    inside = ((units >= 0) & (units < limit)).all(1)
    boxes, labels, units = boxes[inside], labels[inside], units[inside]
    bumps = _bumps(boxes, units, grid, min_overlap, min_radius)
    heat = torch.zeros(classes, *grid.shape)
    for label in labels.unique().tolist():
        heat[label] = bumps[labels == label].amax(0)
    cells, weights, owners = _near(bumps, units.floor().long(), grid)
    told = _encode(boxes[owners], units[owners] - cells - 0.5)
    known = ~_covered(ignored, grid) | (heat > 0).any(0)
    return FrameTargets(heat, known, cells, told, is_forward(boxes[owners, 6]), weights)


def heat_radius(sizes: Float[Tensor, "n 2"], min_overlap: float) -> Float[Tensor, " n"]:
    """How far the corners of a box may move for an IoU of at least ``min_overlap``.

    The smallest root over the three cases of CornerNet (Law and Deng 2018, section 3.1): one corner
    in and one out, both in, both out. As in the published detectors, the roots are halved rather
    than divided by twice the leading coefficient.

    Args:
        sizes: Length and width, cells.
        min_overlap: IoU, in (0, 1].
    """
    total, area, o = sizes.sum(1), sizes.prod(1), min_overlap
    moved = (total + (total**2 - 4 * area * (1 - o) / (1 + o)).sqrt()) / 2
    inner = (2 * total + (4 * total**2 - 16 * area * (1 - o)).sqrt()) / 2
    outer = (-2 * o * total + (4 * o**2 * total**2 + 16 * o * area * (1 - o)).sqrt()) / 2
    return torch.minimum(torch.minimum(moved, inner), outer)


def _bumps(
    boxes: Float[Tensor, "n 7"],
    units: Float[Tensor, "n 2"],
    grid: CellGrid,
    min_overlap: float,
    min_radius: int,
) -> Float[Tensor, "n u v"]:
    """A Gaussian around the cell of each centre, cut off at its radius."""
    size = boxes.new_tensor(grid.size)
    radius = heat_radius(boxes[:, 3:5] / size, min_overlap).floor().clamp_min(min_radius)
    variance = ((2 * radius + 1) / 6) ** 2
    parts = []
    for axis, count in enumerate(grid.shape):
        away = torch.arange(count) - units[:, axis].floor()[:, None]
        bump = torch.exp(-(away**2) / (2 * variance[:, None]))
        parts.append(torch.where(away.abs() <= radius[:, None], bump, 0.0))
    return parts[0][:, :, None] * parts[1][:, None, :]


def _near(
    bumps: Float[Tensor, "n u v"], centers: Int64[Tensor, "n 2"], grid: CellGrid
) -> tuple[Int64[Tensor, "p 2"], Float[Tensor, " p"], Int64[Tensor, " p"]]:
    """Cells next to a centre, their weights, and whose they are: the nearest object's."""
    around = torch.cartesian_prod(torch.arange(-1, 2), torch.arange(-1, 2))
    cells = (centers[:, None] + around).reshape(-1, 2)
    owners = torch.arange(len(centers)).repeat_interleave(len(around))
    inside = ((cells >= 0) & (cells < torch.tensor(grid.shape))).all(1)
    cells, owners = cells[inside], owners[inside]
    weights = bumps[owners, cells[:, 0], cells[:, 1]]
    number = cells[:, 0] * grid.shape[1] + cells[:, 1]
    order = weights.sort(descending=True, stable=True).indices
    order = order[number[order].sort(stable=True).indices]
    first = torch.ones(len(order), dtype=torch.bool)
    first[1:] = number[order].diff() != 0
    chosen = order[first]
    return cells[chosen], weights[chosen], owners[chosen]


def _encode(boxes: Float[Tensor, "p 7"], offsets: Float[Tensor, "p 2"]) -> Float[Tensor, "p 8"]:
    axis = encode_axis(boxes[:, 6])
    return torch.cat([offsets, boxes[:, 2:3], boxes[:, 3:6].log(), axis], dim=1)


def _covered(boxes: Float[Tensor, "n 7"], grid: CellGrid) -> Bool[Tensor, "u v"]:
    """Cells whose centre is under a box."""
    if not len(boxes):
        return torch.zeros(grid.shape, dtype=torch.bool)
    places = torch.nn.functional.pad(grid.centers().reshape(-1, 2), (0, 1))
    flat = boxes.clone()
    flat[:, 2] = 0
    return points_in_boxes(places, flat).any(0).reshape(grid.shape)
