"""Octrees that are fine where a signal says so: leaves are split, merged and left out."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from sparse3d.geometry.morton import AXIS_BITS, morton_decode
from sparse3d.scene.sparse_octree import SparseOctree

__all__ = ["Adapted", "merge_leaves", "prune_leaves", "split_leaves"]


@dataclass(frozen=True, slots=True)
class Adapted:
    """A changed octree, and where its leaves come from."""

    octree: SparseOctree
    sources: Int64[Tensor, " m"]
    """Row before the change of the leaf that each leaf is, or is part of; of the first of those
    that a merged leaf is made of."""


def split_leaves(octree: SparseOctree, chosen: Bool[Tensor, " n"]) -> Adapted:
    """Replace chosen leaves by their eight children, which have their features.

    Children that lie wholly beyond the shape are left out.

    With :func:`prune_leaves` this is how Dynamic PlenOctrees (Bai et al. 2023) follow the scene
    that they are trained on: leaves that matter are split, leaves that do not are pruned.

    Args:
        octree: The leaves.
        chosen: Which of them to split.

    Raises:
        ValueError: If there is not one choice a leaf, or a chosen leaf is as small as a cell.
    """
    _check(octree, chosen)
    if bool((octree.levels[chosen] == 0).any()):
        row = int((chosen & (octree.levels == 0)).nonzero()[0, 0])
        raise ValueError(f"leaves larger than a cell expected, got the smallest in row {row}")
    counts = torch.where(chosen, 8, 1)
    sources = torch.repeat_interleave(counts)
    starts = counts.cumsum(0) - counts
    octant = torch.arange(len(sources), device=sources.device) - starts[sources]
    levels = (octree.levels - chosen.long())[sources]
    keys = octree.keys[sources] + (octant << 3 * levels)
    limit = torch.tensor(octree.shape, device=keys.device)
    inside = (morton_decode(keys)[:, 1:] < limit).all(1)
    keys, levels, sources = keys[inside], levels[inside], sources[inside]
    return Adapted(_with(octree, keys, levels, sources), sources)


def prune_leaves(octree: SparseOctree, chosen: Bool[Tensor, " n"]) -> Adapted:
    """Leave chosen leaves out.

    Raises:
        ValueError: If there is not one choice a leaf.
    """
    _check(octree, chosen)
    sources = (~chosen).nonzero()[:, 0]
    return Adapted(_with(octree, octree.keys[sources], octree.levels[sources], sources), sources)


def merge_leaves(octree: SparseOctree, chosen: Bool[Tensor, " n"]) -> Adapted:
    """Replace chosen siblings by their parent, with the mean of their features.

    A parent takes the place of its children where all of them that are there are leaves and chosen;
    others stay. Fewer than eight will do: the space of those that were pruned comes back.

    Raises:
        ValueError: If there is not one choice a leaf, or a chosen leaf is as large as leaves can
            be.
    """
    _check(octree, chosen)
    if bool((octree.levels[chosen] >= AXIS_BITS).any()):
        raise ValueError("leaves below the largest level expected")
    first, last = _family(octree)
    size = last - first
    alike = _sum_over(chosen.long(), first, last) == size
    level_sum = _sum_over(octree.levels, first, last)
    merged = chosen & alike & (level_sum == octree.levels * size)
    rows = torch.arange(len(octree), device=octree.keys.device)
    sources = (~merged | (rows == first)).nonzero()[:, 0]
    keys, levels = octree.keys.clone(), octree.levels + merged.long()
    keys[merged] = _parent_keys(octree)[merged]
    result = _with(octree, keys[sources], levels[sources], sources)
    if octree.features is None:
        return Adapted(result, sources)
    features = _family_means(octree.features, torch.where(merged, first, rows), sources)
    return Adapted(replace(result, features=features), sources)


def _check(octree: SparseOctree, chosen: Bool[Tensor, " n"]) -> None:
    if chosen.dtype != torch.bool or len(chosen) != len(octree):
        raise ValueError(f"yes or no for each of {len(octree)} leaves expected, got {chosen.shape}")


def _with(
    octree: SparseOctree,
    keys: Int64[Tensor, " m"],
    levels: Int64[Tensor, " m"],
    sources: Int64[Tensor, " m"],
) -> SparseOctree:
    features = None if octree.features is None else octree.features[sources]
    return replace(octree, keys=keys, levels=levels, features=features)


def _parent_keys(octree: SparseOctree) -> Int64[Tensor, " n"]:
    """Key of the parent of each leaf; of the leaf itself at the largest level."""
    above = (octree.levels + 1).clamp_max(AXIS_BITS)
    return octree.keys >> 3 * above << 3 * above


def _family(octree: SparseOctree) -> tuple[Int64[Tensor, " n"], Int64[Tensor, " n"]]:
    """First row, and row after the last, of the leaves below the parent of each leaf."""
    keys = _parent_keys(octree)
    ends = keys + (torch.ones_like(keys) << 3 * (octree.levels + 1).clamp_max(AXIS_BITS))
    return torch.searchsorted(octree.keys, keys), torch.searchsorted(octree.keys, ends)


def _sum_over(
    values: Int64[Tensor, " n"], first: Int64[Tensor, " n"], last: Int64[Tensor, " n"]
) -> Int64[Tensor, " n"]:
    """Of values in ranges of rows."""
    sums = torch.cat([values.new_zeros(1), values.cumsum(0)])
    return sums[last] - sums[first]


def _family_means(
    features: Float[Tensor, "n c"], heads: Int64[Tensor, " n"], sources: Int64[Tensor, " m"]
) -> Float[Tensor, "m c"]:
    """Means over the leaves that have the same head, for the heads."""
    sums = torch.zeros_like(features).index_add(0, heads, features)
    counts = torch.bincount(heads, minlength=len(heads))
    return sums[sources] / counts[sources, None].to(features)
