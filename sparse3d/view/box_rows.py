"""Boxes as pictures need them: finite rows, in the order of their scores."""

from jaxtyping import Float64
from torch import Tensor

from sparse3d.scene import Boxes3D

__all__ = ["best_first", "captions", "finite_rows"]


def finite_rows(boxes: Boxes3D) -> Float64[Tensor, "n 7"]:
    """Rows as ``geometry.boxes`` takes them.

    Raises:
        ValueError: If a value is not finite.
    """
    rows = boxes.rows().detach().double()
    if not bool(rows.isfinite().all()):
        number = int((~rows.isfinite().all(1)).nonzero()[0, 0])
        raise ValueError(f"boxes must be finite, row {number} is {rows[number].tolist()}")
    return rows


def best_first(boxes: Boxes3D) -> list[int]:
    """Row numbers by falling score; as they are where there are no scores."""
    if boxes.scores is None:
        return list(range(len(boxes)))
    return boxes.scores.argsort(descending=True, stable=True).tolist()


def captions(boxes: Boxes3D, row: int) -> tuple[str, ...]:
    """What may be written at a detection, best first: ``Car 0.93``, ``0.93``.

    Nothing for an annotation.
    """
    if boxes.scores is None:
        return ()
    score = f"{float(boxes.scores[row]):.2f}"
    return f"{boxes.names[row]} {score}", score
