"""Octrees that are split, pruned and merged: what leaves cover, and what they hold."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sparse3d.ops.grid import locate, merge_leaves, parents, prune_leaves, split_leaves
from sparse3d.scene.sparse_grid import SparseGrid
from sparse3d.scene.sparse_octree import SparseOctree

MakeGrid = Callable[..., SparseGrid]


def draw(count: int, rng: torch.Generator, share: float = 0.5) -> Tensor:
    return torch.rand(count, generator=rng) < share


def intervals(octree: SparseOctree) -> set[tuple[int, int]]:
    return set(zip(octree.keys.tolist(), octree.levels.tolist(), strict=True))


def start(make_grid: MakeGrid, seed: int) -> SparseOctree:
    grid = make_grid(60, seed, channels=2)
    return SparseOctree.of_grid(parents(grid, 2).grid, 2)


@settings(max_examples=30)
@given(st.integers(0, 10_000), st.lists(st.sampled_from(["split", "prune", "merge"]), max_size=5))
def test_leaves_stay_leaves_whatever_is_done(
    make_grid: MakeGrid, seed: int, verbs: list[str]
) -> None:
    octree, rng = start(make_grid, seed), torch.Generator().manual_seed(seed)
    for verb in verbs:
        chosen = draw(len(octree), rng)
        before = octree
        if verb == "split":
            changed = split_leaves(octree, chosen & (octree.levels > 0))
        else:
            changed = (prune_leaves if verb == "prune" else merge_leaves)(octree, chosen)
        octree = changed.octree
        octree.check()
        # Each leaf is, holds or lies in the one that it comes from.
        low = torch.maximum(octree.keys, before.keys[changed.sources])
        high = torch.minimum(octree.ends(), before.ends()[changed.sources])
        assert bool((low < high).all())


def test_split_leaves_become_eight(make_grid: MakeGrid) -> None:
    octree, rng = start(make_grid, 1), torch.Generator().manual_seed(1)
    chosen = draw(len(octree), rng)
    changed = split_leaves(octree, chosen)
    expected = set()
    for key, level, split in zip(
        octree.keys.tolist(), octree.levels.tolist(), chosen.tolist(), strict=True
    ):
        if split:
            expected |= {(key + octant * 8 ** (level - 1), level - 1) for octant in range(8)}
        else:
            expected.add((key, level))
    assert intervals(changed.octree) == expected
    assert octree.features is not None
    assert changed.octree.features is not None
    assert torch.equal(changed.octree.features, octree.features[changed.sources])
    points = octree.require_space().centers(torch.randint(0, 6, (200, 3), generator=rng))
    before, after = locate(octree, points), locate(changed.octree, points)
    assert torch.equal(before >= 0, after >= 0)
    assert torch.equal(changed.sources[after[after >= 0]], before[before >= 0])


def test_pruned_leaves_are_gone(make_grid: MakeGrid) -> None:
    octree = start(make_grid, 2)
    chosen = draw(len(octree), torch.Generator().manual_seed(2))
    changed = prune_leaves(octree, chosen)
    assert torch.equal(changed.sources, (~chosen).nonzero()[:, 0])
    assert torch.equal(changed.octree.keys, octree.keys[~chosen])


def test_merging_undoes_a_split(make_grid: MakeGrid) -> None:
    octree = start(make_grid, 3)
    split = split_leaves(octree, torch.ones(len(octree), dtype=torch.bool)).octree
    merged = merge_leaves(split, torch.ones(len(split), dtype=torch.bool))
    assert torch.equal(merged.octree.keys, octree.keys)
    assert torch.equal(merged.octree.levels, octree.levels)
    torch.testing.assert_close(merged.octree.features, octree.features)
    assert merged.sources.tolist() == list(range(0, len(split), 8))


def test_only_whole_families_are_merged() -> None:
    #  Cells 0 and 1 of one parent, a leaf and a cell of the next, one cell of a third.
    grid = SparseGrid(torch.tensor([0, 1]), (4, 4, 4), 1, features=torch.tensor([[1.0], [5.0]]))
    octree = split_leaves(SparseOctree.of_grid(grid, 1), torch.tensor([True, False])).octree
    assert octree.levels.tolist() == [0] * 8 + [1]
    octree = replace(octree, features=torch.arange(9.0)[:, None])
    but_one = torch.ones(9, dtype=torch.bool)
    but_one[3] = False
    kept = merge_leaves(octree, but_one).octree
    assert intervals(kept) == intervals(octree)
    some = merge_leaves(octree, torch.ones(9, dtype=torch.bool)).octree
    assert intervals(some) == {(0, 1), (8, 1)}
    assert some.features is not None
    assert some.features[:, 0].tolist() == [3.5, 8.0]
    both = merge_leaves(some, torch.ones(2, dtype=torch.bool)).octree
    assert intervals(both) == {(0, 2)}


def test_what_is_refused(make_grid: MakeGrid) -> None:
    octree = SparseOctree.of_grid(make_grid(4))
    all_leaves = torch.ones(len(octree), dtype=torch.bool)
    with pytest.raises(ValueError, match="smallest in row 0"):
        split_leaves(octree, all_leaves)
    with pytest.raises((TypeError, ValueError)):
        prune_leaves(octree, all_leaves[1:])
    with pytest.raises((TypeError, ValueError)):
        merge_leaves(octree, all_leaves.long())
    root = SparseOctree(torch.tensor([0]), torch.tensor([16]), (1, 1, 1), 1)
    with pytest.raises(ValueError, match="below the largest"):
        merge_leaves(root, torch.tensor([True]))


@pytest.mark.parametrize(
    ("keys", "levels", "message"),
    [
        ([0, 3], [1, 0], "none of which holds another"),
        ([3, 0], [0, 0], "none of which holds another"),
        ([4], [1], "multiple of their size"),
        ([0], [17], "levels from 0 to 16"),
        ([0], [-1], "levels from 0 to 16"),
        ([64], [0], "must lie in"),
    ],
)
def test_leaves_that_are_no_octree_are_refused(
    keys: list[int], levels: list[int], message: str
) -> None:
    octree = SparseOctree(torch.tensor(keys), torch.tensor(levels), (4, 4, 4), 1)
    with pytest.raises(ValueError, match=message):
        octree.check()
