"""Gradients of several processes averaged, in one message."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sparse3d.train.processes import Processes

__all__ = ["average_gradients"]


def average_gradients(parameters: Sequence[nn.Parameter], processes: Processes) -> None:
    """Replace every gradient by its mean over the processes, the same bits in each.

    A process in which a parameter has no gradient counts as zero; where no process has one, none
    appears. All gradients travel as one flat buffer, whatever their shapes have become, which is
    why parameters may be resized between steps.

    Args:
        parameters: In the same order, with the same shapes, in every process.
        processes: Of which this is one.
    """
    if processes.world_size == 1 or not parameters:
        return
    sizes = [parameter.numel() for parameter in parameters]
    present = torch.tensor([float(p.grad is not None) for p in parameters])
    flat = [_flat_gradient(parameter) for parameter in parameters]
    summed = processes.sum(torch.cat([*flat, present.to(flat[0].device)]))
    *means, counts = summed.split([*sizes, len(sizes)])
    for parameter, total, count in zip(parameters, means, counts.tolist(), strict=True):
        if count > 0:
            mean = total / processes.world_size
            parameter.grad = mean.view_as(parameter).to(parameter.dtype)


def _flat_gradient(parameter: nn.Parameter) -> Tensor:
    if parameter.grad is None:
        return torch.zeros(parameter.numel(), dtype=parameter.dtype, device=parameter.device)
    return parameter.grad.reshape(-1)
