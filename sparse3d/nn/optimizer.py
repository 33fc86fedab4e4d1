"""AdamW with gradients of bounded length, and a learning rate that goes up and down once."""

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from sparse3d.errors import UserError
from sparse3d.nn.config import RateConfig
from sparse3d.nn.training import ParameterGroup
from sparse3d.ops.adam import Adam

__all__ = ["ClippedAdamW", "one_cycle", "one_cycle_group"]


class ClippedAdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019) after clipping gradients.

    Args:
        params: Parameters; the length of all their gradients together is bounded.
        lr: Learning rate.
        weight_decay: Share of a parameter that a step takes away, in units of the learning rate;
            vectors (biases, scales of norms) keep theirs.
        clip_norm: Longest gradient; longer ones are shortened.
    """

    def __init__(self, params: Any, lr: float, weight_decay: float, clip_norm: float) -> None:
        super().__init__(params, lr, betas=(0.9, 0.99), eps=1e-8)
        self._weight_decay = weight_decay
        self._clip_norm = clip_norm

    @torch.no_grad()
    def step(
        self, closure: Callable[[], Any] | None = None, *, visible: Tensor | None = None
    ) -> Any:
        """Clip, decay, and take Adam's step.

        Raises:
            UserError: If a gradient is not finite; nothing is changed.
            ValueError: If a closure is given, as losses are never evaluated anew, or rows are
                chosen, as all are clipped together.
        """
        if closure is not None or visible is not None:
            raise ValueError("steps of all rows without closure expected")
        trained = [
            (parameter, parameter.grad, 1 - group["lr"] * self._weight_decay)
            for group in self.param_groups
            for parameter in group["params"]
            if parameter.grad is not None
        ]
        length = _length([gradient for _, gradient, _ in trained])
        if not math.isfinite(length):
            raise UserError("the gradients of a step are not finite, though its loss is")
        factor = self._clip_norm / length
        for parameter, gradient, kept in trained:
            gradient.mul_(min(factor, 1.0))
            if parameter.ndim > 1:
                parameter.mul_(kept)
        super().step()


def _length(gradients: list[Tensor]) -> float:
    """Of all gradients together, never 0."""
    norms = [gradient.norm() for gradient in gradients]
    return torch.stack(norms).norm().clamp_min(1e-12).item() if norms else 1.0


def one_cycle(
    share: float, peak: float, warmup: float, start_divisor: float, end_divisor: float
) -> float:
    """Learning rate at a share of the training: up along a cosine, then down (Smith 2018).

    Args:
        share: Done of the training, 0 to 1.
        peak: Highest learning rate.
        warmup: Share of the training at which it is reached.
        start_divisor: Of the highest learning rate, at the start.
        end_divisor: Of the highest learning rate, at the end.

    >>> [round(one_cycle(s, 1.0, 0.5, 10.0, 100.0), 3) for s in (0.0, 0.25, 0.5, 0.75, 1.0)]
    [0.1, 0.55, 1.0, 0.505, 0.01]
    """
    if share < warmup:
        low, progress = peak / start_divisor, share / warmup
    else:
        low, progress = peak / end_divisor, (1 - share) / (1 - warmup) if warmup < 1 else 1.0
    return low + (peak - low) * (1 - math.cos(math.pi * progress)) / 2


def one_cycle_group(network: nn.Module, rates: RateConfig, iterations: int) -> ParameterGroup:
    """All parameters of a network, trained by :class:`ClippedAdamW` over one cycle.

    Args:
        network: The network.
        rates: Of learning.
        iterations: Steps of the whole training.
    """

    def rate(step: int) -> float:
        share = min(step / max(iterations - 1, 1), 1.0)
        return one_cycle(share, rates.peak, rates.warmup, rates.start_divisor, rates.end_divisor)

    def optimizer(parameters: Iterable[nn.Parameter], first: float) -> Optimizer:
        return ClippedAdamW(parameters, first, rates.weight_decay, rates.clip_norm)

    return ParameterGroup("network", tuple(network.parameters()), rate, optimizer)
