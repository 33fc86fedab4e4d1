"""Rulebooks against dictionaries, and what they promise."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sparse3d.ops.backend import FastBackend, has_native, native_module
from sparse3d.ops.neighbours import Kernel, Rulebook, neighbours
from sparse3d.ops.neighbours._reference import rules
from sparse3d.scene.sparse_grid import SparseGrid

KERNELS = (
    Kernel(),
    Kernel(stride=(2, 2, 2)),
    Kernel((1, 3, 5)),
    Kernel((3, 1, 3), (2, 1, 3)),
    Kernel((1, 1, 1), (2, 2, 2)),
    Kernel((3, 3, 1), dilation=(3, 1, 1)),
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
each_kernel = pytest.mark.parametrize("kernel", KERNELS)
needs_native = pytest.mark.skipif(not has_native(), reason="no C++ kernels")


def random_grid(seed: int, share: float = 0.2, batch: int = 2) -> SparseGrid:
    generator = torch.Generator().manual_seed(seed)
    cells = (torch.rand(batch, *SHAPE, generator=generator) < share).nonzero()
    return SparseGrid.of_coordinates(cells, SHAPE, batch)


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
    cells = [(b, x, y, z) for b, x, y, z in grid.coordinates().tolist()]
    offsets = [(x, y, z) for x, y, z in kernel.offsets().tolist()]
    kinds = {"transposed": kernel.transposed, "same": kernel.submanifold}
    assert output.shape == kernel.output_shape(SHAPE)
    assert as_dict(output, book) == rules(cells, output.shape, offsets, kernel.stride, **kinds)
    assert (book.inputs, book.outputs) == (len(grid), len(output))


@needs_native
@pytest.mark.parametrize(
    "kernel",
    [*KERNELS, Kernel((9, 3, 1)), Kernel((9, 3, 5), (3, 2, 1)), Kernel((1, 11, 3), (1, 1, 5))],
)
def test_backends_make_the_same_rules_of_a_large_grid(kernel: Kernel) -> None:
    generator = torch.Generator().manual_seed(9)
    cells = torch.randint(0, 40, (9000, 3), generator=generator) * torch.tensor([1, 2, 1])
    batch = torch.randint(0, 3, (9000, 1), generator=generator)
    grid = SparseGrid.of_coordinates(torch.cat([batch, cells], 1), (40, 79, 40), 4)
    (ours, native), (theirs, by_torch) = (
        neighbours(grid, kernel, backend=backend) for backend in ("native", "torch")
    )
    assert torch.equal(ours.keys, theirs.keys)
    for a, b in ((native, by_torch), (native.reversed(), by_torch.reversed(backend="torch"))):
        assert a.counts == b.counts
        assert torch.equal(a.sources, b.sources)
        assert torch.equal(a.targets, b.targets)


@needs_native
def test_native_rules_are_the_same_for_any_number_of_threads() -> None:
    x, y = torch.meshgrid(torch.arange(150), torch.arange(150), indexing="ij")
    cells = torch.stack([torch.zeros_like(x), x, y, (x + y) // 7], -1).reshape(-1, 4)
    grid, before = SparseGrid.of_coordinates(cells, (150, 150, 43), 1), torch.get_num_threads()
    for kernel in (KERNELS[0], KERNELS[1], KERNELS[-1]):
        found = []
        try:
            for threads in (1, 3):
                torch.set_num_threads(threads)
                found.append(neighbours(grid, kernel, backend="native"))
        finally:
            torch.set_num_threads(before)
        (one, first), (other, second) = found
        assert torch.equal(one.keys, other.keys)
        assert torch.equal(first.sources, second.sources)
        assert torch.equal(first.targets, second.targets)


@each_backend
@each_kernel
def test_an_offset_pairs_no_row_twice_and_keeps_the_order_of_outputs(
    kernel: Kernel, backend: FastBackend
) -> None:
    _, book = neighbours(random_grid(3, 0.6), kernel, backend=backend)
    for each in (book, book.reversed(backend=backend)):
        for sources, targets in each.by_offset():
            assert len(sources.unique()) == len(sources)
            assert bool((targets.diff() > 0).all())
    mirror = list(reversed(book.by_offset()))
    pairs = zip(book.reversed(backend=backend).by_offset(), mirror, strict=True)
    same = all(torch.equal(a, c) and torch.equal(b, d) for (a, b), (c, d) in pairs)
    assert same == book.mirrored or kernel.volume == 1


@each_backend
def test_rules_that_are_reversed_twice_are_the_same(backend: FastBackend) -> None:
    _, book = neighbours(random_grid(1), Kernel(stride=(2, 2, 2)), backend=backend)
    again = book.reversed(backend=backend).reversed(backend=backend)
    assert (again.counts, again.inputs, again.outputs) == (book.counts, book.inputs, book.outputs)
    assert torch.equal(again.sources, book.sources)
    assert torch.equal(again.targets, book.targets)


@each_backend
def test_a_transposed_kernel_writes_where_the_strided_one_reads(backend: FastBackend) -> None:
    down = Kernel((2, 2, 2), (2, 2, 2), padding=(0, 0, 0))
    grid = SparseGrid.of_coordinates(torch.tensor([[0, 1, 0, 2]]), (2, 1, 3), 1)
    output, book = neighbours(grid, replace(down, transposed=True), backend=backend)
    assert output.shape == (4, 2, 6)
    low, high = (2, 0, 4), (4, 2, 6)
    wanted = torch.cartesian_prod(*map(torch.arange, low, high))
    assert torch.equal(output.coordinates()[:, 1:].sort(0)[0], wanted.sort(0)[0])
    assert book.counts == (1,) * 8
    back, _ = neighbours(output, down, backend=backend)
    assert torch.equal(back.keys, grid.keys)


@each_backend
@each_kernel
def test_empty_grids_have_no_rules(kernel: Kernel, backend: FastBackend) -> None:
    empty = SparseGrid.of_coordinates(torch.zeros(0, 4, dtype=torch.int64), SHAPE, 2)
    output, book = neighbours(empty, kernel, backend=backend)
    assert (len(output), book.counts) == (0, (0,) * kernel.volume)


@each_backend
def test_neighbours_do_not_cross_the_border_or_the_batch(backend: FastBackend) -> None:
    cells = torch.tensor([[0, 6, 3, 5], [1, 0, 0, 0], [0, 0, 0, 0]])
    grid = SparseGrid.of_coordinates(cells, SHAPE, 2)
    _, book = neighbours(grid, Kernel(), backend=backend)
    assert sum(book.counts) == 3  # each cell has only itself


@each_backend
def test_the_ends_of_the_largest_grid_are_no_neighbours(backend: FastBackend) -> None:
    cells = torch.tensor([[0, 0, 0, 0], [0, 65534, 0, 0], [0, 0, 65534, 65534]])
    grid = SparseGrid.of_coordinates(cells, (65535, 65535, 65535), 1)
    _, book = neighbours(grid, Kernel(), backend=backend)
    assert sum(book.counts) == 3
    larger = SparseGrid.of_coordinates(cells, (65536, 65535, 65535), 1)
    with pytest.raises(ValueError, match="too large"):
        neighbours(larger, Kernel(), backend=backend)


def test_outputs_without_cells_or_beyond_the_keys_are_refused() -> None:
    grid = random_grid(0)
    with pytest.raises(ValueError, match=r"would make an output of \(3, 0, 2\)"):
        neighbours(grid, Kernel((5, 5, 5), padding=(0, 0, 0)))
    with pytest.raises(ValueError, match="would make an output"):
        neighbours(grid, Kernel((1, 1, 1), (20000, 1, 1), transposed=True))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Kernel((0, 3, 3)), "positive sizes"),
        (lambda: Kernel(stride=(0, 1, 1)), "positive sizes"),
        (lambda: Kernel(dilation=(1, -1, 1)), "positive sizes"),
        (lambda: Kernel(padding=(-1, 0, 0)), "not be negative"),
        (lambda: Kernel(output_padding=(1, 0, 0)), "for transposed kernels"),
        (lambda: Kernel((99, 99, 99)), "at most 65536 offsets"),
    ],
)
def test_kernels_that_make_no_sense_are_refused(make: Callable[[], Kernel], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


@needs_native
@given(
    keys=st.lists(st.integers(-2, 1 << 50), max_size=12),
    axis=st.tuples(*[st.integers(-3, 5)] * 7),
    mirrored=st.booleans(),
)
def test_native_rules_stay_within_their_arrays(
    keys: list[int], axis: tuple[int, ...], mirrored: bool
) -> None:
    """Whatever comes, rules name rows that exist, or there is an error."""
    native, cells = native_module(), torch.tensor(keys, dtype=torch.int64)
    try:
        outputs = native.ConvOutputs(cells, [axis] * 3)
        made = torch.empty(len(outputs), dtype=torch.int64)
        outputs.write(made)
        plan = native.RuleList(cells, cells if mirrored else made, [axis] * 3, mirrored)
        sources, targets = (torch.empty(sum(plan.counts()), dtype=torch.int32) for _ in range(2))
        plan.write(sources, targets)
    except ValueError:
        return
    for rows in (sources, targets):
        assert all(0 <= row < max(len(cells), len(made)) for row in rows.tolist())


@needs_native
def test_native_rules_refuse_what_is_not_sorted_or_does_not_fit() -> None:
    native, no = native_module(), torch.zeros(0, dtype=torch.int32)
    axes = [(1, 1, 1, 0, 1, 2, 2)] * 3
    for keys in ([3, 3], [3, 1], [-1]):
        with pytest.raises(ValueError, match="sorted, distinct"):
            native.RuleList(torch.tensor(keys), torch.tensor([1]), axes, False)
    with pytest.raises(ValueError, match="within the shape"):
        native.RuleList(torch.tensor([1]), torch.tensor([8]), axes, False)
    with pytest.raises(ValueError, match="odd sizes of mirrored"):
        native.RuleList(torch.tensor([1]), torch.tensor([1]), [(2, 1, 1, 0, 1, 2, 2)] * 3, True)
    with pytest.raises(ValueError, match="those of kernels not 0"):
        native.ConvOutputs(torch.tensor([1]), [(2, 1, 0, 0, 1, 2, 2)] * 3)
    plan = native.RuleList(torch.tensor([1, 2]), torch.tensor([1, 2]), axes, False)
    with pytest.raises(ValueError, match="extent"):
        plan.write(no, no)
    one, two = torch.zeros(1, dtype=torch.int32), torch.zeros(2, dtype=torch.int32)
    for sources, targets in ((two, two), (two[:1] + 5, one), (one - 1, one), (one, one - 1)):
        rest = [torch.empty_like(sources) for _ in range(2)]
        with pytest.raises(ValueError, match="rows that exist, a source once"):
            native.reverse_rules(sources, targets, [len(sources)], 3, *rest)
    for counts in ([2], [-1], [0], []):
        with pytest.raises(ValueError, match="counts"):
            native.reverse_rules(one, one, counts, 3, one.clone(), one.clone())
