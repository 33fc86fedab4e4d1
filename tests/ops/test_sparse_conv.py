"""Rulebooks and sparse convolution against dictionaries, loops and the dense convolution."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from sparse3d.ops.neighbours import Kernel, Rulebook, neighbours
from sparse3d.ops.neighbours._reference import rules
from sparse3d.ops.sparse_conv import sparse_conv
from sparse3d.ops.sparse_conv._reference import sparse_conv as reference
from sparse3d.scene.sparse_grid import SparseGrid

KERNELS = (
    Kernel(),
    Kernel(stride=(2, 2, 2)),
    Kernel((1, 3, 5)),
    Kernel((3, 1, 3), (2, 1, 3)),
    Kernel((1, 1, 3), (1, 1, 2)),
    Kernel((1, 1, 1), (2, 2, 2)),
)
SHAPE = (7, 4, 6)


def random_grid(seed: int, share: float = 0.2, batch: int = 2) -> SparseGrid:
    generator = torch.Generator().manual_seed(seed)
    cells = (torch.rand(batch, *SHAPE, generator=generator) < share).nonzero()
    return SparseGrid.of_coordinates(cells, SHAPE, batch)


def dense_of(grid: SparseGrid, features: Tensor) -> Tensor:
    """[batch, channels, x, y, z]."""
    dense = features.new_zeros(grid.batch_size, *grid.shape, features.shape[1])
    dense = dense.index_put(tuple(grid.coordinates().T), features)
    return dense.permute(0, 4, 1, 2, 3)


def dense_conv(grid: SparseGrid, features: Tensor, weight: Tensor, kernel: Kernel) -> Tensor:
    """Torch's convolution, [batch, out, x, y, z]."""
    filters = weight.reshape(*kernel.size, *weight.shape[1:]).permute(4, 3, 0, 1, 2)
    padding = tuple(k // 2 for k in kernel.size)
    dense = dense_of(grid, features)
    return torch.nn.functional.conv3d(dense, filters, stride=kernel.stride, padding=padding)


def as_dict(output: SparseGrid, book: Rulebook) -> dict[tuple[int, ...], dict[int, int]]:
    found: dict[tuple[int, ...], dict[int, int]] = {}
    cells = output.coordinates().tolist()
    for number, (sources, targets) in enumerate(book.by_offset()):
        for source, target in zip(sources.tolist(), targets.tolist(), strict=True):
            found.setdefault(tuple(cells[target]), {})[number] = source
    return found


@given(st.integers(0, 1000), st.sampled_from(KERNELS))
def test_rules_equal_the_reference(seed: int, kernel: Kernel) -> None:
    grid = random_grid(seed)
    output, book = neighbours(grid, kernel)
    cells = [tuple(cell) for cell in grid.coordinates().tolist()]
    assert output.shape == kernel.output_shape(SHAPE)
    assert as_dict(output, book) == rules(cells, output.shape, kernel.size, kernel.stride)
    assert (book.inputs, book.outputs) == (len(grid), len(output))


@pytest.mark.parametrize("kernel", KERNELS)
def test_an_offset_pairs_no_row_twice(kernel: Kernel) -> None:
    _, book = neighbours(random_grid(3, 0.6), kernel)
    for sources, targets in book.by_offset():
        assert len(sources.unique()) == len(sources)
        assert len(targets.unique()) == len(targets)


@pytest.mark.parametrize("kernel", KERNELS)
def test_equals_the_dense_convolution(kernel: Kernel) -> None:
    grid = random_grid(1)
    features = torch.randn(len(grid), 3, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(kernel.volume, 3, 5, dtype=torch.float64, requires_grad=True)
    output, book = neighbours(grid, kernel)
    got = sparse_conv(features, weight, book)
    wanted = dense_conv(grid, features, weight, kernel)
    batch, x, y, z = output.coordinates().T
    picked = wanted[batch, :, x, y, z]
    assert torch.allclose(got, picked, atol=1e-12)
    if not kernel.submanifold:  # elsewhere the dense one is zero
        there = dense_of(output, torch.ones(len(output), 1, dtype=torch.float64))
        assert bool((wanted * (1 - there) == 0).all())
    cotangent = torch.randn_like(got)
    ours = torch.autograd.grad((got * cotangent).sum(), (features, weight))
    theirs = torch.autograd.grad((picked * cotangent).sum(), (features, weight))
    for a, b in zip(ours, theirs, strict=True):
        assert torch.allclose(a, b, atol=1e-12)


@pytest.mark.parametrize("kernel", KERNELS[:2])
def test_equals_the_reference_in_float32(kernel: Kernel) -> None:
    grid = random_grid(5)
    features, weight = torch.randn(len(grid), 4), torch.randn(kernel.volume, 4, 2)
    output, book = neighbours(grid, kernel)
    pairs = [list(zip(a.tolist(), b.tolist(), strict=True)) for a, b in book.by_offset()]
    wanted = reference(features, weight, pairs, len(output))
    assert torch.allclose(sparse_conv(features, weight, book).double(), wanted, atol=1e-5)


def test_gradcheck() -> None:
    grid = random_grid(2, 0.05)
    _, book = neighbours(grid, Kernel(stride=(2, 2, 2)))
    features = torch.randn(len(grid), 2, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(27, 2, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda f, w: sparse_conv(f, w, book), (features, weight))


@pytest.mark.parametrize("kernel", KERNELS[:2])
def test_empty_grids_and_empty_batch_elements(kernel: Kernel) -> None:
    empty = SparseGrid.of_coordinates(torch.zeros(0, 4, dtype=torch.int64), SHAPE, 2)
    output, book = neighbours(empty, kernel)
    assert len(output) == 0
    assert sparse_conv(torch.zeros(0, 3), torch.ones(27, 3, 4), book).shape == (0, 4)
    one = SparseGrid.of_coordinates(torch.tensor([[1, 2, 2, 2]]), SHAPE, 3)
    output, book = neighbours(one, kernel)
    result = sparse_conv(torch.ones(1, 1), torch.ones(27, 1, 1), book)
    assert torch.equal(result, torch.ones(len(output), 1))


def test_neighbours_do_not_cross_the_border_or_the_batch() -> None:
    cells = torch.tensor([[0, 6, 3, 5], [1, 0, 0, 0], [0, 0, 0, 0]])
    grid = SparseGrid.of_coordinates(cells, SHAPE, 2)
    _, book = neighbours(grid, Kernel())
    assert sum(book.counts) == 3  # each cell has only itself


def test_the_ends_of_the_largest_grid_are_no_neighbours() -> None:
    cells = torch.tensor([[0, 0, 0, 0], [0, 65534, 0, 0], [0, 0, 65534, 65534]])
    grid = SparseGrid.of_coordinates(cells, (65535, 65535, 65535), 1)
    _, book = neighbours(grid, Kernel())
    assert sum(book.counts) == 3
    larger = SparseGrid.of_coordinates(cells, (65536, 65535, 65535), 1)
    with pytest.raises(ValueError, match="too large"):
        neighbours(larger, Kernel())


def test_the_same_bits_for_any_number_of_threads() -> None:
    grid = random_grid(4, 0.5, batch=4)
    features = torch.randn(len(grid), 16, requires_grad=True)
    weight = torch.randn(27, 16, 16)
    _, book = neighbours(grid, Kernel())
    results = []
    before = torch.get_num_threads()
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            result = sparse_conv(features, weight, book)
            (gradient,) = torch.autograd.grad(result.square().sum(), features)
            results.append((result.detach(), gradient))
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))


def test_what_does_not_fit_is_refused() -> None:
    grid = random_grid(0)
    _, book = neighbours(grid, Kernel())
    features, weight = torch.zeros(len(grid), 2), torch.zeros(27, 2, 2)
    with pytest.raises(ValueError, match="27 offsets"):
        sparse_conv(features, weight[:8], book)
    with pytest.raises(ValueError, match=f"{len(grid)} inputs"):
        sparse_conv(features[1:], weight, book)
    with pytest.raises(ValueError, match="one dtype"):
        sparse_conv(features, weight.double(), book)


@pytest.mark.parametrize(("size", "stride"), [((2, 3, 3), (1, 1, 1)), ((3, 3, 3), (0, 1, 1))])
def test_kernels_are_odd_and_strides_positive(
    size: tuple[int, int, int], stride: tuple[int, int, int]
) -> None:
    with pytest.raises(ValueError, match="odd sizes and positive strides"):
        Kernel(size, stride)
