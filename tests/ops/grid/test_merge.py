"""Maps of sweeps against dictionaries of cells."""

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sparse3d.ops.grid import Keep, evict_far, evict_old, map_of, merge_sweep
from sparse3d.scene.grid_map import GridMap
from sparse3d.scene.sparse_grid import SparseGrid

MakeGrid = Callable[..., SparseGrid]


def as_dict(known: GridMap) -> dict[int, tuple[list[float], int, float]]:
    assert known.grid.features is not None
    columns = (known.grid.keys, known.grid.features, known.counts, known.times)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return {key: (features, count, time) for key, features, count, time in rows}


@settings(max_examples=40)
@given(
    st.lists(st.integers(0, 40), min_size=1, max_size=4),
    st.integers(0, 10_000),
    st.sampled_from(["mean", "latest"]),
)
def test_maps_are_those_of_the_reference(
    make_grid: MakeGrid, sizes: list[int], seed: int, keep: Keep
) -> None:
    rng = torch.Generator().manual_seed(seed)
    known, expected = None, {}
    for time, size in enumerate(sizes):
        sweep = make_grid(size, seed + time, (4, 3, 2), channels=2)
        counts = torch.randint(1, 5, (len(sweep),), generator=rng)
        for key, row, count in zip(
            sweep.keys.tolist(), sweep.require_features().tolist(), counts.tolist(), strict=True
        ):
            old, total, _ = expected.get(key, ([0.0, 0.0], 0, 0.0))
            share = count / (total + count) if keep == "mean" else 1.0
            features = [a + (b - a) * share for a, b in zip(old, row, strict=True)]
            expected[key] = (features, total + count, float(time))
        if known is None:
            known = map_of(sweep, time=0.0, counts=counts)
            continue
        before = known
        merged = merge_sweep(known, sweep, float(time), counts=counts, keep=keep)
        known = merged.map
        assert torch.equal(known.grid.keys[merged.old_rows], before.grid.keys)
        assert torch.equal(known.grid.keys[merged.sweep_rows], sweep.keys)
    assert known is not None
    SparseGrid.of_keys(known.grid.keys, known.grid.shape, known.grid.batch_size)
    found = as_dict(known)
    assert list(found) == sorted(expected)
    for key, (features, count, time) in expected.items():
        assert found[key][0] == pytest.approx(features, abs=1e-5)
        assert found[key][1:] == (count, time)


def test_means_do_not_depend_on_how_sweeps_are_cut(make_grid: MakeGrid) -> None:
    grid = make_grid(30, channels=3)
    assert grid.features is not None
    known = map_of(grid, 0.0, counts=torch.full((len(grid),), 2))
    again = SparseGrid(grid.keys, grid.shape, 3, grid.space, grid.features + 3)
    merged = merge_sweep(known, again, 1.0).map
    torch.testing.assert_close(merged.grid.features, grid.features + 1)
    assert bool((merged.counts == 3).all())


def test_features_have_gradients(make_grid: MakeGrid) -> None:
    one, two = make_grid(12, 1, (3, 2, 2)), make_grid(12, 2, (3, 2, 2))

    def merged(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        first = SparseGrid(one.keys, one.shape, 3, one.space, a)
        second = SparseGrid(two.keys, two.shape, 3, two.space, b)
        return merge_sweep(map_of(first, 0.0), second, 1.0).map.grid.require_features()

    features = [torch.randn(len(g), 2, dtype=torch.float64, requires_grad=True) for g in (one, two)]
    torch.autograd.gradcheck(merged, features)


def test_late_sweeps_do_not_make_cells_older(make_grid: MakeGrid) -> None:
    grid = make_grid(9)
    merged = merge_sweep(map_of(grid, 5.0), grid, 3.0)
    assert bool((merged.map.times == 5).all())


def test_old_cells_are_forgotten(make_grid: MakeGrid) -> None:
    old, new = make_grid(30, 1, channels=1), make_grid(30, 2, channels=1)
    known = merge_sweep(map_of(old, 1.0), new, 2.0).map
    kept = evict_old(known, 2.0)
    assert torch.equal(kept.map.grid.keys, new.keys)
    assert torch.equal(known.grid.keys[kept.rows], new.keys)
    assert known.grid.features is not None
    assert torch.equal(kept.map.grid.require_features(), known.grid.features[kept.rows])
    assert len(evict_old(known, 1.0).map) == len(known)
    assert len(evict_old(known, math.inf).map) == 0


def test_far_cells_are_forgotten(make_grid: MakeGrid) -> None:
    known = map_of(make_grid(100), 0.0)
    away = (known.grid.centers() - torch.tensor([0.3, 1.0, 5.0])).norm(dim=1)
    kept = evict_far(known, (0.3, 1.0, 5.0), 2.5)
    assert 0 < len(kept.map) < len(known)
    assert torch.equal(kept.rows, (away <= 2.5).nonzero()[:, 0])
    assert len(evict_far(known, (0.3, 1.0, 5.0), -1.0).map) == 0


def test_what_is_refused(make_grid: MakeGrid) -> None:
    grid = make_grid(6)
    known = map_of(grid, 0.0)
    with pytest.raises(ValueError, match="finite time"):
        merge_sweep(known, grid, math.nan)
    with pytest.raises(ValueError, match="positive count"):
        merge_sweep(known, grid, 1.0, counts=torch.zeros(len(grid), dtype=torch.int64))
    with pytest.raises(ValueError, match="sweep of space"):
        merge_sweep(known, SparseGrid(grid.keys, grid.shape, 3), 1.0)
    with pytest.raises(ValueError, match="sweep of shape"):
        merge_sweep(known, make_grid(6, 0, (2, 2, 2)), 1.0)
    with pytest.raises(ValueError, match="sweep of None channels"):
        merge_sweep(known, make_grid(6, channels=2), 1.0)
    with pytest.raises(ValueError, match="got nan"):
        evict_old(known, math.nan)
    with pytest.raises(ValueError, match="finite numbers"):
        evict_far(known, (0.0, math.inf, 0.0), 1.0)
    with pytest.raises((TypeError, ValueError)):
        GridMap(grid, known.counts[1:], known.times)
