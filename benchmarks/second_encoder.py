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
from sparse3d.nn.sparse_encoder import SparseEncoder
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
    """Inference beside spconv's, one thread each, and a training step.

    At last both once more with an allocator that keeps freed memory, as ``sparse3d detect`` has it:
    the pages of fresh memory cost spconv even more time than ours.
    """
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

    peer = _peer_of(encoder)

    def beside(name: str) -> Row:
        use_threads(1)
        ours, name_of_peer, theirs = clock.time(infer), "spconv on the CPU", None
        if isinstance(peer, SpconvEncoder):
            theirs = 1e3 * _time_peer(peer, grid, features, infer(), clock)
        else:
            name_of_peer += f": {peer}"
        values = (1e3 * ours.seconds, "ms", name_of_peer, theirs)
        return Row(name, *values, goal=settings.goal, goal_of="ratio", spread=ours.spread)

    alone = beside(f"inference, {frame}, 1 thread")
    yield alone
    use_threads(settings.threads)
    both = clock.time(infer)
    shown = f"inference, {settings.threads} threads"
    yield Row(shown, 1e3 * both.seconds, "ms", "1 thread", alone.value, spread=both.spread)
    encoder.train()
    step = clock.time(lambda: encoder(SparseTensor(grid, features)).sum().backward())
    yield Row("forward and backward, training", 1e3 * step.seconds, "ms", spread=step.spread)
    encoder.eval()
    if keep_freed_memory():  # for good, so it comes last
        yield beside("inference, 1 thread, freed memory kept")


def _peer_of(encoder: SparseEncoder) -> SpconvEncoder | UnavailableError:
    """The same in spconv, or why it is not there."""
    try:
        return SpconvEncoder(encoder)
    except UnavailableError as error:
        return error


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
