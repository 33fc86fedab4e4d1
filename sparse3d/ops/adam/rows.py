"""Adam's state of a parameter whose rows were dropped, reordered or appended."""

import torch
from jaxtyping import Bool, Int
from torch import Tensor

__all__ = ["reset_rows", "resize_rows"]


def resize_rows(
    optimizer: torch.optim.Optimizer,
    parameter: Tensor,
    rows: Int[Tensor, " k"] | Bool[Tensor, " n"],
    appended: int = 0,
) -> None:
    """Let the moments follow a parameter whose ``.data`` was replaced by other rows.

    Call it after the assignment. Works on the state of :class:`sparse3d.ops.adam.Adam` and of
    torch's Adam family alike; the step counter stays. A parameter without state (no step yet) is
    left alone.

    Args:
        optimizer: The optimizer that holds the parameter.
        parameter: The parameter, already of its new shape.
        rows: The old rows that were kept, in their new order, or a mask of them.
        appended: How many new rows follow; their moments are zero.

    Raises:
        ValueError: If kept and appended rows are not as many as the parameter has now.

    Example:
        >>> points = torch.nn.Parameter(torch.ones(3, 2))
        >>> optimizer = torch.optim.Adam([points])
        >>> points.sum().backward(); optimizer.step(); optimizer.zero_grad()
        >>> points.data = torch.cat([points.data[[2, 0]], torch.zeros(1, 2)])
        >>> resize_rows(optimizer, points, torch.tensor([2, 0]), appended=1)
        >>> [round(value, 3) for value in optimizer.state[points]["exp_avg"][:, 0].tolist()]
        [0.1, 0.1, 0.0]
    """
    state = optimizer.state.get(parameter, {})
    for name, old in state.items():
        if name == "step" or not isinstance(old, Tensor):
            continue
        kept = old[rows.to(old.device)]
        new = torch.cat([kept, kept.new_zeros(appended, *kept.shape[1:])])
        if new.shape != parameter.shape:
            raise ValueError(
                f"{len(kept)} kept and {appended} appended rows of {tuple(kept.shape[1:])} do not"
                f" make a parameter of shape {tuple(parameter.shape)}"
            )
        state[name] = new


def reset_rows(
    optimizer: torch.optim.Optimizer,
    parameter: Tensor,
    rows: Int[Tensor, " k"] | Bool[Tensor, " n"],
) -> None:
    """Forget the moments of rows whose values were replaced; the step counter stays.

    Args:
        optimizer: The optimizer that holds the parameter; one of Adam's family.
        parameter: The parameter. Without state (no step yet) it is left alone.
        rows: Row numbers, or a mask of them.

    Example:
        >>> points = torch.nn.Parameter(torch.ones(3, 2))
        >>> optimizer = torch.optim.Adam([points])
        >>> points.sum().backward(); optimizer.step(); optimizer.zero_grad()
        >>> reset_rows(optimizer, points, torch.tensor([1]))
        >>> [round(value, 3) for value in optimizer.state[points]["exp_avg"][:, 0].tolist()]
        [0.1, 0.0, 0.1]
    """
    for name, value in optimizer.state.get(parameter, {}).items():
        if name != "step" and isinstance(value, Tensor):
            value[rows.to(value.device)] = 0
