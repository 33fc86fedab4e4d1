"""Voxels of the benchmarks of sparse convolution, and that their peer computes the same."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from convolution.spconv_peer import Spconv
from convolution.voxels import FrameSettings, read_frame, waves
from harness import Clock, UnavailableError
from sparse3d.ops.neighbours import Kernel, neighbours
from sparse3d.ops.sparse_conv import sparse_conv
from sparse_conv import Layer

KERNELS = (
    Kernel(),
    Kernel(stride=(2, 2, 2)),
    Kernel((3, 1, 5), (1, 2, 1)),
    Kernel(dilation=(2, 1, 3)),
    Kernel((2, 3, 2), (2, 1, 2), (1, 2, 1), (0, 1, 1)),
    Kernel(padding=(1, 1, 1)),
    Kernel((2, 2, 2), (2, 2, 2), padding=(0, 0, 0), transposed=True),
    Kernel(stride=(2, 2, 1), transposed=True),
)


@pytest.fixture
def spconv() -> Iterator[Spconv]:
    """The peer, with one thread: with two its sums differed from ours, as of float64."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield Spconv()
    except UnavailableError as error:
        pytest.skip(str(error))
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize("count", [1, 7, 1000])
def test_waves_have_as_many_voxels_as_asked_for(count: int) -> None:
    grid = waves(count)
    assert len(grid) == count
    assert torch.equal(grid.keys, waves(count).keys)


def test_waves_have_the_neighbours_of_surfaces() -> None:
    _, rules = neighbours(waves(5000), Kernel())
    assert 7 < sum(rules.counts) / 5000 < 10


def test_a_frame_is_read_from_its_file(tmp_path: Path) -> None:
    """Two points share a voxel, one is out of range."""
    rows = [[1.01, 0.01, 0.01, 0.5], [1.02, 0.02, 0.02, 0.5], [2, 3, -1, 0.1], [-5, 0, 0, 0]]
    file = tmp_path / "sweep.bin"
    file.write_bytes(torch.tensor(rows).numpy().astype("<f4").tobytes())
    frame = read_frame(FrameSettings(file=str(file)))
    assert str(frame) == "2 voxels of a KITTI sweep"
    assert frame.grid.shape == (1408, 1600, 40)


@pytest.mark.parametrize("kernel", KERNELS)
def test_peer_agrees_with_us(spconv: Spconv, kernel: Kernel) -> None:
    grid, rng = waves(800), torch.Generator().manual_seed(0)
    features = torch.randn(len(grid), 5, generator=rng)
    weight = torch.randn(kernel.volume, 5, 7, generator=rng)
    _, rules = neighbours(grid, kernel)
    theirs = spconv.rules(spconv.cells(grid), grid, kernel)
    found = spconv.convolve(features, spconv.filters(weight, kernel), theirs)
    expected = sparse_conv(features, weight, rules)
    assert theirs.outputs == len(expected)
    assert float(expected.abs().sum()) > 0
    if kernel.submanifold:
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    else:  # its outputs are in another order
        torch.testing.assert_close(found.sum(0), expected.sum(0), rtol=1e-4, atol=1e-3)
        torch.testing.assert_close(found.square().sum(), expected.square().sum())


def test_operations_of_a_layer_are_counted_by_hand() -> None:
    """A pair has 3 by 3 multiply-adds of two operations; a lone voxel is one pair."""
    grid = waves(1)
    _, rules = neighbours(grid, Kernel())
    assert Layer.random(rules, 3).flops == 2 * 9
    _, rules = neighbours(waves(4), Kernel())
    assert Layer.random(rules, 3).flops == sum(rules.counts) * 2 * 9


def test_both_passes_of_a_layer_run_again_and_again() -> None:
    _, rules = neighbours(waves(20), Kernel())
    layer = Layer.random(rules, 4)
    output = layer.forward()
    first, again = layer.backward(output), layer.backward(output)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert Clock(2, 0).time(layer.forward).seconds > 0
