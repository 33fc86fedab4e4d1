"""All objects of all frames in columns, and how much those of the same frame overlap."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Float64, Int64
from torch import Tensor

from sparse3d.detect.scores.frames import FrameObjects
from sparse3d.ops.iou3d import box_iou
from sparse3d.scene.boxes import Boxes3D, ImageBoxes

__all__ = ["Objects", "Pairs", "Table", "make_table"]

_CHUNK = 1 << 18  # pairs whose boxes are held at once, about 30 MB


@dataclass(frozen=True, slots=True)
class Objects:
    """Annotations or detections of all frames, frame by frame, in their order."""

    frames: Int64[Tensor, " n"]
    """Number of the frame."""
    names: tuple[str, ...]
    """Class names in lower case."""
    rows: Float64[Tensor, "n 7"]
    """Boxes as ``geometry.boxes`` has them."""
    scores: Float64[Tensor, " n"]
    """Of detections; zero for annotations."""
    rectangles: Float64[Tensor, "n 4"]
    """In the image, pixels; infinitely high where no image is known."""
    alphas: Float64[Tensor, " n"]
    """Observation angles, radians."""
    truncations: Float64[Tensor, " n"]
    """Shares outside of the image."""
    occlusions: Int64[Tensor, " n"]
    """KITTI's codes."""

    @property
    def heights(self) -> Float64[Tensor, " n"]:
        """In the image, pixels."""
        return (self.rectangles[:, 3] - self.rectangles[:, 1]).abs()

    def is_named(self, name: str) -> Bool[Tensor, " n"]:
        """Which objects have a class name, whatever its case."""
        wanted = name.lower()
        return torch.tensor([one == wanted for one in self.names], dtype=torch.bool)


@dataclass(frozen=True, slots=True)
class Pairs:
    """Annotations and detections of the same frame that overlap, in the order of both."""

    truth: Int64[Tensor, " p"]
    """Rows of the annotations."""
    detections: Int64[Tensor, " p"]
    """Rows of the detections."""
    image: Float64[Tensor, " p"]
    """Intersection over union of the image rectangles."""
    bev: Float64[Tensor, " p"]
    """Of the boxes seen from above."""
    space: Float64[Tensor, " p"]
    """Of the boxes."""


@dataclass(frozen=True, slots=True)
class Table:
    """Everything that scores are made of."""

    frame_count: int
    truth: Objects
    detections: Objects
    pairs: Pairs
    uncared: Float64[Tensor, " m"]
    """Largest share of each detection's rectangle that lies in one region without annotation."""


def make_table(frames: Sequence[FrameObjects], *, images: bool) -> Table:
    """Gather frames.

    Args:
        frames: The frames.
        images: Whether to take over what they say about images.
    """
    truth = _gather([frame.truth for frame in frames], images)
    detections = _gather([frame.detections for frame in frames], images)
    regions = [frame.dont_care.double() for frame in frames]
    uncared = torch.zeros(len(detections.names), dtype=torch.float64)
    if images and any(map(len, regions)):
        owners = _numbers([len(region) for region in regions])
        d, r = _same_frame(detections.frames, owners, len(frames))
        shared, area, _ = _rectangle_overlap(detections.rectangles[d], torch.cat(regions)[r])
        uncared.scatter_reduce_(0, d, shared / area.clamp(min=1e-12), "amax")
    pairs = _pairs(truth, detections, len(frames), images)
    return Table(len(frames), truth, detections, pairs, uncared)


def _gather(boxes: Sequence[Boxes3D], images: bool) -> Objects:
    def joined(parts: Sequence[Tensor], *shape: int) -> Tensor:
        return torch.cat([torch.zeros(0, *shape), *parts]).double()

    looks = [one.image if images and one.image else _unseen(len(one)) for one in boxes]
    nothing = [one.yaws.new_zeros(len(one)) for one in boxes]
    scores = [
        zero if one.scores is None else one.scores for one, zero in zip(boxes, nothing, strict=True)
    ]
    return Objects(
        _numbers([len(one) for one in boxes]),
        tuple(name.lower() for one in boxes for name in one.names),
        joined([one.rows().detach().cpu().double() for one in boxes], 7),
        joined([one.detach().cpu() for one in scores]),
        joined([look.rectangles.cpu() for look in looks], 4),
        joined([look.alphas.cpu() for look in looks]),
        joined([look.truncations.cpu() for look in looks]),
        joined([look.occlusions.cpu() for look in looks]).long(),
    )


def _unseen(count: int) -> ImageBoxes:
    """What counts at every level."""
    rectangle = torch.tensor([0.0, 0.0, 1.0, torch.inf], dtype=torch.float64)
    zeros = torch.zeros(count, dtype=torch.float64)
    return ImageBoxes(rectangle.expand(count, 4), zeros, zeros, zeros.to(torch.int32))


def _numbers(counts: Sequence[int]) -> Int64[Tensor, " n"]:
    lengths = torch.tensor(counts, dtype=torch.int64)
    return torch.repeat_interleave(torch.arange(len(counts)), lengths)


def _same_frame(
    first: Int64[Tensor, " n"], second: Int64[Tensor, " m"], frames: int
) -> tuple[Int64[Tensor, " p"], Int64[Tensor, " p"]]:
    """Row numbers of all pairs with the same frame number; both columns are sorted."""
    counts = torch.bincount(second, minlength=frames)
    starts = counts.cumsum(0) - counts
    repeats = counts[first]
    i = torch.repeat_interleave(torch.arange(len(first)), repeats)
    within = torch.arange(len(i)) - (repeats.cumsum(0) - repeats)[i]
    return i, starts[first[i]] + within


def _pairs(truth: Objects, detections: Objects, frames: int, images: bool) -> Pairs:
    t, d = _same_frame(truth.frames, detections.frames, frames)
    parts = [
        _overlapping(truth, detections, some, other, images)
        for some, other in zip(t.split(_CHUNK), d.split(_CHUNK), strict=True)
    ]
    return Pairs(
        torch.cat([part.truth for part in parts]),
        torch.cat([part.detections for part in parts]),
        torch.cat([part.image for part in parts]),
        torch.cat([part.bev for part in parts]),
        torch.cat([part.space for part in parts]),
    )


def _overlapping(
    truth: Objects,
    detections: Objects,
    t: Int64[Tensor, " p"],
    d: Int64[Tensor, " p"],
    images: bool,
) -> Pairs:
    first, second = truth.rows[t], detections.rows[d]
    bev = box_iou(first, second, kind="bev", aligned=True)
    space, image = torch.zeros_like(bev), torch.zeros_like(bev)
    near = bev > 0
    space[near] = box_iou(first[near], second[near], aligned=True)
    if images:
        shared, one, other = _rectangle_overlap(truth.rectangles[t], detections.rectangles[d])
        image = shared / (one + other - shared).clamp(min=1e-12)
    some = near | (image > 0)
    return Pairs(t[some], d[some], image[some], bev[some], space[some])


def _rectangle_overlap(
    first: Float[Tensor, "p 4"], second: Float[Tensor, "p 4"]
) -> tuple[Float[Tensor, " p"], Float[Tensor, " p"], Float[Tensor, " p"]]:
    """Shared area, area of the first, area of the second; square pixels."""
    low = torch.maximum(first[:, :2], second[:, :2])
    high = torch.minimum(first[:, 2:], second[:, 2:])
    shared = (high - low).clamp(min=0).prod(1)
    return shared, (first[:, 2:] - first[:, :2]).prod(1), (second[:, 2:] - second[:, :2]).prod(1)
