"""Keys against interleaving bit by bit."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from sparse3d.geometry.morton import (
    AXIS_BITS,
    BATCH_BITS,
    coarser_keys,
    finer_keys,
    morton_decode,
    morton_encode,
)

AXIS = st.integers(0, 2**AXIS_BITS - 1)
CELLS = st.lists(st.tuples(st.integers(0, 2**BATCH_BITS - 1), AXIS, AXIS, AXIS), max_size=20)


def interleaved(batch: int, x: int, y: int, z: int) -> int:
    key = batch
    for bit in reversed(range(AXIS_BITS)):
        for value in (x, y, z):
            key = key << 1 | (value >> bit & 1)
    return key


@given(CELLS)
def test_keys_interleave_the_bits(cells: list[tuple[int, int, int, int]]) -> None:
    keys = morton_encode(torch.tensor(cells, dtype=torch.int64).reshape(-1, 4))
    assert keys.tolist() == [interleaved(*cell) for cell in cells]


@given(CELLS)
def test_decoding_gives_the_cells_back(cells: list[tuple[int, int, int, int]]) -> None:
    table = torch.tensor(cells, dtype=torch.int64).reshape(-1, 4)
    assert torch.equal(morton_decode(morton_encode(table)), table)


def test_a_shift_of_the_key_is_the_parent_cell() -> None:
    cells = torch.tensor([[0, 5, 11, 1023], [0, 700, 2, 64]])
    parents = torch.cat([cells[:, :1], cells[:, 1:] // 2], dim=1)
    assert torch.equal(morton_encode(cells) >> 3, morton_encode(parents))


@given(CELLS, st.integers(0, AXIS_BITS))
def test_coarser_keys_are_those_of_halved_cells_in_the_same_batch(
    cells: list[tuple[int, int, int, int]], levels: int
) -> None:
    table = torch.tensor(cells, dtype=torch.int64).reshape(-1, 4)
    halved = torch.cat([table[:, :1], table[:, 1:] >> levels], dim=1)
    coarse = coarser_keys(morton_encode(table), levels)
    assert torch.equal(coarse, morton_encode(halved))
    first = torch.cat([table[:, :1], halved[:, 1:] << levels], dim=1)
    assert torch.equal(finer_keys(coarse, levels), morton_encode(first))


def test_int32_cells_do_not_overflow() -> None:
    cells = torch.tensor([[2**BATCH_BITS - 1, 65535, 65535, 65535]], dtype=torch.int32)
    assert morton_encode(cells).item() == 2 ** (BATCH_BITS + 3 * AXIS_BITS) - 1
