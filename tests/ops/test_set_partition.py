"""Set partition against a loop over windows, DSVT's own sets, and what it promises."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sparse3d.geometry.morton import morton_decode
from sparse3d.ops.backend import FastBackend, has_native, native_module
from sparse3d.ops.set_partition import Order, set_partition
from sparse3d.ops.set_partition._reference import set_partition as reference
from sparse3d.scene.sparse_grid import SparseGrid

SHAPE = (11, 9, 5)
ORDERS: tuple[Order, ...] = ("y", "x")
needs_native = pytest.mark.skipif(not has_native(), reason="no C++ kernels")
each_backend = pytest.mark.parametrize(
    "backend", ["torch", pytest.param("native", marks=needs_native)]
)


def random_grid(seed: int, share: float = 0.3, batch: int = 3) -> SparseGrid:
    """The second of the grids is empty."""
    rng = torch.Generator().manual_seed(seed)
    occupied = torch.rand(batch, *SHAPE, generator=rng) < share
    occupied[1] = False
    return SparseGrid.of_coordinates(occupied.nonzero(), SHAPE, batch)


@each_backend
@given(
    seed=st.integers(0, 1000),
    share=st.sampled_from((0.0, 0.02, 0.3, 1.0)),
    window=st.tuples(st.integers(1, 12), st.integers(1, 6), st.integers(1, 5)),
    size=st.integers(1, 40),
    order=st.sampled_from(ORDERS),
    data=st.data(),
)
def test_equals_the_reference_and_keeps_its_promises(
    seed: int,
    share: float,
    window: tuple[int, int, int],
    size: int,
    order: Order,
    data: st.DataObject,
    backend: FastBackend,
) -> None:
    grid = random_grid(seed, share)
    shift = data.draw(st.tuples(*(st.integers(0, edge - 1) for edge in window)))
    found = set_partition(grid, window, size, shift=shift, order=order, backend=backend)
    cells = [tuple(cell) for cell in grid.coordinates().tolist()]
    assert found.sets.tolist() == reference(cells, window, size, shift, order)
    assert found.sets.shape == found.padding.shape

    # Without padding each cell is in one set; padding repeats the place before it.
    assert sorted(found.sets[~found.padding].tolist()) == list(range(len(grid)))
    assert torch.equal(found.padding[:, 1:], found.sets[:, 1:] == found.sets[:, :-1])
    assert not found.padding[:, :1].any()
    assert torch.equal(found.sets.flatten()[found.slots()], torch.arange(len(grid)))

    # Sets stay in their windows, and a window's sets are as equal as can be.
    moved = grid.coordinates()[:, 1:] + torch.tensor(shift)
    numbers = torch.cat([grid.coordinates()[:, :1], moved // torch.tensor(window)], 1)
    assert torch.equal(numbers[found.sets], numbers[found.sets[:, :1]].expand(-1, size, -1))
    sizes: dict[tuple[int, ...], set[int]] = {}
    for rows, padding in zip(found.sets, found.padding, strict=True):
        own = sizes.setdefault(tuple(numbers[rows[0]].tolist()), set())
        own.add(int((~padding).sum()))
    assert all(max(own) - min(own) <= 1 for own in sizes.values())
    assert torch.equal(found.places, moved % torch.tensor(window))


@each_backend
@pytest.mark.parametrize("name", ["pillar", "voxel"])
def test_sets_are_those_of_the_authors(
    name: str, shared_oracles: Path, backend: FastBackend
) -> None:
    """Rows there follow the cells as given, here the keys."""
    oracle = np.load(shared_oracles / f"dsvt_{name}.npz")
    config = json.loads(bytes(oracle["config_json"]).decode())
    inputs = config["INPUT_LAYER"]
    batch, z, y, x = torch.from_numpy(oracle["coords_bzyx"]).unbind(1)
    cells, shape = torch.stack([batch, x, y, z], 1), tuple(inputs["sparse_shape"])
    grid = SparseGrid.of_coordinates(cells, shape, int(batch.max()) + 1)
    theirs = {tuple(cell): row for row, cell in enumerate(cells.tolist())}
    rows = torch.tensor([theirs[tuple(cell)] for cell in grid.coordinates().tolist()])
    for number, shift in enumerate(inputs["shifts_list"][0]):
        factor = inputs["hybrid_factor"] if number else (1, 1, 1)
        edges = zip(inputs["window_shape"][0], factor, strict=True)
        wx, wy, wz = (int(edge * times) for edge, times in edges)
        moved = (shift[0], shift[1], 0 if wz >= shape[2] else shift[2])
        for axis, order in enumerate(ORDERS):
            size = inputs["set_info"][0][0]
            found = set_partition(
                grid, (wx, wy, wz), size, shift=moved, order=order, backend=backend
            )
            sets = oracle[f"trace/set_voxel_inds_stage0_shift{number}"][axis]
            padding = oracle[f"trace/set_voxel_mask_stage0_shift{number}"][axis]
            assert torch.equal(rows[found.sets], torch.from_numpy(sets))
            assert torch.equal(found.padding, torch.from_numpy(padding))


@each_backend
def test_a_window_of_everything_has_one_sequence(backend: FastBackend) -> None:
    grid = random_grid(4)
    found = set_partition(grid, (16, 16, 16), 7, backend=backend)
    assert len(found.sets) == sum(
        -(-int((grid.coordinates()[:, 0] == batch).sum()) // 7) for batch in (0, 2)
    )


@pytest.mark.usefixtures("no_type_checks")
def test_mistakes_are_named() -> None:
    grid = random_grid(0)
    with pytest.raises(ValueError, match=r"1 to 65536 cells an axis expected, got \(2, 0, 2\)"):
        set_partition(grid, (2, 0, 2), 4)
    with pytest.raises(ValueError, match="at least 1 place expected, got 0"):
        set_partition(grid, (2, 2, 2), 0)
    with pytest.raises(ValueError, match=r"less than a window \(2, 2, 2\) expected"):
        set_partition(grid, (2, 2, 2), 4, shift=(0, 2, 0))
    with pytest.raises(ValueError, match="order 'x' or 'y' expected, got 'z'"):
        set_partition(grid, (2, 2, 2), 4, order="z")  # pyright: ignore[reportArgumentType]


def many_cells(count: int, shape: tuple[int, int, int], batch: int) -> SparseGrid:
    rng = torch.Generator().manual_seed(3)
    columns = [torch.randint(n, (count,), generator=rng) for n in (batch, *shape)]
    return SparseGrid.of_coordinates(torch.stack(columns, 1), shape, batch)


@needs_native
@pytest.mark.parametrize(
    ("shape", "batch", "window", "shift"),
    [
        ((400, 300, 20), 2, (12, 12, 32), (6, 6, 0)),
        ((400, 300, 20), 2, (1, 1, 1), (0, 0, 0)),
        ((65536, 65536, 65536), 16384, (65536, 65536, 65536), (65535, 65535, 65535)),
    ],
)
def test_native_has_torchs_bits_with_any_threads(
    shape: tuple[int, int, int],
    batch: int,
    window: tuple[int, int, int],
    shift: tuple[int, int, int],
) -> None:
    """More cells than a part of the sort holds; numbers of the last windows need over 64 bits."""
    grid = many_cells(150_000, shape, batch)
    before = torch.get_num_threads()
    for order in ORDERS:
        wanted = set_partition(grid, window, 36, shift=shift, order=order, backend="torch")
        for threads in (1, 2, 5):
            torch.set_num_threads(threads)
            try:
                got = set_partition(grid, window, 36, shift=shift, order=order, backend="native")
            finally:
                torch.set_num_threads(before)
            assert torch.equal(got.sets, wanted.sets)
            assert torch.equal(got.padding, wanted.padding)
            assert torch.equal(got.places, wanted.places)


@needs_native
@settings(max_examples=300)
@given(
    keys=st.lists(st.one_of(st.integers(0, 511), st.integers(-(2**63), 2**63 - 1)), max_size=6),
    shape=st.tuples(*[st.sampled_from([0, 1, 4, 8, 65536, 65537, 2**62])] * 3),
    batch=st.sampled_from([-1, 0, 1, 1, 16384, 2**62]),
    window=st.tuples(*[st.sampled_from([-1, 0, 1, 2, 3, 65536, 2**62])] * 3),
    shift=st.tuples(*[st.sampled_from([-1, 0, 0, 1, 2**62])] * 3),
    size=st.sampled_from([-1, 0, 1, 3, 100]),
    by_y=st.booleans(),
    good=st.booleans(),
)
def test_bindings_take_cells_inside_and_no_others(
    keys: list[int],
    shape: tuple[int, int, int],
    batch: int,
    window: tuple[int, int, int],
    shift: tuple[int, int, int],
    size: int,
    by_y: bool,
    good: bool,
) -> None:
    """Keys in any order, repeated ones, too."""
    if good:
        keys, shape, batch = [key % 512 for key in keys], (8, 8, 8), 1
        window, shift, size = (2, 65536, 3), (1, 1, 0), max(1, size)
    rows, places = torch.tensor(keys, dtype=torch.int64), torch.empty(len(keys), 3).long()
    call = (rows, shape, batch, window, shift, size, by_y, places)
    cells = morton_decode(rows)
    fits = all(0 <= row[0] < batch for row in cells.tolist()) and all(
        cell < extent for row in cells.tolist() for cell, extent in zip(row[1:], shape, strict=True)
    )
    axes = all(1 <= n <= 65536 for n in (*shape, *window))
    moved = all(0 <= step < edge for step, edge in zip(shift, window, strict=True))
    if not (fits and axes and moved and 0 <= batch <= 16384 and size >= 1):
        with pytest.raises(ValueError, match=r"expected|keys must be"):
            native_module().SetList(*call)
        return
    found = native_module().SetList(*call)
    sets, padding = torch.empty(len(found), size).long(), torch.empty(len(found), size).byte()
    found.write(sets, padding)
    listed = [(b, x, y, z) for b, x, y, z in cells.tolist()]
    order = "y" if by_y else "x"
    assert sets.tolist() == reference(listed, window, size, shift, order)
    for bad in (torch.empty(len(found) + 1, size), torch.empty(len(found), size + 1)):
        with pytest.raises(ValueError, match="extent"):
            found.write(bad.long(), padding)
        with pytest.raises(ValueError, match="extent"):
            found.write(sets, bad.byte())
    with pytest.raises(ValueError, match="extent"):
        native_module().SetList(*call[:-1], torch.empty(len(keys) + 1, 3).long())
