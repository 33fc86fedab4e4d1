"""Sparse convolution against loops and the dense convolution."""

import pytest
import torch
from torch import Tensor

from sparse3d.ops.backend import FastBackend, has_native, native_module
from sparse3d.ops.neighbours import Kernel, neighbours
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
    Kernel((3, 3, 1), dilation=(2, 1, 1)),
    Kernel((2, 4, 1)),
    Kernel((2, 2, 2), (2, 2, 2), padding=(0, 0, 0)),
    Kernel((3, 2, 3), padding=(1, 0, 2)),
    Kernel((3, 2, 3), (2, 1, 2), (1, 2, 2), (0, 1, 2)),
    Kernel((2, 2, 2), (2, 2, 2), padding=(0, 0, 0), transposed=True),
    Kernel((3, 2, 3), (2, 3, 1), (1, 2, 1), transposed=True, output_padding=(1, 0, 0)),
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
    """Torch's convolution, [batch, out, x, y, z], at the cells that ours may have."""
    dense, filters = dense_of(grid, features), weight.reshape(*kernel.size, *weight.shape[1:])
    steps, around, apart = kernel.stride, kernel.pad, kernel.dilation
    if kernel.transposed:
        more, matrices = kernel.output_padding, filters.permute(3, 4, 0, 1, 2)
        return torch.nn.functional.conv_transpose3d(
            dense, matrices, None, steps, around, more, dilation=apart
        )
    matrices = filters.permute(4, 3, 0, 1, 2)
    result = torch.nn.functional.conv3d(dense, matrices, None, steps, around, apart)
    x, y, z = kernel.output_shape(grid.shape)
    return result[:, :, :x, :y, :z]  # even kernels reach one cell further


@pytest.mark.parametrize("kernel", KERNELS)
def test_equals_the_dense_convolution(kernel: Kernel) -> None:
    grid = random_grid(1)
    features = torch.randn(len(grid), 3, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(kernel.volume, 3, 5, dtype=torch.float64, requires_grad=True)
    output, book = neighbours(grid, kernel)
    got = sparse_conv(features, weight, book)
    wanted = dense_conv(grid, features, weight, kernel)
    assert wanted.shape[2:] == output.shape
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


@each_backend
@pytest.mark.parametrize("channels", [(4, 2), (7, 16), (13, 33)])
@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("biased", [False, True])
def test_bias_and_relu_equal_the_reference(
    channels: tuple[int, int], relu: bool, biased: bool, backend: FastBackend
) -> None:
    grid, (inputs, outputs) = random_grid(5), channels
    rng = torch.Generator().manual_seed(7)
    features = torch.randn(len(grid), inputs, generator=rng, requires_grad=True)
    weight = torch.randn(27, inputs, outputs, generator=rng, requires_grad=True)
    bias = torch.randn(outputs, generator=rng, requires_grad=True) if biased else None
    _, book = neighbours(grid, Kernel())
    pairs = [list(zip(a.tolist(), b.tolist(), strict=True)) for a, b in book.by_offset()]
    wanted = reference(features, weight, pairs, len(grid), bias, relu=relu)
    got = sparse_conv(features, weight, book, bias=bias, relu=relu, backend=backend)
    assert torch.allclose(got.double(), wanted, atol=1e-4)
    assert bool((got == 0).any()) == relu
    leaves = [features, weight, *([] if bias is None else [bias])]
    cotangent = torch.randn(got.shape, generator=rng)
    ours = torch.autograd.grad(got, leaves, cotangent)
    theirs = torch.autograd.grad(wanted, leaves, cotangent.double())
    for a, b in zip(ours, theirs, strict=True):
        assert torch.allclose(a, b, rtol=1e-4, atol=1e-4)


@needs_native
@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("outputs", [1, 5, 16, 24, 37])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_bias_and_relu_are_as_if_done_afterwards(
    outputs: int, isa: str, dtype: torch.dtype
) -> None:
    grid, rng = surface(40), torch.Generator().manual_seed(outputs)
    features = torch.randn(len(grid), 6, generator=rng).to(dtype)
    weight = torch.randn(27, 6, outputs, generator=rng).to(dtype)
    bias = torch.randn(outputs * 2, generator=rng).to(dtype)[::2]
    _, book = neighbours(grid, Kernel())
    native_module().set_isa(isa)
    try:
        sums = sparse_conv(features, weight, book, backend="native")
        got = sparse_conv(features, weight, book, bias=bias, relu=True, backend="native")
    finally:
        native_module().set_isa("auto")
    if dtype == torch.float32:
        assert torch.equal(got, torch.relu(sums + bias))
    else:  # rounded once in place of twice
        wanted = sums.float() + bias.float()
        step = 2**-8 * (sums.float().abs() + wanted.abs())
        assert bool(((got.float() - torch.relu(wanted)).abs() <= step).all())


@each_backend
@pytest.mark.parametrize("outputs", [3, 16])
def test_what_is_no_number_stays_none_when_rectified(outputs: int, backend: FastBackend) -> None:
    grid = SparseGrid.of_coordinates(torch.tensor([[0, 1, 1, 1], [0, 6, 1, 1]]), SHAPE, 1)
    _, book = neighbours(grid, Kernel())
    features = torch.tensor([[float("nan")], [1.0]], requires_grad=True)
    weight, bias = torch.ones(27, 1, outputs), torch.zeros(outputs)
    bias[0], bias[-1] = float("inf"), -float("inf")
    got = sparse_conv(features, weight, book, bias=bias, relu=True, backend=backend)
    assert bool(got[0].isnan().all())
    assert got[1].tolist() == [float("inf"), *[1.0] * (outputs - 2), 0.0]


@needs_native
@pytest.mark.parametrize("isa", ISAS)
def test_every_instruction_set_leaves_what_is_no_number(isa: str) -> None:
    one = SparseGrid.of_coordinates(torch.tensor([[0, 1, 1, 1]]), SHAPE, 1)
    _, book = neighbours(one, Kernel((1, 1, 1)))
    weight = torch.ones(1, 1, 37)
    weight[..., ::2] = torch.nan
    native_module().set_isa(isa)
    try:
        got = sparse_conv(-torch.ones(1, 1), weight, book, relu=True, backend="native")
    finally:
        native_module().set_isa("auto")
    assert bool(got[0, ::2].isnan().all())
    assert bool((got[0, 1::2] == 0).all())


def test_a_bias_that_does_not_fit_is_refused() -> None:
    _, book = neighbours(random_grid(0), Kernel())
    features, weight = torch.zeros(book.inputs, 2), torch.zeros(27, 2, 3)
    for bias in (torch.zeros(2), torch.zeros(3).double()):
        with pytest.raises(ValueError, match=r"a bias of 3 values of torch.float32 expected, got"):
            sparse_conv(features, weight, book, bias=bias)


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
@pytest.mark.parametrize("outputs", [5, 16])
def test_many_rows_of_few_channels_equal_float64(outputs: int) -> None:
    """They are worked on in larger blocks."""
    grid, rng = surface(150), torch.Generator().manual_seed(3)
    features = torch.randn(len(grid), 3, generator=rng)
    weight = torch.randn(27, 3, outputs, generator=rng)
    _, book = neighbours(grid, Kernel())
    got = sparse_conv(features, weight, book, backend="native")
    torch.testing.assert_close(
        got.double(), sparse_conv(features.double(), weight.double(), book), rtol=0, atol=1e-4
    )


@needs_native
def test_kernels_stay_within_their_arrays() -> None:
    native = native_module()
    features, weight, out = torch.ones(3, 2), torch.ones(1, 2, 2), torch.zeros(2, 2)

    def call(sources: list[int], targets: list[int], counts: list[int]) -> None:
        rows = (torch.tensor(v, dtype=torch.int32) for v in (sources, targets))
        every = torch.tensor(counts, dtype=torch.int64)
        native.sparse_conv_forward(features, weight, False, *rows, every, out)

    call([2, 0], [0, 1], [2])
    assert out.tolist() == [[2.0, 2.0], [2.0, 2.0]]
    for sources, targets in (([3], [0]), ([-1], [0]), ([0], [2]), ([0], [-1]), ([0, 1], [1, 0])):
        with pytest.raises(ValueError, match="rows that exist, in the order"):
            call(sources, targets, [len(sources)])
    for bias in (torch.ones(1), torch.ones(3)):
        with pytest.raises(ValueError, match="bias must have extent 2"):
            native.sparse_conv_forward(
                *(features, weight, False, torch.zeros(1, dtype=torch.int32)),
                *(torch.zeros(1, dtype=torch.int32), torch.tensor([1]), out, bias, True),
            )
    for counts in ([1], [3], [-1], []):
        with pytest.raises(ValueError, match=r"counts|extent"):
            call([0, 1], [0, 1], counts)


@needs_native
@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("kernel", KERNELS[:2])
@pytest.mark.parametrize("channels", [(20, 24), (7, 5), (32, 64)])
def test_bfloat16_is_float32_rounded_at_the_ends(
    kernel: Kernel, channels: tuple[int, int], isa: str
) -> None:
    grid, (inputs, outputs) = surface(30), channels
    rng = torch.Generator().manual_seed(4)
    _, book = neighbours(grid, kernel)
    features = torch.randn(len(grid), inputs, generator=rng).bfloat16().requires_grad_()
    weight = torch.randn(27, inputs, outputs, generator=rng).bfloat16().requires_grad_()
    cotangent = torch.randn(book.outputs, outputs, generator=rng).bfloat16()
    leaves = (features.detach().float(), weight.detach().float())
    wide = [leaf.requires_grad_() for leaf in leaves]
    exact = sparse_conv(wide[0], wide[1], book, backend="torch")
    theirs = torch.autograd.grad(exact, wide, cotangent.float())
    native_module().set_isa(isa)
    try:
        got = sparse_conv(features, weight, book, backend="native")
        ours = torch.autograd.grad(got, (features, weight), cotangent)
    finally:
        native_module().set_isa("auto")
    for a, b in zip((got.detach(), *ours), (exact.detach(), *theirs), strict=True):
        assert a.dtype == torch.bfloat16
        torch.testing.assert_close(a.float(), b, rtol=2**-8, atol=1e-5 * float(b.abs().max()))


@needs_native
def test_bfloat16_rounds_to_the_nearest_even_and_keeps_what_is_no_number() -> None:
    one = SparseGrid.of_coordinates(torch.tensor([[0, 1, 1, 1]]), SHAPE, 1)
    _, book = neighbours(one, Kernel((1, 1, 1)))
    values = [1.0, 1 + 2**-7, float("inf"), -float("inf"), float("nan"), 3e38, -0.0]
    other = [1.00390625, 1.00390625, 1.0, 1.0, 1.0, 3.0, 1.0]  # some products lie half-way
    for value, factor in zip(values, other, strict=True):
        features = torch.tensor([[value, value]], dtype=torch.bfloat16)
        weight = torch.tensor([[[factor], [0.25]]], dtype=torch.bfloat16)
        wanted = features.float() @ weight[0].float()
        got = sparse_conv(features, weight, book, backend="native")
        torch.testing.assert_close(got, wanted.bfloat16(), rtol=0, atol=0, equal_nan=True)


@needs_native
def test_other_dtypes_are_left_to_torch() -> None:
    _, book = neighbours(random_grid(0), Kernel())
    features, weight = torch.ones(book.inputs, 2).double(), torch.ones(27, 2, 2).double()
    assert sparse_conv(features, weight, book).dtype == torch.float64
    with pytest.raises(ValueError, match="takes float32 and bfloat16, got"):
        sparse_conv(features, weight, book, backend="native")


def test_pictures_are_grids_of_one_cell_along_z() -> None:
    rng = torch.Generator().manual_seed(3)
    cells = (torch.rand(2, 9, 8, 1, generator=rng) < 0.4).nonzero()
    grid = SparseGrid.of_coordinates(cells, (9, 8, 1), 2)
    features = torch.randn(len(grid), 3, dtype=torch.float64, generator=rng)
    weight = torch.randn(9, 3, 4, dtype=torch.float64, generator=rng)
    picture, filters = dense_of(grid, features)[..., 0], weight.reshape(3, 3, 3, 4)
    for stride in (1, 2):
        output, book = neighbours(grid, Kernel((3, 3, 1), (stride, stride, 1)))
        wanted = torch.nn.functional.conv2d(
            picture, filters.permute(3, 2, 0, 1), stride=stride, padding=1
        )
        batch, x, y, z = output.coordinates().T
        assert output.shape == (*wanted.shape[2:], 1)
        assert int(z.abs().sum()) == 0
        assert torch.allclose(sparse_conv(features, weight, book), wanted[batch, :, x, y])


@each_backend
def test_an_inverse_convolution_goes_back_to_the_cells(backend: FastBackend) -> None:
    """It is the gradient of the convolution by its features, so the transposed matrix."""
    grid, rng = random_grid(8), torch.Generator().manual_seed(2)
    output, book = neighbours(grid, Kernel(stride=(2, 2, 2)))
    features = torch.randn(len(grid), 3, generator=rng, requires_grad=True)
    weight, cotangent = torch.randn(27, 3, 4, generator=rng), torch.randn(len(output), 4)
    down = sparse_conv(features, weight, book, backend=backend)
    back = sparse_conv(cotangent, weight.mT.contiguous(), book.reversed(), backend=backend)
    (wanted,) = torch.autograd.grad(down, features, cotangent)
    assert torch.allclose(back, wanted, atol=1e-4)


@pytest.mark.parametrize("kernel", KERNELS)
def test_gradients_are_those_of_finite_differences(kernel: Kernel) -> None:
    grid = random_grid(2, 0.04)
    _, book = neighbours(grid, kernel)
    features = torch.randn(len(grid), 2, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(kernel.volume, 2, 2, dtype=torch.float64, requires_grad=True)
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


@needs_native  # torch's own products promise the same bits on the same number of threads only
@pytest.mark.parametrize("kernel", KERNELS[:2])
def test_the_same_bits_for_any_number_of_threads(kernel: Kernel) -> None:
    grid = surface(150)
    features = torch.randn(len(grid), 16, requires_grad=True)
    weight = torch.randn(27, 16, 16, requires_grad=True)
    bias = torch.randn(16)
    results = []
    before = torch.get_num_threads()
    try:
        for threads in (1, 2, 5):
            torch.set_num_threads(threads)
            _, book = neighbours(grid, kernel, backend="native")
            result = sparse_conv(features, weight, book, bias=bias, relu=True, backend="native")
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
