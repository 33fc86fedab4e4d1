"""The tree bottom-up, a level at a time; a cut by the sizes of all nodes at once."""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float64, Int64
from torch import Tensor

from sparse3d.geometry.morton import AXIS_BITS
from sparse3d.ops.detail._moments import Moments

__all__ = ["build", "select"]

_BIN_SHIFT = 46  # leaves the exponent and 6 bits of the mantissa: 131 thousand bins


class _Level(NamedTuple):
    """Inner nodes that came to be at one level of the octree."""

    numbers: Int64[Tensor, " k"]
    moments: Moments


def build(keys: Int64[Tensor, " n"], leaves: Moments) -> tuple[Int64[Tensor, " m"], Moments]:
    """Parents of all nodes and moments of the inner ones; keys are sorted.

    While it grows, nodes are numbered as they come to be: leaves, then finer before coarser ones.
    """
    count = len(keys)
    parents = keys.new_full((max(2 * count - 1, 0),), -1)
    nodes, moments = torch.arange(count, device=keys.device), leaves  # one a cell of this level
    levels = [_Level(nodes[:0], _rows(leaves, nodes[:0]))]  # so that there is one to join
    for level in range(AXIS_BITS, -1, -1):
        cells, cell_of, sizes = (keys >> 3 * (AXIS_BITS - level)).unique_consecutive(
            return_inverse=True, return_counts=True
        )
        if len(cells) == len(keys):  # nothing to merge yet
            continue
        full = sizes > 1
        first = sizes.cumsum(0) - sizes
        born = count + torch.arange(int(full.sum()), device=keys.device)
        count += len(born)
        inside = full[cell_of]  # nodes that get a parent
        place = (full.cumsum(0) - 1)[cell_of[inside]]
        parents[nodes[inside]] = born[place]
        merged = _merge(_rows(moments, inside), place, len(born))
        levels.append(_Level(born, merged))
        keys, nodes = keys[first], nodes[first].masked_scatter(full, born)
        moments = _replaced(_rows(moments, first), full, merged)
    return _coarse_first(parents[:count], levels[::-1], len(leaves[0]))


def _merge(parts: Moments, place: Int64[Tensor, " n"], count: int) -> Moments:
    """Moments of ``count`` mixtures; ``place`` says which one each part belongs to."""
    masses, means, covariances, sh, lows, highs = parts
    mass = _sums(masses, place, count)
    weights = masses / mass[place]
    mean = _sums(weights[:, None] * means, place, count)
    offsets = means - mean[place]
    spread = covariances + offsets[:, :, None] * offsets[:, None]
    covariance = _sums(weights[:, None, None] * spread, place, count)
    colour = _sums(weights[:, None, None] * sh, place, count)
    index = place[:, None].expand(-1, 3)
    low = lows.new_full((count, 3), torch.inf).scatter_reduce(0, index, lows, "amin")
    high = highs.new_full((count, 3), -torch.inf).scatter_reduce(0, index, highs, "amax")
    return mass, mean, covariance, colour, low, high


def _sums(values: Tensor, place: Int64[Tensor, " n"], count: int) -> Tensor:
    return values.new_zeros(count, *values.shape[1:]).index_add(0, place, values)


def _rows(moments: Moments, rows: Tensor) -> Moments:
    a, b, c, d, e, f = (value[rows] for value in moments)
    return a, b, c, d, e, f


def _replaced(moments: Moments, where: Tensor, by: Moments) -> Moments:
    rows = where.nonzero()[:, 0]
    pairs = zip(moments, by, strict=True)
    a, b, c, d, e, f = (value.index_copy(0, rows, new) for value, new in pairs)
    return a, b, c, d, e, f


def _coarse_first(
    parents: Int64[Tensor, " m"], levels: list[_Level], leaves: int
) -> tuple[Int64[Tensor, " m"], Moments]:
    """Number the nodes as they are stored: inner ones from the coarsest level on, then leaves."""
    ahead = [level.numbers for level in levels]
    order = torch.cat([*ahead, torch.arange(leaves, device=parents.device)])
    number = torch.empty_like(order).scatter(0, order, torch.arange(len(order)).to(order))
    parents = parents[order]
    parents = torch.where(parents < 0, -1, number[parents])
    columns = zip(*(level.moments for level in levels), strict=True)
    a, b, c, d, e, f = (torch.cat(parts) for parts in columns)
    return parents, (a, b, c, d, e, f)


def select(
    parents: Int64[Tensor, " m"],
    lows: Float64[Tensor, "m 3"],
    highs: Float64[Tensor, "m 3"],
    budget: int,
    positions: Float64[Tensor, "c 3"],
    planes: Float64[Tensor, "c p 4"],
) -> Int64[Tensor, " k"]:
    """Node numbers of a cut.

    Boxes lie within their parent's, so no node looks larger than its parent, not even after
    rounding: the nodes that look largest, equal ones by their number, are those that would be
    refined one by one.
    """
    children = torch.bincount(parents[1:])  # of inner nodes, which come first
    inner = len(children)
    sizes = _looks(lows[:inner], highs[:inner], positions, planes)
    refined = _largest(sizes, children - 1, budget - 1)
    reached = torch.ones_like(parents, dtype=torch.bool)
    reached[1:] = refined[parents[1:]]
    reached[:inner] &= ~refined
    return reached.nonzero()[:, 0]


def _largest(
    sizes: Float64[Tensor, " n"], costs: Int64[Tensor, " n"], room: int
) -> Bool[Tensor, " n"]:
    """The largest, equal ones by row, up to the first whose cost does not fit into ``room``.

    Sizes are not negative, so they are ordered as their bits are: bins of some leading bits, and a
    sort within the one in which the room ends, instead of a sort of all.
    """
    bins = sizes.view(torch.int64) >> _BIN_SHIFT
    filled = torch.bincount(bins, costs.double()).flip(0).cumsum(0)  # from the largest on
    whole = int((filled <= room).sum())
    edge = len(filled) - 1 - whole
    chosen = bins > edge
    rows = (bins == edge).nonzero()[:, 0]
    rows = rows[sizes[rows].argsort(descending=True, stable=True)]
    left = room - (int(filled[whole - 1]) if whole else 0)
    chosen[rows[costs[rows].cumsum(0) <= left]] = True
    return chosen


def _looks(
    lows: Float64[Tensor, "m 3"],
    highs: Float64[Tensor, "m 3"],
    positions: Float64[Tensor, "c 3"],
    planes: Float64[Tensor, "c p 4"],
) -> Float64[Tensor, " m"]:
    """Diagonal over distance to the nearest camera that sees it; infinite around a camera."""
    nearest = lows.new_full((len(lows),), torch.inf)
    for position, around in zip(positions, planes, strict=True):
        outside = torch.maximum(lows - position, position - highs).clamp_min(0)
        distance = _length(outside).masked_fill(_beyond(lows, highs, around), torch.inf)
        nearest = torch.minimum(nearest, distance)
    return torch.where(nearest > 0, _length(highs - lows) / nearest, torch.inf)


def _beyond(
    lows: Float64[Tensor, "m 3"], highs: Float64[Tensor, "m 3"], planes: Float64[Tensor, "p 4"]
) -> Bool[Tensor, " m"]:
    """Whether the whole box is beyond one of the planes; one within it is, too, after rounding."""
    beyond = torch.zeros(len(lows), dtype=torch.bool, device=lows.device)
    for *normal, offset in planes.tolist():
        farthest = [(highs if n > 0 else lows)[:, axis] * n for axis, n in enumerate(normal)]
        beyond |= farthest[0] + farthest[1] + farthest[2] + offset < 0
    return beyond


def _length(vectors: Float64[Tensor, "m 3"]) -> Float64[Tensor, " m"]:
    """Euclidean, in operations that grow with each coordinate even after rounding."""
    x, y, z = vectors.unbind(1)
    return (x * x + y * y + z * z).sqrt()
