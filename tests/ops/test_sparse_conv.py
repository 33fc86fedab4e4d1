"""Rulebooks and sparse convolution against dictionaries, loops and the dense convolution."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from sparse3d.ops.backend import FastBackend, has_native, native_module
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
BACKENDS = [
    "torch",
    pytest.param("native", marks=pytest.mark.skipif(not has_native(), reason="no C++ kernels")),
]
each_backend = pytest.mark.parametrize("backend", BACKENDS)
needs_native = pytest.mark.skipif(not has_native(), reason="no C++ kernels")
ISAS = native_module().available_isas() if has_native() else []


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


@each_backend
@given(seed=st.integers(0, 1000), kernel=st.sampled_from(KERNELS), share=st.sampled_from((0.2, 1)))
def test_rules_equal_the_reference(
    seed: int, kernel: Kernel, share: float, backend: FastBackend
) -> None:
    grid = random_grid(seed, share)
    output, book = neighbours(grid, kernel, backend=backend)
    cells = [tuple(cell) for cell in grid.coordinates().tolist()]
    assert output.shape == kernel.output_shape(SHAPE)
    assert as_dict(output, book) == rules(cells, output.shape, kernel.size, kernel.stride)
    assert (book.inputs, book.outputs) == (len(grid), len(output))


@needs_native
@pytest.mark.parametrize("kernel", [*KERNELS, Kernel((9, 3, 1)), Kernel((9, 3, 5), (3, 2, 1))])
def test_backends_make_the_same_rules_of_a_large_grid(kernel: Kernel) -> None:
    generator = torch.Generator().manual_seed(9)
    cells = torch.randint(0, 40, (9000, 3), generator=generator) * torch.tensor([1, 2, 1])
    batch = torch.randint(0, 3, (9000, 1), generator=generator)
    grid = SparseGrid.of_coordinates(torch.cat([batch, cells], 1), (40, 79, 40), 4)
    (ours, native), (theirs, by_torch) = (
        neighbours(grid, kernel, backend=backend) for backend in ("native", "torch")
    )
    assert torch.equal(ours.keys, theirs.keys)
    assert native.counts == by_torch.counts
    assert torch.equal(native.sources, by_torch.sources)
    assert torch.equal(native.targets, by_torch.targets)


def test_wide_kernels_are_left_to_torch() -> None:
    grid, wide = random_grid(0), Kernel((1, 11, 1))
    assert sum(neighbours(grid, wide)[1].counts) > len(grid)
    if has_native():
        with pytest.raises(ValueError, match="up to 9 wide"):
            neighbours(grid, wide, backend="native")


@each_backend
@pytest.mark.parametrize("kernel", KERNELS)
def test_an_offset_pairs_no_row_twice_and_keeps_the_order_of_outputs(
    kernel: Kernel, backend: FastBackend
) -> None:
    _, book = neighbours(random_grid(3, 0.6), kernel, backend=backend)
    for each in (book, book.reversed()):
        for sources, targets in each.by_offset():
            assert len(sources.unique()) == len(sources)
            assert bool((targets.diff() > 0).all())
    mirror = list(reversed(book.by_offset()))
    pairs = zip(book.reversed().by_offset(), mirror, strict=True)
    same = all(torch.equal(a, c) and torch.equal(b, d) for (a, b), (c, d) in pairs)
    assert same or not book.mirrored


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


@each_backend
@pytest.mark.parametrize("kernel", [KERNELS[0], KERNELS[1], KERNELS[3]])
@pytest.mark.parametrize("channels", [(4, 2), (1, 1), (7, 16), (13, 33), (32, 64)])
def test_equals_the_reference_in_float32(
    kernel: Kernel, channels: tuple[int, int], backend: FastBackend
) -> None:
    grid, (inputs, outputs) = random_grid(5), channels
    generator = torch.Generator().manual_seed(6)
    features = torch.randn(len(grid), inputs, generator=generator, requires_grad=True)
    weight = torch.randn(kernel.volume, inputs, outputs, generator=generator, requires_grad=True)
    output, book = neighbours(grid, kernel)
    pairs = [list(zip(a.tolist(), b.tolist(), strict=True)) for a, b in book.by_offset()]
    wanted = reference(features, weight, pairs, len(output))
    got = sparse_conv(features, weight, book, backend=backend)
    assert torch.allclose(got.double(), wanted, atol=1e-4)
    cotangent = torch.randn(got.shape, generator=generator)
    ours = torch.autograd.grad(got, (features, weight), cotangent)
    theirs = torch.autograd.grad(wanted, (features, weight), cotangent.double())
    for a, b in zip(ours, theirs, strict=True):
        assert torch.allclose(a, b, rtol=1e-4, atol=1e-4)


def surface(cells: int) -> SparseGrid:
    """Two bumpy sheets of cells, more than a block and a chunk of the kernels hold."""
    x, y = torch.meshgrid(torch.arange(cells), torch.arange(cells), indexing="ij")
    z = (5 + 3 * (x / 7).sin() + 2 * (y / 5).cos()).long()
    sheets = [torch.stack([torch.full_like(x, b), x, y, z + b], -1).reshape(-1, 4) for b in (0, 1)]
    return SparseGrid.of_coordinates(torch.cat(sheets), (cells, cells, 16), 2)


@needs_native
@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("kernel", KERNELS[:2])
def test_every_instruction_set_equals_float64(kernel: Kernel, isa: str) -> None:
    grid = surface(90)
    generator = torch.Generator().manual_seed(2)
    features = torch.randn(len(grid), 20, generator=generator, requires_grad=True)
    weight = torch.randn(27, 20, 24, generator=generator, requires_grad=True)
    _, book = neighbours(grid, kernel)
    exact = sparse_conv(features.double(), weight.double(), book)
    cotangent = torch.randn(exact.shape, generator=generator)
    theirs = torch.autograd.grad(exact, (features, weight), cotangent.double())
    native_module().set_isa(isa)
    try:
        got = sparse_conv(features, weight, book, backend="native")
        ours = torch.autograd.grad(got, (features, weight), cotangent)
    finally:
        native_module().set_isa("auto")
    with torch.no_grad():
        for a, b in zip((got, *ours), (exact, *theirs), strict=True):
            assert float((a - b).abs().max()) < 1e-5 * float(b.abs().max())


@needs_native
def test_kernels_stay_within_their_arrays() -> None:
    native, no = native_module(), torch.zeros(0, dtype=torch.int32)
    features, weight, out = torch.ones(3, 2), torch.ones(1, 2, 2), torch.zeros(2, 2)

    def call(sources: list[int], targets: list[int], counts: list[int]) -> None:
        rows = (torch.tensor(v, dtype=torch.int32) for v in (sources, targets))
        native.sparse_conv_forward(features, weight, False, *rows, torch.tensor(counts), out)

    call([2, 0], [0, 1], [2])
    assert out.tolist() == [[2.0, 2.0], [2.0, 2.0]]
    for sources, targets in (([3], [0]), ([-1], [0]), ([0], [2]), ([0], [-1]), ([0, 1], [1, 0])):
        with pytest.raises(ValueError, match="rows that exist, in the order"):
            call(sources, targets, [len(sources)])
    for counts in ([1], [3], [-1], []):
        with pytest.raises(ValueError, match=r"counts|extent"):
            call([0, 1], [0, 1], counts)
    for keys in ([3, 3], [3, 1], [-1]):
        with pytest.raises(ValueError, match="sorted, distinct"):
            native.SameCells(torch.tensor(keys), [(0, 0, 0)])
    plan = native.SameCells(torch.tensor([1, 2]), [(0, 0, 0)])
    with pytest.raises(ValueError, match="extent"):
        plan.write(no, no)


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


@needs_native  # torch's own products promise the same bits on the same number of threads only
@pytest.mark.parametrize("kernel", KERNELS[:2])
def test_the_same_bits_for_any_number_of_threads(kernel: Kernel) -> None:
    grid = surface(60)
    features = torch.randn(len(grid), 16, requires_grad=True)
    weight = torch.randn(27, 16, 16, requires_grad=True)
    results = []
    before = torch.get_num_threads()
    try:
        for threads in (1, 2, 5):
            torch.set_num_threads(threads)
            _, book = neighbours(grid, kernel, backend="native")
            result = sparse_conv(features, weight, book, backend="native")
            cotangent = result.detach() * torch.arange(16)
            gradients = torch.autograd.grad(result, (features, weight), cotangent)
            results.append((book.sources, result.detach(), *gradients))
    finally:
        torch.set_num_threads(before)
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))


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
