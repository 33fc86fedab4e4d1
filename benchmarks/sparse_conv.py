"""Sparse convolution, 3x3x3 without stride, on the voxels of a sweep."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from convolution.spconv_peer import Spconv, SpconvRules
from convolution.voxels import Frame, FrameSettings, read_frame
from harness import Clock, Row, Timing, UnavailableError, run
from harness.machine import use_threads
from sparse3d.ops.backend import has_native, native_module
from sparse3d.ops.neighbours import Kernel, Rulebook, neighbours
from sparse3d.ops.sparse_conv import sparse_conv

FRAME = FrameSettings()
KERNEL = Kernel()
PEER_GOALS = {16: 4.0, 32: 4.0, 64: 2.5, 128: 2.5}
"""How many times as fast as spconv, by channels."""
HALF_GOALS = {16: 1.2, 32: 1.2, 64: 2.0, 128: 2.0}
"""How many times as fast as float32 bfloat16 is, by channels, with instructions for it."""
DENSE_SHARE = 0.6
"""Of the rate of the dense product, from 64 channels on."""
BACKWARD = 2.5
"""Forward passes that both gradients may take."""
THREADS = 1.7
"""How many times as fast two threads are."""
CLOSE = 1e-4
"""Largest difference from the peer, of the largest value."""


@dataclass(frozen=True)
class Settings:
    """The sweep and the layers."""

    frame: FrameSettings = FRAME
    channels: tuple[int, ...] = (16, 32, 64, 128)
    """In and out."""
    matrix: int = 4096
    """Edge of the dense matrices beside."""
    threads: int = 2


@dataclass(frozen=True)
class Layer:
    """What a convolution works on."""

    features: Tensor
    weight: Tensor
    cotangent: Tensor
    rules: Rulebook

    @classmethod
    def random(cls, rules: Rulebook, channels: int, dtype: torch.dtype = torch.float32) -> "Layer":
        """As many channels in as out, all values normal(0, 1)."""
        rng = torch.Generator().manual_seed(channels)
        return cls(
            torch.randn(rules.inputs, channels, generator=rng).to(dtype).requires_grad_(),
            torch.randn(len(rules.counts), channels, channels, generator=rng)
            .to(dtype)
            .requires_grad_(),
            torch.randn(rules.outputs, channels, generator=rng).to(dtype),
            rules,
        )

    @property
    def flops(self) -> float:
        """Floating-point operations of the forward pass; the backward pass has twice as many."""
        return 2.0 * sum(self.rules.counts) * self.weight.shape[1] * self.weight.shape[2]

    def forward(self) -> Tensor:
        """The convolution."""
        return sparse_conv(self.features, self.weight, self.rules)

    def backward(self, output: Tensor) -> tuple[Tensor, ...]:
        """Gradients of features and weight."""
        leaves = (self.features, self.weight)
        return torch.autograd.grad(output, leaves, self.cotangent, retain_graph=True)


def measure(settings: Settings, clock: Clock) -> Iterator[Row]:
    """Both passes beside a product of dense matrices, and the forward pass beside spconv's."""
    use_threads(settings.threads)
    frame = read_frame(settings.frame)
    _, rules = neighbours(frame.grid, KERNEL)
    yield Row(f"pairs a voxel, {frame}", sum(rules.counts) / len(frame.grid), "pairs")
    dense = _dense(settings.matrix, clock)
    yield Row(f"torch.mm, {settings.matrix} square", dense, "GFLOP/s", better="higher")
    peer = _Peer(frame)
    for channels in settings.channels:
        yield from _passes(channels, rules, dense, clock)
        yield from peer.rows(channels, rules, settings.threads, clock)
        use_threads(settings.threads)


def _passes(channels: int, rules: Rulebook, dense: float, clock: Clock) -> Iterator[Row]:
    """Both passes with all threads, and the forward pass in bfloat16."""
    layer = Layer.random(rules, channels)
    forward = clock.time(layer.forward)
    output = layer.forward()
    backward = clock.time(lambda: layer.backward(output))
    yield _rate(f"forward, {channels} channels", layer.flops, forward, dense, channels)
    ratio = backward.seconds / forward.seconds
    name = f"  backward, {channels} channels, both gradients"
    yield Row(name, ratio, "forward passes", goal=BACKWARD, spread=backward.spread)
    half = clock.time(Layer.random(rules, channels, torch.bfloat16).forward)
    unit = native_module().halves() if has_native() else "torch"
    yield Row(
        *(f"  forward, {channels} channels, bfloat16 ({unit})", 1e3 * half.seconds, "ms"),
        *("float32", 1e3 * forward.seconds),
        goal=HALF_GOALS.get(channels) if unit in ("dot", "tiles") else None,
        goal_of="ratio",
        spread=half.spread,
    )


class _Peer:
    """spconv on the same voxels, or the reason why it is not there."""

    def __init__(self, frame: Frame) -> None:
        self.name, self._spconv, self._rules = "spconv on the CPU", None, None
        try:
            self._spconv = Spconv()
        except UnavailableError as error:
            self.name += f": {error}"
            return
        cells = self._spconv.cells(frame.grid)
        self._rules = self._spconv.rules(cells, frame.grid, KERNEL)

    def rows(self, channels: int, rules: Rulebook, threads: int, clock: Clock) -> Iterator[Row]:
        """One thread beside all, and beside spconv's one: with two, its sums differed from ours."""
        layer = Layer.random(rules, channels)
        all_threads = clock.time(layer.forward)
        use_threads(1)
        ours = clock.time(layer.forward)
        name, alone = f"  forward, {channels} channels", 1e3 * ours.seconds
        yield Row(
            *(f"{name}, {threads} threads", 1e3 * all_threads.seconds, "ms", "one thread", alone),
            goal=THREADS if threads > 1 else None,
            goal_of="ratio",
            spread=all_threads.spread,
        )
        theirs = None
        if self._spconv is not None and self._rules is not None:
            theirs = 1e3 * _time_peer(self._spconv, self._rules, layer, clock).seconds
        yield Row(
            *(f"{name}, 1 thread", alone, "ms", self.name, theirs),
            goal=PEER_GOALS.get(channels),
            goal_of="ratio",
            spread=ours.spread,
        )


def _time_peer(spconv: Spconv, rules: SpconvRules, layer: Layer, clock: Clock) -> Timing:
    features, weight = layer.features.detach(), layer.weight.detach()
    filters, ours = spconv.filters(weight, KERNEL), layer.forward().detach()
    difference = (spconv.convolve(features, filters, rules) - ours).abs().max()
    if difference > CLOSE * ours.abs().max():
        raise RuntimeError(f"spconv's output differs by {float(difference)}")
    return clock.time(lambda: spconv.convolve(features, filters, rules))


def _dense(edge: int, clock: Clock) -> float:
    """Billions of floating-point operations a second of a product of matrices."""
    left, right = torch.randn(2, edge, edge, generator=torch.Generator().manual_seed(0))
    return 2e-9 * edge**3 / clock.time(lambda: left @ right).seconds


def _rate(name: str, flops: float, timing: Timing, dense: float, channels: int) -> Row:
    return Row(
        *(name, 1e-9 * flops / timing.seconds, "GFLOP/s", "torch.mm", dense),
        goal=DENSE_SHARE if channels >= 64 else None,
        goal_of="ratio",
        better="higher",
        spread=timing.spread,
    )


if __name__ == "__main__":
    code = ["benchmarks/convolution", "sparse3d/ops/sparse_conv", "sparse3d/ops/neighbours"]
    run(__file__, measure, Settings(), code=code)
