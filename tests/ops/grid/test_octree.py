"""Octrees of both backends against loops over cells, and what they refuse."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sparse3d.ops.backend import FastBackend, has_native, native_module
from sparse3d.ops.grid import _reference as reference
from sparse3d.ops.grid import build_octree, depth_of, neighbour_rows
from sparse3d.scene.sparse_grid import SparseGrid

MakeGrid = Callable[..., SparseGrid]

needs_native = pytest.mark.skipif(not has_native(), reason="the C++ kernels were not built")
both = pytest.mark.parametrize("backend", ["torch", pytest.param("native", marks=needs_native)])


@both
@settings(max_examples=25)
@given(st.integers(0, 150), st.integers(0, 10_000))
def test_octrees_are_those_of_the_reference(
    make_grid: MakeGrid, backend: FastBackend, count: int, seed: int
) -> None:
    grid = make_grid(count, seed)
    octree = build_octree(grid, backend=backend)
    cells = [tuple(cell) for cell in grid.coordinates().tolist()]
    assert len(octree.levels) == len(octree.neighbours) == len(octree.children) + 1 == 5
    for level, nodes in enumerate(octree.levels):
        expected = reference.parents(cells, level)
        coordinates = [tuple(cell) for cell in nodes.coordinates().tolist()]
        assert set(coordinates) == set(expected)
        assert bool((nodes.keys.diff() > 0).all())
        assert octree.neighbours[level].tolist() == reference.neighbours(coordinates)
        assert torch.equal(neighbour_rows(grid, level, backend=backend), octree.neighbours[level])
    for level, offsets in enumerate(octree.children):
        below = octree.levels[level].coordinates()
        below[:, 1:] //= 2
        assert torch.equal(octree.levels[level + 1].coordinates()[octree.parents(level)], below)
        assert offsets[0] == 0
        assert offsets[-1] == len(below)


@both
def test_the_faces_of_the_root_have_nothing_beyond(backend: FastBackend) -> None:
    cells = torch.cartesian_prod(torch.arange(2), *[torch.arange(4)] * 3)
    grid = SparseGrid.of_coordinates(cells, (4, 4, 4), 2)
    table = neighbour_rows(grid, backend=backend)
    found = [tuple(cell) for cell in grid.coordinates().tolist()]
    assert table.tolist() == reference.neighbours(found)


@both
def test_the_ends_of_the_key_are_reached(backend: FastBackend) -> None:
    low, high = torch.tensor([0, 0, 0, 0]), torch.tensor([16383, 65535, 65535, 65535])
    cells = torch.stack([low, low + torch.tensor([0, 1, 1, 1]), high, high.clamp_max(65534)])
    grid = SparseGrid.of_coordinates(cells, (65536, 65536, 65536), 16384)
    octree = build_octree(grid, backend=backend)
    assert [len(level) for level in octree.levels] == [4, *[2] * 16]
    columns = torch.arange(27)
    assert torch.equal(octree.neighbours[16] >= 0, (columns == 13).expand(2, 27))
    assert octree.neighbours[0][0, 26] == 1
    assert octree.neighbours[0][2, 26] == 3


@both
@pytest.mark.parametrize("shape", [(1, 1, 1), (7, 2, 1)])
def test_empty_and_single(backend: FastBackend, shape: tuple[int, int, int]) -> None:
    empty = SparseGrid(torch.zeros(0, dtype=torch.int64), shape, 2)
    octree = build_octree(empty, backend=backend)
    assert [len(level) for level in octree.levels] == [0] * (depth_of(empty) + 1)
    assert all(table.shape == (0, 27) for table in octree.neighbours)
    single = SparseGrid.of_coordinates(torch.tensor([[1, 0, 0, 0]]), shape, 2)
    octree = build_octree(single, backend=backend)
    for level, table in zip(octree.levels, octree.neighbours, strict=True):
        assert level.coordinates().tolist() == [[1, 0, 0, 0]]
        assert table.tolist() == [[-1] * 13 + [0] + [-1] * 13]


@both
@pytest.mark.parametrize("keys", [[3, 2], [2, 2], [-1, 2], [0, 8]])
def test_keys_that_are_no_grid_are_refused(backend: FastBackend, keys: list[int]) -> None:
    grid = SparseGrid(torch.tensor(keys), (2, 2, 2), 1)
    for verb in (build_octree, neighbour_rows):
        with pytest.raises(ValueError, match="sorted, distinct"):
            verb(grid, backend=backend)


@both
def test_keys_need_not_be_contiguous(make_grid: MakeGrid, backend: FastBackend) -> None:
    grid = make_grid(100)
    wide = torch.stack([grid.keys, grid.keys + 1], 1)[:, 0]
    assert not wide.is_contiguous()
    strided = SparseGrid(wide, grid.shape, grid.batch_size)
    assert torch.equal(
        neighbour_rows(strided, backend=backend), neighbour_rows(grid, backend="torch")
    )


@needs_native
def test_any_number_of_threads_gives_the_same_bits() -> None:
    rng = torch.Generator().manual_seed(5)
    cells = torch.randint(0, 64, (200_000, 4), generator=rng) % torch.tensor([2, 64, 64, 64])
    grid = SparseGrid.of_coordinates(cells, (64, 64, 64), 2)
    threads, results = torch.get_num_threads(), []
    try:
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            results.append(build_octree(grid, backend="native"))
    finally:
        torch.set_num_threads(threads)
    expected = build_octree(grid, backend="torch")
    for found in results:
        for name in ("children", "neighbours"):
            pairs = zip(getattr(found, name), getattr(expected, name), strict=True)
            assert all(torch.equal(a, b) for a, b in pairs)
        pairs = zip(found.levels, expected.levels, strict=True)
        assert all(torch.equal(a.keys, b.keys) for a, b in pairs)


def test_a_level_must_exist(make_grid: MakeGrid) -> None:
    with pytest.raises(ValueError, match="level from 0 to 4"):
        neighbour_rows(make_grid(3), 5)


@needs_native
@given(st.lists(st.integers(-(2**31), 2**31 - 1), min_size=27, max_size=27), st.integers(-2, 6))
def test_whatever_the_kernel_is_given_it_stays_in_bounds(above: list[int], level: int) -> None:
    plan = native_module().OctreeLevels(torch.tensor([0, 1, 3, 7, 12, 63]), 2)
    table = torch.tensor([above] * 4, dtype=torch.int32)
    for rows in (6, 4, 1):
        out = torch.full((rows, 27), -7, dtype=torch.int32)
        try:
            plan.write_neighbours(level, table[: plan.size(level + 1)] if level < 2 else None, out)
        except ValueError:
            continue
        assert 0 <= level <= 2
        assert bool(((out >= -1) & (out < rows)).all())


@needs_native
def test_the_kernel_checks_what_it_is_given() -> None:
    native = native_module()
    for keys, depth in (([0, 1], 17), ([0, 1], -1), ([1, 0], 3)):
        with pytest.raises(ValueError, match=r"expected|must be"):
            native.OctreeLevels(torch.tensor(keys), depth)
    with pytest.raises(TypeError):
        native.OctreeLevels(torch.tensor([0, 1], dtype=torch.int32), 3)
    plan = native.OctreeLevels(torch.tensor([0, 1]), 3)
    for level in (0, 4):
        with pytest.raises(ValueError, match="no such"):
            plan.write_keys(level, torch.zeros(1, dtype=torch.int64))
        with pytest.raises(ValueError, match="no such"):
            plan.write_children(level, torch.zeros(2, dtype=torch.int64))
    with pytest.raises(ValueError, match="extent"):
        plan.write_children(1, torch.zeros(1, dtype=torch.int64))
    with pytest.raises(ValueError, match="none at the top"):
        plan.write_neighbours(0, None, torch.zeros(2, 27, dtype=torch.int32))
