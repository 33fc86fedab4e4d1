"""Sparse convolution, 3x3x3 without stride, on the voxels of a sweep."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from convolution.spconv_peer import Spconv, SpconvRules
from convolution.voxels import Frame, FrameSettings, read_frame
from harness import Clock, Row, Timing, UnavailableError, run
from harness.machine import use_threads
from sparse3d.ops.neighbours import Kernel, Rulebook, neighbours
from sparse3d.ops.sparse_conv import sparse_conv

FRAME = FrameSettings()
KERNEL = Kernel()
CLOSE = 1e-4
"""Largest difference from the peer, of the largest value."""


@dataclass(frozen=True)
class Settings:
    """The sweep and the layers."""

    frame: FrameSettings = FRAME
    channels: tuple[int, ...] = (16, 32, 64, 128)
    """In and out."""
    matrix: int = 2048
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
    def random(cls, rules: Rulebook, channels: int) -> "Layer":
        """As many channels in as out, all values normal(0, 1)."""
        rng = torch.Generator().manual_seed(channels)
        return cls(
            torch.randn(rules.inputs, channels, generator=rng).requires_grad_(),
            torch.randn(len(rules.counts), channels, channels, generator=rng).requires_grad_(),
            torch.randn(rules.outputs, channels, generator=rng),
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
        layer = Layer.random(rules, channels)
        forward = clock.time(layer.forward)
        output = layer.forward()
        backward = clock.time(lambda one=layer, of=output: one.backward(of))
        yield _rate(f"forward, {channels} channels", layer.flops, forward, dense)
        yield _rate(f"backward, {channels} channels", 2 * layer.flops, backward, dense)
        yield peer.row(f"  forward, {channels} channels, 1 thread", layer, clock)
        use_threads(settings.threads)


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

    def row(self, name: str, layer: Layer, clock: Clock) -> Row:
        """One thread for both: with two, sums of spconv 2.3.8 differed from ours."""
        use_threads(1)
        ours = clock.time(layer.forward)
        theirs = None
        if self._spconv is not None and self._rules is not None:
            theirs = 1e3 * _time_peer(self._spconv, self._rules, layer, clock).seconds
        return Row(name, 1e3 * ours.seconds, "ms", self.name, theirs, spread=ours.spread)


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


def _rate(name: str, flops: float, timing: Timing, dense: float) -> Row:
    rate = 1e-9 * flops / timing.seconds
    return Row(name, rate, "GFLOP/s", "torch.mm", dense, better="higher", spread=timing.spread)


if __name__ == "__main__":
    code = ["benchmarks/convolution", "sparse3d/ops/sparse_conv", "sparse3d/ops/neighbours"]
    run(__file__, measure, Settings(), code=code)
