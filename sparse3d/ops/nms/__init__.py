"""Non-maximum suppression of upright boxes, seen from above."""

from jaxtyping import Float, Int64
from torch import Tensor

from sparse3d.ops.backend import Backend
from sparse3d.ops.iou3d import check_boxes
from sparse3d.ops.nms import _reference, _torch

__all__ = ["nms"]

_BACKENDS = {"auto": _torch, "reference": _reference, "torch": _torch}


def nms(
    boxes: Float[Tensor, "n 7"],
    scores: Float[Tensor, " n"],
    threshold: float,
    *,
    backend: Backend = "auto",
) -> Int64[Tensor, " k"]:
    """The boxes that remain when each removes the worse ones that overlap it too much.

    Boxes are taken in the order of their scores, equal ones in that of their rows. A box stays
    unless its overlap with one that has stayed is above the threshold.

    Args:
        boxes: Rows ``(x, y, z, length, width, height, yaw)``, metres and radians, z up.
        scores: Higher is better.
        threshold: Intersection over union of the rotated rectangles seen from above, 0 to 1.
        backend: ``torch`` compares many boxes at once, ``reference`` one after the other.

    Returns:
        Row numbers, best first.

    Raises:
        ValueError: If a box is not finite or a size not positive, a score is not finite, the
            threshold is outside of 0 to 1, devices differ, or there is no such backend.

    Example:
        >>> import torch
        >>> boxes = torch.tensor([[0.0, 0, 0, 4, 2, 1, 0], [0.5, 0, 0, 4, 2, 1, 0]])
        >>> nms(boxes, torch.tensor([0.3, 0.9]), 0.5).tolist()
        [1]
    """
    if backend not in _BACKENDS:
        raise ValueError(f"nms has the backends {', '.join(_BACKENDS)}, got {backend!r}")
    if not 0 <= threshold <= 1:
        raise ValueError(f"threshold must be in 0 to 1, got {threshold}")
    boxes, scores = boxes.detach(), scores.detach()
    check_boxes("boxes", boxes)
    if boxes.device != scores.device:
        raise ValueError(f"devices differ: boxes on {boxes.device}, scores on {scores.device}")
    if not bool(scores.isfinite().all()):
        row = int((~scores.isfinite()).nonzero()[0, 0])
        raise ValueError(f"scores must be finite, got {scores[row].item()} in row {row}")
    order = scores.argsort(descending=True, stable=True)
    return order[_BACKENDS[backend].keep(boxes[order], float(threshold))]
