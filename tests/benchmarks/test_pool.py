"""Pooling of the benchmark: that the peer finds the same, and that it would be seen if not."""

from dataclasses import replace

import pytest

from convolution.voxels import Frame, waves
from harness import Clock, UnavailableError
from pool import KERNEL, Layer, Peer
from sparse3d.ops.neighbours import neighbours

CLOCK = Clock(repeats=2, warmups=0)


def test_peer_agrees_with_us() -> None:
    grid = waves(800)
    try:
        peer = Peer(Frame(grid, "wavy surface"))
    except UnavailableError as error:
        pytest.skip(str(error))
    layer = Layer.random(neighbours(grid, KERNEL)[1], 5)
    assert peer.time(layer, CLOCK).backward.seconds > 0
    below = replace(layer, features=(-layer.features).detach().requires_grad_())
    with pytest.raises(RuntimeError, match="spconv's maxima differ"):
        peer.time(below, CLOCK)
