"""What the verbs of grids refuse."""

import torch
from jaxtyping import Float, Int, Int64
from torch import Tensor

__all__ = ["check_batch", "check_finite"]


def check_finite(values: Float[Tensor, "n c"], name: str) -> None:
    """Refuse numbers that are not finite.

    Raises:
        ValueError: With the first such row.
    """
    finite = torch.isfinite(values).all(1)
    if not bool(finite.all()):
        row = int((~finite).nonzero()[0, 0])
        raise ValueError(f"{name} must be finite, got {values[row].tolist()} in row {row}")


def check_batch(
    batch: Int[Tensor, " n"] | None, count: int, batch_size: int, device: torch.device
) -> Int64[Tensor, " n"]:
    """Numbers of grids, zeros where none are given.

    Raises:
        ValueError: If there is not one a row, or one is out of range.
    """
    if batch is None:
        batch = torch.zeros(count, dtype=torch.int64, device=device)
    if len(batch) != count:
        raise ValueError(f"the number of a grid for {count} rows expected, got {len(batch)}")
    if count and not 0 <= int(batch.min()) <= int(batch.max()) < batch_size:
        raise ValueError(
            f"numbers of grids must lie in [0, {batch_size}), got {int(batch.min())} to"
            f" {int(batch.max())}"
        )
    return batch.long()
