"""The tree by recursion from the top, merging leaves; a cut by refining one node at a time."""

import heapq
import math
from itertools import pairwise, product

import torch
from jaxtyping import Float64, Int64
from torch import Tensor

__all__ = ["build", "select"]

_Moments = tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]
_LEVELS = 16
_Node = tuple[int, int, int]  # level, first leaf, one past the last leaf


def build(keys: Int64[Tensor, " n"], leaves: _Moments) -> tuple[Int64[Tensor, " m"], _Moments]:
    """Parents of all nodes and moments of the inner ones; keys are sorted."""
    parent_of: dict[_Node, _Node | None] = {}
    if len(keys):
        _divide(keys.tolist(), 0, len(keys), 0, None, parent_of)
    ordered = sorted(parent_of)  # by level, then by first leaf; leaves count as the last level
    number = {node: i for i, node in enumerate(ordered)}
    parents = [-1 if (up := parent_of[node]) is None else number[up] for node in ordered]
    inner = [node for node in ordered if node[0] <= _LEVELS]
    merged = [_merged(leaves, first, last) for _, first, last in inner]
    columns = [torch.stack(parts) for parts in zip(*merged, strict=True)]
    a, b, c, d, e, f = columns or [value[:0] for value in leaves]
    return torch.tensor(parents, dtype=torch.int64), (a, b, c, d, e, f)


def _divide(
    keys: list[int],
    first: int,
    last: int,
    level: int,
    parent: _Node | None,
    parent_of: dict[_Node, _Node | None],
) -> None:
    """Add the node of the leaves from ``first`` to ``last`` and those below it."""
    if last - first == 1:
        parent_of[_LEVELS + 1, first, last] = parent
        return
    below = level + 1
    if below > _LEVELS:  # leaves in one cell
        cuts = list(range(first, last + 1))
    else:
        cells = [keys[i] >> 3 * (_LEVELS - below) for i in range(first, last)]
        changes = [first + i for i in range(1, len(cells)) if cells[i] != cells[i - 1]]
        cuts = [first, *changes, last]
    if len(cuts) == 2:
        _divide(keys, first, last, below, parent, parent_of)
        return
    node = (level, first, last)
    parent_of[node] = parent
    for begin, end in pairwise(cuts):
        _divide(keys, begin, end, below, node, parent_of)


def _merged(leaves: _Moments, first: int, last: int) -> list[Tensor]:
    masses, means, covariances, sh, lows, highs = (value[first:last] for value in leaves)
    mass = masses.sum()
    mean = sum((w * x for w, x in zip(masses, means, strict=True)), torch.zeros(3)) / mass
    covariance, colour = torch.zeros(3, 3), torch.zeros_like(sh[0])
    for i in range(last - first):
        offset = means[i] - mean
        covariance = covariance + masses[i] / mass * (covariances[i] + torch.outer(offset, offset))
        colour = colour + masses[i] / mass * sh[i]
    return [mass, mean, covariance, colour, lows.min(0).values, highs.max(0).values]


def select(
    parents: Int64[Tensor, " m"],
    lows: Float64[Tensor, "m 3"],
    highs: Float64[Tensor, "m 3"],
    budget: int,
    positions: Float64[Tensor, "c 3"],
    planes: Float64[Tensor, "c p 4"],
) -> Int64[Tensor, " k"]:
    """Node numbers of a cut."""
    children: dict[int, list[int]] = {}
    for node, parent in enumerate(parents.tolist()):
        children.setdefault(parent, []).append(node)
    cameras = list(zip(positions.tolist(), planes.tolist(), strict=True))
    cut, queue = set(children[-1]), [(-math.inf, node) for node in children[-1]]
    while queue:
        _, node = heapq.heappop(queue)
        below = children.get(node, [])
        if not below:
            continue
        if len(cut) - 1 + len(below) > budget:
            break
        cut = cut - {node} | set(below)
        for child in below:
            size = _looks(lows[child].tolist(), highs[child].tolist(), cameras)
            heapq.heappush(queue, (-size, child))
    return torch.tensor(sorted(cut))


def _looks(
    low: list[float], high: list[float], cameras: list[tuple[list[float], list[list[float]]]]
) -> float:
    nearest = math.inf
    for position, planes in cameras:
        corners = list(product(*zip(low, high, strict=True)))
        if any(all(a * x + b * y + c * z + d < 0 for x, y, z in corners) for a, b, c, d in planes):
            continue
        gaps = [max(a - x, x - b, 0.0) for a, x, b in zip(low, position, high, strict=True)]
        nearest = min(nearest, math.sqrt(sum(gap * gap for gap in gaps)))
    diagonal = math.sqrt(sum((b - a) ** 2 for a, b in zip(low, high, strict=True)))
    return diagonal / nearest if nearest > 0 else math.inf
