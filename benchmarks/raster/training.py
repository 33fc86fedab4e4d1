"""A training iteration of a splat as a user's loop has it, and what its parts take."""

import time
from dataclasses import dataclass
from itertools import pairwise

import torch

from harness import Clock, Timing, UnavailableError
from raster.render import leaves, render
from raster.scenes import Scene
from sparse3d.ops.adam import Adam
from sparse3d.ops.ssim import photometric_loss
from sparse3d.train.allocator import keep_freed_memory

__all__ = ["Iteration", "Training", "time_forward", "time_training"]

RATE = 1e-9
"""Small enough for the scene to stay as it is while it is measured."""


@dataclass(frozen=True)
class Iteration:
    """Times of one iteration, or their medians."""

    whole: Timing
    forward: Timing
    loss: Timing
    """L1 and SSIM; the native operator computes their gradient here, too."""
    backward: Timing
    optimizer: Timing
    project: Timing
    """Of the forward pass: to pixels, with colours."""
    listing: Timing
    """Of the forward pass: sort by depth, list by tile."""
    blend: Timing
    """Of the forward pass: the tiles."""


class Training:
    """Fits a scene to a noisy picture of itself with Adam."""

    def __init__(self, scene: Scene) -> None:
        keep_freed_memory()  # as every training of ours does
        self._scene, parameters = leaves(scene)
        self._optimizer = Adam(parameters, lr=RATE)
        with torch.no_grad():
            picture = render(scene).colors[0]
        rng = torch.Generator().manual_seed(2)
        noise = 0.1 * torch.randn(picture.shape, generator=rng)
        self._target = (picture + noise).clamp(0, 1)

    def step(self) -> list[float]:
        """One iteration; seconds of the whole, its four parts and the stages of the first."""
        moments = [time.perf_counter()]

        def mark() -> None:
            moments.append(time.perf_counter())

        self._optimizer.zero_grad()
        drawn = render(self._scene)
        mark()
        loss = photometric_loss(drawn.colors[0], self._target)
        mark()
        loss.backward()
        mark()
        self._optimizer.step()
        mark()
        parts = [end - begin for begin, end in pairwise(moments)]
        stages = drawn.stages
        if stages is None:
            raise UnavailableError("the native kernels were not built, only they tell their stages")
        return [moments[-1] - moments[0], *parts, stages.project, stages.sort, stages.blend]


def time_training(scene: Scene, clock: Clock) -> Iteration:
    """Medians of the parts of several iterations."""
    samples = zip(*clock.repeat(Training(scene).step), strict=True)
    return Iteration(*(Timing.of(part) for part in samples))


def time_forward(scene: Scene, clock: Clock) -> Timing:
    """Time to draw without a gradient."""
    with torch.no_grad():
        return clock.time(lambda: render(scene))
