"""What voxelisation refuses."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

__all__ = ["check_points"]


def check_points(
    positions: Float[Tensor, "n 3"], batch: Int[Tensor, " n"], batch_size: int
) -> None:
    """Refuse points that are nowhere or in no cloud.

    Raises:
        ValueError: If a position is not finite, or a cloud's number is out of range.
    """
    if not bool(torch.isfinite(positions).all()):
        row = int((~torch.isfinite(positions).all(1)).nonzero()[0, 0])
        raise ValueError(f"positions must be finite, got {positions[row].tolist()} in row {row}")
    if len(batch) and not 0 <= int(batch.min()) <= int(batch.max()) < batch_size:
        raise ValueError(
            f"numbers of clouds must lie in [0, {batch_size}), got {int(batch.min())} to"
            f" {int(batch.max())}"
        )
