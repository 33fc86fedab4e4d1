"""Masks, tokens and bytes, there and back, and what is no grid."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sparse3d.ops.grid import (
    child_masks,
    depth_of,
    grid_from_bytes,
    grid_of_masks,
    grid_of_splits,
    grid_of_subtrees,
    grid_to_bytes,
    parents,
    split_tokens,
    subtree_tokens,
)
from sparse3d.ops.grid._reference import masks as reference
from sparse3d.scene.sparse_grid import SparseGrid

MakeGrid = Callable[..., SparseGrid]

SHAPES = st.sampled_from([(13, 6, 9), (1, 1, 1), (2, 1, 1), (8, 8, 8), (40_000, 3, 1)])


@settings(max_examples=40)
@given(st.integers(0, 80), st.integers(0, 10_000), SHAPES)
def test_masks_are_those_of_the_reference(
    make_grid: MakeGrid, count: int, seed: int, shape: tuple[int, int, int]
) -> None:
    grid = make_grid(count, seed, shape)
    depth = depth_of(grid)
    found = child_masks(grid)
    cells = [tuple(cell) for cell in grid.coordinates().tolist()]
    for step, (each, expected) in enumerate(zip(found, reference(cells, depth), strict=True)):
        nodes = parents(grid, depth - step).grid.coordinates().tolist()
        assert dict(zip(map(tuple, nodes), each.tolist(), strict=True)) == expected


@settings(max_examples=40)
@given(st.integers(0, 80), st.integers(0, 10_000), SHAPES)
def test_everything_comes_back(
    make_grid: MakeGrid, count: int, seed: int, shape: tuple[int, int, int]
) -> None:
    grid = make_grid(count, seed, shape)
    roots = grid.coordinates()[:, 0].unique()
    backs = [
        grid_of_masks(child_masks(grid), shape, roots, 3),
        grid_of_subtrees(subtree_tokens(grid).tokens, shape, roots, 3),
        grid_of_splits(split_tokens(grid), shape, roots, 3),
        grid_from_bytes(grid_to_bytes(grid)),
    ]
    for back in backs:
        assert torch.equal(back.keys, grid.keys)
        assert (back.shape, back.batch_size) == (grid.shape, grid.batch_size)
    assert backs[-1].space == grid.space
    bare = replace(grid, space=None)
    assert grid_from_bytes(grid_to_bytes(bare)).space is None


def test_subtrees_tell_where_their_tokens_stand(make_grid: MakeGrid) -> None:
    grid = make_grid(100)
    found = subtree_tokens(grid)
    assert found.levels.tolist() == sorted(found.levels.tolist(), reverse=True)
    for level in range(1, 5):
        nodes = found.cells[found.levels == level]
        assert torch.equal(nodes, parents(grid, level).grid.coordinates())
    # One token in place of eight of the children and nothing for the cells themselves.
    assert 8 * len(found.tokens) == sum(map(len, split_tokens(grid)))


def test_a_known_grid_gives_known_tokens_and_bytes() -> None:
    # Two cells in the first octant's corner and one at the far end of 4 x 4 x 4; grid 1 is empty.
    cells = torch.tensor([[0, 0, 0, 0], [0, 0, 0, 1], [0, 3, 3, 3], [2, 1, 0, 0]])
    grid = SparseGrid.of_coordinates(cells, (4, 4, 4), 3)
    assert [each.tolist() for each in child_masks(grid)] == [[0x81, 0x01], [0x03, 0x80, 0x10]]
    assert subtree_tokens(grid).tokens.tolist() == [0x80, 0x00, 0x02, 0x7F, 0x0F]
    assert split_tokens(grid)[0].tolist() == [1, 0, 0, 0, 0, 0, 0, 1] + [1] + [0] * 7
    head = b"S3DGRID1" + b"".join(n.to_bytes(4, "little") for n in (4, 4, 4, 3)) + b"\0"
    assert grid_to_bytes(grid) == head + bytes([0b101, 0x81, 0x01, 0x03, 0x80, 0x10])


def test_every_cut_and_every_tail_is_refused(make_grid: MakeGrid) -> None:
    data = grid_to_bytes(make_grid(20))
    for size in range(len(data)):
        with pytest.raises(ValueError, match="expected"):
            grid_from_bytes(data[:size])
    with pytest.raises(ValueError, match=f"{len(data)} bytes expected"):
        grid_from_bytes(data + b"\0")


@settings(max_examples=100)
@given(st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), min_size=1, max_size=4))
def test_changed_bytes_make_a_grid_or_an_error(
    make_grid: MakeGrid, changes: list[tuple[int, int]]
) -> None:
    data = bytearray(grid_to_bytes(make_grid(20)))
    for place, value in changes:
        data[place % len(data)] = value
    try:
        grid = grid_from_bytes(bytes(data))
    except ValueError:
        return
    SparseGrid.of_keys(grid.keys, grid.shape, grid.batch_size)
    assert grid_to_bytes(grid) == bytes(data)


@settings(max_examples=100)
@given(st.binary(max_size=80))
def test_any_bytes_make_a_grid_or_an_error(data: bytes) -> None:
    for raw in (data, b"S3DGRID1" + data):
        try:
            grid = grid_from_bytes(raw)
        except ValueError:
            continue
        assert grid_to_bytes(grid) == raw


def test_tokens_that_are_no_grid_are_refused() -> None:
    roots, shape = torch.tensor([0]), (2, 2, 2)
    masks = [torch.tensor([3], dtype=torch.uint8)]
    assert len(grid_of_masks(masks, shape, roots, 1)) == 2
    with pytest.raises(ValueError, match="masks of 1 levels"):
        grid_of_masks([], shape, roots, 1)
    with pytest.raises(ValueError, match="1 masks other than zero"):
        grid_of_masks([masks[0] * 0], shape, roots, 1)
    with pytest.raises(ValueError, match="1 masks other than zero"):
        grid_of_masks([masks[0].repeat(2)], shape, roots, 1)
    for number in (-1, 1, 1 << 16):
        with pytest.raises(ValueError, match="numbers of grids"):
            grid_of_masks(masks, shape, torch.tensor([number]), 1)
    with pytest.raises(ValueError, match="must lie in"):
        grid_of_masks(masks, (2, 1, 1), roots, 1)
    for tokens in ([255], [-1]):
        with pytest.raises(ValueError, match="0 to 254"):
            grid_of_subtrees(torch.tensor(tokens), shape, roots, 1)
    with pytest.raises(ValueError, match="1 tokens expected"):
        grid_of_subtrees(torch.tensor([1, 1]), shape, roots, 1)
    with pytest.raises(ValueError, match="expected"):
        grid_of_subtrees(torch.tensor([], dtype=torch.int64), shape, roots, 1)
    for tokens in ([1] * 7, [2] * 8):
        with pytest.raises(ValueError, match="eight tokens"):
            grid_of_splits([torch.tensor(tokens)], shape, roots, 1)
