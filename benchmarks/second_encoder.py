"""The encoder of SECOND on a sweep: from voxels to the bird's eye view, rulebooks included."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from convolution.spconv_encoder import SpconvEncoder
from convolution.voxels import FrameSettings, read_frame
from harness import Clock, Row, UnavailableError, run
from harness.machine import use_threads
from sparse3d.nn.second_checkpoint import voxel_backbone_8x
from sparse3d.nn.sparse import SparseTensor
from sparse3d.scene.sparse_grid import SparseGrid
from sparse3d.train.allocator import keep_freed_memory

FRAME = FrameSettings()
INPUTS = 4
CLOSE = 1e-3
"""Largest difference from the peer, of the largest value."""


@dataclass(frozen=True)
class Settings:
    """The sweep and the goal."""

    frame: FrameSettings = FRAME
    threads: int = 2
    goal: float = 5.0
    """Times faster than spconv."""


def measure(settings: Settings, clock: Clock) -> Iterator[Row]:
    """Inference beside spconv's, one thread each, and a training step."""
    keep_freed_memory()  # as our training and detection do; it is spconv's memory, too
    frame = read_frame(settings.frame)
    x, y, z = frame.grid.shape
    grid = SparseGrid(frame.grid.keys, (x, y, z + 1), 1)  # as the published networks have it
    rng = torch.Generator().manual_seed(0)
    features = torch.randn(len(grid), INPUTS, generator=rng)
    torch.manual_seed(0)
    encoder = voxel_backbone_8x(grid.shape, INPUTS).eval()

    def infer() -> Tensor:
        with torch.no_grad():
            return encoder(SparseTensor(grid, features))

    use_threads(1)
    alone = clock.time(infer)
    peer, theirs = "spconv on the CPU", None
    try:
        theirs = 1e3 * _time_peer(SpconvEncoder(encoder), grid, features, infer(), clock)
    except UnavailableError as error:
        peer += f": {error}"
    yield Row(
        f"inference, {frame}, 1 thread",
        *(1e3 * alone.seconds, "ms", peer, theirs),
        goal=settings.goal,
        goal_of="ratio",
        spread=alone.spread,
    )
    use_threads(settings.threads)
    both = clock.time(infer)
    shown = f"inference, {settings.threads} threads"
    values = (1e3 * both.seconds, "ms", "1 thread", 1e3 * alone.seconds)
    yield Row(shown, *values, spread=both.spread)
    encoder.train()
    step = clock.time(lambda: encoder(SparseTensor(grid, features)).sum().backward())
    yield Row("forward and backward, training", 1e3 * step.seconds, "ms", spread=step.spread)


def _time_peer(
    peer: SpconvEncoder, grid: SparseGrid, features: Tensor, ours: Tensor, clock: Clock
) -> float:
    cells = peer.cells(grid)
    difference = (peer(grid, cells, features) - ours).abs().max()
    if difference > CLOSE * ours.abs().max():
        raise RuntimeError(f"spconv's output differs by {float(difference)}")
    return clock.time(lambda: peer(grid, cells, features)).seconds


if __name__ == "__main__":
    code = ["benchmarks/convolution", "sparse3d/nn", "sparse3d/ops/sparse_conv"]
    run(__file__, measure, Settings(), code=[*code, "sparse3d/ops/neighbours"])
