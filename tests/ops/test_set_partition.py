"""Set partition against a loop over windows, DSVT's own sets, and what it promises."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sparse3d.ops.set_partition import Order, set_partition
from sparse3d.ops.set_partition._reference import set_partition as reference
from sparse3d.scene.sparse_grid import SparseGrid

SHAPE = (11, 9, 5)
ORDERS: tuple[Order, ...] = ("y", "x")


def random_grid(seed: int, share: float = 0.3, batch: int = 3) -> SparseGrid:
    """The second of the grids is empty."""
    rng = torch.Generator().manual_seed(seed)
    occupied = torch.rand(batch, *SHAPE, generator=rng) < share
    occupied[1] = False
    return SparseGrid.of_coordinates(occupied.nonzero(), SHAPE, batch)


@given(
    seed=st.integers(0, 1000),
    share=st.sampled_from((0.0, 0.02, 0.3, 1.0)),
    window=st.tuples(st.integers(1, 12), st.integers(1, 6), st.integers(1, 5)),
    size=st.integers(1, 40),
    order=st.sampled_from(ORDERS),
    data=st.data(),
)
def test_equals_the_reference_and_keeps_its_promises(  # noqa: PLR0917
    seed: int,
    share: float,
    window: tuple[int, int, int],
    size: int,
    order: Order,
    data: st.DataObject,
) -> None:
    grid = random_grid(seed, share)
    shift = data.draw(st.tuples(*(st.integers(0, edge - 1) for edge in window)))
    found = set_partition(grid, window, size, shift=shift, order=order)
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


@pytest.mark.parametrize("name", ["pillar", "voxel"])
def test_sets_are_those_of_the_authors(name: str, shared_oracles: Path) -> None:
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
            found = set_partition(
                grid, (wx, wy, wz), inputs["set_info"][0][0], shift=moved, order=order
            )
            sets = oracle[f"trace/set_voxel_inds_stage0_shift{number}"][axis]
            padding = oracle[f"trace/set_voxel_mask_stage0_shift{number}"][axis]
            assert torch.equal(rows[found.sets], torch.from_numpy(sets))
            assert torch.equal(found.padding, torch.from_numpy(padding))


def test_a_window_of_everything_has_one_sequence() -> None:
    grid = random_grid(4)
    found = set_partition(grid, (16, 16, 16), 7)
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
