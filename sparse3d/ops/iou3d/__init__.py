"""Overlap of upright 3D boxes: intersection over union, seen from above or in space."""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from sparse3d.ops.backend import Backend
from sparse3d.ops.iou3d import _reference, _torch

__all__ = ["box_iou", "check_boxes"]

_BACKENDS = {"auto": _torch, "reference": _reference, "torch": _torch}


def box_iou(
    first: Float[Tensor, "n 7"],
    second: Float[Tensor, "m 7"],
    *,
    kind: Literal["bev", "3d"] = "3d",
    aligned: bool = False,
    backend: Backend = "auto",
) -> Float[Tensor, "n m"] | Float[Tensor, " n"]:
    """Intersection over union of upright boxes, exact for every yaw.

    Float32 is enough for boxes far from the origin: everything is computed relative to the box.
    The result carries no gradient.

    Args:
        first: Rows ``(x, y, z, length, width, height, yaw)``, metres and radians, any frame with
            z up.
        second: Rows in the same frame, of the same dtype and device.
        kind: ``bev`` compares the rectangles seen from above, ``3d`` the boxes.
        aligned: Compare row i with row i only; both have the same number of rows.
        backend: ``torch`` works on all pairs at once, ``reference`` clips polygons one by one.

    Returns:
        Values in [0, 1]: a matrix, or a vector where ``aligned``.

    Raises:
        ValueError: If a row is not finite or a size not positive, dtypes or devices differ, the
            numbers of rows differ where ``aligned``, or there is no such backend.

    Example:
        >>> box = torch.tensor([[0.0, 0.0, 0.0, 4.0, 2.0, 1.0, 0.0]])
        >>> moved = torch.tensor([[2.0, 0.0, 0.5, 4.0, 2.0, 1.0, 0.0]])
        >>> [round(box_iou(box, moved, kind=kind).item(), 4) for kind in ("bev", "3d")]
        [0.3333, 0.1429]
    """
    if backend not in _BACKENDS:
        raise ValueError(f"box_iou has the backends {', '.join(_BACKENDS)}, got {backend!r}")
    first, second = first.detach(), second.detach()
    check_boxes("first", first)
    check_boxes("second", second)
    if (first.dtype, first.device) != (second.dtype, second.device):
        raise ValueError(
            f"both must share dtype and device, got {first.dtype} on {first.device} and"
            f" {second.dtype} on {second.device}"
        )
    if aligned and len(first) != len(second):
        raise ValueError(f"aligned boxes must be as many, got {len(first)} and {len(second)}")
    module = _BACKENDS[backend]
    if aligned:
        return module.paired(first, second, kind == "3d")
    return module.crossed(first, second, kind == "3d")


def check_boxes(name: str, boxes: Float[Tensor, "n 7"]) -> None:
    """Refuse rows that are no box.

    Args:
        name: What the message calls them.
        boxes: Rows as :func:`box_iou` takes them.

    Raises:
        ValueError: If a row is not finite, or a size is not positive, the row is named; or if
            they are neither float32 nor float64.
    """
    if boxes.dtype not in (torch.float32, torch.float64):
        raise ValueError(f"{name} must be float32 or float64, got {boxes.dtype}")
    good = boxes.isfinite().all(1) & (boxes[:, 3:6] > 0).all(1)
    if not bool(good.all()):
        row = int((~good).nonzero()[0, 0])
        got = f"got {boxes[row].tolist()} in row {row}"
        raise ValueError(f"{name} must hold finite boxes of positive size, {got}")
