"""Max pooling, 2x2x2 with stride 2, of the voxels of a sweep."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from convolution.spconv_peer import Spconv, SpconvRules
from convolution.voxels import Frame, FrameSettings, read_frame
from harness import Clock, Row, Timing, UnavailableError, run
from harness.machine import use_threads
from sparse3d.ops.backend import FastBackend, has_native
from sparse3d.ops.neighbours import Kernel, Rulebook, neighbours
from sparse3d.ops.pool import max_pool

FRAME = FrameSettings()
KERNEL = Kernel((2, 2, 2), (2, 2, 2), padding=(0, 0, 0))
CLOSE = 1e-4
"""Largest difference from the peer, of the sum of each channel."""


@dataclass(frozen=True)
class Settings:
    """The sweep and the layers."""

    frame: FrameSettings = FRAME
    channels: tuple[int, ...] = (32, 64)
    threads: int = 2


@dataclass(frozen=True)
class Passes:
    """How long one backend takes."""

    forward: Timing
    backward: Timing


@dataclass(frozen=True)
class Layer:
    """What is pooled."""

    features: Float[Tensor, "n c"]
    cotangent: Float[Tensor, "m c"]
    rules: Rulebook

    @classmethod
    def random(cls, rules: Rulebook, channels: int) -> "Layer":
        """Features are the sizes of normal numbers: spconv takes nothing below 0."""
        rng = torch.Generator().manual_seed(channels)
        return cls(
            torch.randn(rules.inputs, channels, generator=rng).abs().requires_grad_(),
            torch.randn(rules.outputs, channels, generator=rng),
            rules,
        )

    def pool(self, backend: FastBackend) -> Float[Tensor, "m c"]:
        """The forward pass."""
        return max_pool(self.features, self.rules, backend=backend).features

    def gradient(self, pooled: Float[Tensor, "m c"]) -> Float[Tensor, "n c"]:
        """The backward pass."""
        return torch.autograd.grad(pooled, self.features, self.cotangent, retain_graph=True)[0]

    def time(self, backend: FastBackend, clock: Clock) -> Passes:
        """Both of them."""
        forward, pooled = clock.time(lambda: self.pool(backend)), self.pool(backend)
        return Passes(forward, clock.time(lambda: self.gradient(pooled)))


class Peer:
    """spconv on the same voxels.

    Raises:
        UnavailableError: If it is not installed or does not come up.
    """

    def __init__(self, frame: Frame) -> None:
        self._spconv = Spconv()
        cells = self._spconv.cells(frame.grid)
        self._rules: SpconvRules = self._spconv.rules(cells, frame.grid, KERNEL)

    def time(self, layer: Layer, clock: Clock) -> Passes:
        """Both passes, once they agree with ours.

        Raises:
            RuntimeError: If they do not.
        """
        features, gradient = layer.features.detach(), layer.cotangent
        pooled = self._spconv.max_pool(features, self._rules)
        ours = layer.pool("auto")
        _check(pooled.sum(0), ours.detach().sum(0), "maxima")
        # Its outputs are in another order: one cotangent for all rows of a channel.
        same = gradient[:1].expand(gradient.shape).contiguous()
        theirs = self._spconv.max_pool_backward(features, pooled, same, self._rules)
        _check(theirs, torch.autograd.grad(ours, layer.features, same)[0], "gradient")
        return Passes(
            clock.time(lambda: self._spconv.max_pool(features, self._rules)),
            clock.time(
                lambda: self._spconv.max_pool_backward(features, pooled, gradient, self._rules)
            ),
        )


def measure(settings: Settings, clock: Clock) -> Iterator[Row]:
    """Both passes beside spconv's and those of our torch backend."""
    if not has_native():
        raise UnavailableError("the C++ kernels were not built")
    use_threads(settings.threads)
    frame = read_frame(settings.frame)
    _, rules = neighbours(frame.grid, KERNEL)
    peer, name = _peer(frame)
    for channels in settings.channels:
        layer = Layer.random(rules, channels)
        ours, torchs = layer.time("native", clock), layer.time("torch", clock)
        theirs = None if peer is None else peer.time(layer, clock)
        case = f"{channels} channels, {frame}"
        yield _row(f"forward, {case}", ours.forward, name, theirs and theirs.forward)
        yield _row("  forward", ours.forward, "torch backend", torchs.forward)
        yield _row(f"backward, {case}", ours.backward, name, theirs and theirs.backward)
        yield _row("  backward", ours.backward, "torch backend", torchs.backward)


def _peer(frame: Frame) -> tuple[Peer | None, str]:
    """The peer, if it is there, and what is to be said about it."""
    try:
        return Peer(frame), "spconv on the CPU"
    except UnavailableError as error:
        return None, f"spconv on the CPU: {error}"


def _check(theirs: Tensor, ours: Tensor, name: str) -> None:
    difference = float((theirs - ours).abs().max())
    if difference > CLOSE * float(ours.abs().max()):
        raise RuntimeError(f"spconv's {name} differ by {difference}")


def _row(name: str, ours: Timing, peer: str, theirs: Timing | None) -> Row:
    value = None if theirs is None else 1e3 * theirs.seconds
    return Row(name, 1e3 * ours.seconds, "ms", peer, value, spread=ours.spread)


if __name__ == "__main__":
    code = ["benchmarks/convolution", "sparse3d/ops/pool", "sparse3d/ops/neighbours"]
    run(__file__, measure, Settings(), code=code)
