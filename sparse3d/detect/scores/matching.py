"""Which detections find which annotations, at every score threshold at once.

KITTI's program matches twice. First, by score, to choose the thresholds. Then, for each threshold,
by overlap, among the detections that reach it: to count what is right and what is a false alarm.
Annotations choose in the order of their file.

The choice of an annotation depends only on the detections that overlap it, and on the annotations
that want those. So objects fall into clusters. A cluster's counts change only at the scores of its
own detections, which is where it is matched anew; what all clusters count at a threshold is the
sum of their changes down to it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Bool, Float64, Int8, Int64
from torch import Tensor

from sparse3d.detect.scores.rules import COUNTS, OTHER
from sparse3d.detect.scores.table import Table

__all__ = ["Changes", "match"]


@dataclass(frozen=True, slots=True)
class Changes:
    """What each further detection changes, and who was matched."""

    scores: Float64[Tensor, " e"]
    """Score at which the change takes place, in no order."""
    frames: Int64[Tensor, " e"]
    """Frame in which it does."""
    counts: Float64[Tensor, "e 3"]
    """Change of the number of right detections, of false alarms, of orientation similarity."""
    found_scores: Float64[Tensor, " f"]
    """Scores of the right detections of the matching by score."""
    matched_truth: Int64[Tensor, " m"]
    """Annotations that count and are found when all detections take part."""
    matched_detections: Int64[Tensor, " m"]
    """The detections that find them."""


def match(
    table: Table,
    overlaps: Float64[Tensor, " p"],
    least: float,
    truth_states: Int8[Tensor, " n"],
    detection_states: Int8[Tensor, " m"],
    uncared: Bool[Tensor, " m"],
) -> Changes:
    """Match all frames.

    Args:
        table: The objects.
        overlaps: Of ``table.pairs``, in the metric wanted.
        least: What an overlap must exceed.
        truth_states: As ``rules`` has them.
        detection_states: The same of detections.
        uncared: Detections that are no false alarms when nothing else is found by them.
    """
    pairs = table.pairs
    usable = (overlaps > least) & (truth_states[pairs.truth] != OTHER)
    usable &= detection_states[pairs.detections] != OTHER
    t, d = pairs.truth[usable], pairs.detections[usable]
    turned = table.truth.alphas[t] - table.detections.alphas[d]
    alarming = (detection_states == COUNTS) & ~uncared
    graph = _Graph(
        t.tolist(),
        d.tolist(),
        overlaps[usable].tolist(),
        ((1 + torch.cos(turned)) / 2).tolist(),
        (truth_states == COUNTS).tolist(),
        (detection_states == COUNTS).tolist(),
        alarming.tolist(),
        table.detections.scores.tolist(),
    )
    sweep = _Sweep()
    for cluster in _clusters(graph):
        _find(graph, cluster, sweep)
        _sweep(graph, cluster, sweep)
    alone = alarming.clone()
    alone[d] = False
    return _changes(table, sweep, alone.nonzero()[:, 0])


@dataclass(frozen=True, slots=True)
class _Graph:
    """Columns of pairs, then of annotations, then of detections."""

    truth: list[int]
    detection: list[int]
    overlap: list[float]
    similarity: list[float]
    truth_counts: list[bool]
    detection_counts: list[bool]
    alarming: list[bool]
    score: list[float]


@dataclass(frozen=True, slots=True)
class _Sweep:
    """Columns of changes, as they are found."""

    detections: list[int] = field(default_factory=list)
    counts: list[tuple[float, float, float]] = field(default_factory=list)
    found: list[float] = field(default_factory=list)
    matched: list[tuple[int, int]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Cluster:
    choices: list[list[int]]
    """Pairs of each annotation, in the order of the detections; annotations in theirs."""
    detections: list[int]
    """Best score first."""


def _clusters(graph: _Graph) -> Iterator[_Cluster]:
    """Connected components of the pairs."""
    parents: dict[int, int] = {}  # a detection d is the node -1 - d

    def root(node: int) -> int:
        while parents.setdefault(node, node) != node:
            parents[node] = parents[parents[node]]
            node = parents[node]
        return node

    for t, d in zip(graph.truth, graph.detection, strict=True):
        parents[root(t)] = root(-1 - d)
    members: dict[int, dict[int, list[int]]] = {}
    for pair, t in enumerate(graph.truth):
        members.setdefault(root(t), {}).setdefault(t, []).append(pair)
    for choices in members.values():
        everyone = {graph.detection[pair] for pairs in choices.values() for pair in pairs}
        ranked = sorted(everyone, key=lambda d: (-graph.score[d], d))
        yield _Cluster(list(choices.values()), ranked)


def _find(graph: _Graph, cluster: _Cluster, sweep: _Sweep) -> None:
    """Matching by score: each annotation takes the best detection that is left."""
    taken: set[int] = set()
    for pairs in cluster.choices:
        free = [pair for pair in pairs if graph.detection[pair] not in taken]
        if not free:
            continue
        best = max(free, key=lambda pair: graph.score[graph.detection[pair]])
        d = graph.detection[best]
        taken.add(d)
        if graph.truth_counts[graph.truth[best]] and graph.detection_counts[d]:
            sweep.found.append(graph.score[d])


def _sweep(graph: _Graph, cluster: _Cluster, sweep: _Sweep) -> None:
    """Matching by overlap, with one more detection of the cluster each time."""
    before, right = (0, 0, 0.0), []
    ranked = cluster.detections
    for rank, d in enumerate(ranked, 1):
        matched = _assign(graph, cluster.choices, set(ranked[:rank]))
        taken = {graph.detection[pair] for pair in matched}
        right = [pair for pair in matched if graph.truth_counts[graph.truth[pair]]]
        alarms = sum(graph.alarming[one] and one not in taken for one in ranked[:rank])
        now = (len(right), alarms, sum(graph.similarity[pair] for pair in right))
        sweep.detections.append(d)
        sweep.counts.append((now[0] - before[0], now[1] - before[1], now[2] - before[2]))
        before = now
    sweep.matched.extend((graph.truth[pair], graph.detection[pair]) for pair in right)


def _assign(graph: _Graph, choices: Sequence[list[int]], free: set[int]) -> list[int]:
    """Pairs in which each annotation takes the free detection of largest overlap.

    Where there is none that counts, KITTI's program takes one that is ignored. That changes
    neither what is right nor what is a false alarm, and is left out.
    """
    matched: list[int] = []
    for pairs in choices:
        best, largest = -1, 0.0
        for pair in pairs:
            d = graph.detection[pair]
            if d in free and graph.detection_counts[d] and graph.overlap[pair] > largest:
                best, largest = pair, graph.overlap[pair]
        if best >= 0:
            matched.append(best)
            free.discard(graph.detection[best])
    return matched


def _changes(table: Table, sweep: _Sweep, alone: Int64[Tensor, " a"]) -> Changes:
    d = torch.cat([torch.tensor(sweep.detections, dtype=torch.int64), alone])
    counts = torch.tensor([0.0, 1.0, 0.0], dtype=torch.float64).expand(len(alone), 3)
    swept = torch.tensor(sweep.counts, dtype=torch.float64).reshape(-1, 3)
    matched = torch.tensor(sweep.matched, dtype=torch.int64).reshape(-1, 2)
    return Changes(
        table.detections.scores[d],
        table.detections.frames[d],
        torch.cat([swept, counts]),
        torch.tensor(sweep.found, dtype=torch.float64),
        matched[:, 0],
        matched[:, 1],
    )
