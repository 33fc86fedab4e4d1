"""Precision over recall, and the numbers that sum it up."""

from dataclasses import dataclass

import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from sparse3d.detect.scores.matching import Changes

__all__ = ["SAMPLES", "Curve", "bootstrap_interval", "make_curve", "official_thresholds"]

SAMPLES = 41
"""Recall points of the official curve: 0, 1/40, ..., 1."""

_ENTRIES = 1 << 22  # of a chunk of resampled curves, about 30 MB a column


@dataclass(frozen=True, slots=True)
class Curve:
    """Counts at falling score thresholds, one for each score that a detection has."""

    scores: Float64[Tensor, " s"]
    """Thresholds, falling; a detection with this very score takes part."""
    counts: Float64[Tensor, "s 3"]
    """Right detections, false alarms, and orientation similarity of the right ones."""
    counted: int
    """Annotations that count."""

    def all_point(self, column: int = 0) -> float | None:
        """Area under precision over recall in percent, precision made to fall by its maximum.

        Args:
            column: 0 for precision, 2 for precision weighted by orientation similarity.

        Returns:
            The average precision; None where no annotation counts.
        """
        if not self.counted:
            return None
        right, alarms = self.counts[:, 0], self.counts[:, 1]
        weighted = self.counts[:, column]
        return 100 * float(_area(right[None], alarms[None], weighted[None]) / self.counted)

    def sampled(self, thresholds: Float64[Tensor, " t"], column: int = 0) -> Float64[Tensor, " 41"]:
        """KITTI's curve: precision at its thresholds, the largest of this and all later ones.

        Args:
            thresholds: Those of :func:`official_thresholds`, at most 41 of the curve's scores.
            column: As for :meth:`all_point`.
        """
        values = torch.zeros(SAMPLES, dtype=torch.float64)
        rows = torch.searchsorted(-self.scores, -thresholds)
        both = self.counts[rows, 0] + self.counts[rows, 1]
        values[: len(rows)] = self.counts[rows, column] / both.clamp(min=1)
        return values.flip(0).cummax(0).values.flip(0)

    def recall_at(self, alarms: int) -> float | None:
        """The largest share of annotations found with at most so many false alarms in all."""
        if not self.counted:
            return None
        right = self.counts[self.counts[:, 1] <= alarms, 0]
        return float(right.max()) / self.counted if len(right) else 0.0


def make_curve(changes: Changes, counted: int) -> Curve:
    """Sum up changes from the best score down."""
    order = changes.scores.argsort(descending=True, stable=True)
    scores = changes.scores[order]
    ends = _ends(scores)
    return Curve(scores[ends], changes.counts[order].cumsum(0)[ends], counted)


def official_thresholds(found: Float64[Tensor, " f"], counted: int) -> Float64[Tensor, " t"]:
    """The scores at which KITTI's curve is sampled.

    Going down the scores of right detections, one is passed over while the next is nearer to the
    recall that is due; a score that is taken makes 1/40 more due.

    Args:
        found: Scores of the right detections of the matching by score.
        counted: Annotations that count.
    """
    ranked = found.sort(descending=True).values.tolist()
    taken: list[float] = []
    due = 0.0
    for rank, score in enumerate(ranked, 1):
        here, after = rank / counted, (rank + 1) / counted
        if rank < len(ranked) and after - due < due - here:
            continue
        taken.append(score)
        due += 1 / (SAMPLES - 1)
    return torch.tensor(taken, dtype=torch.float64)


def bootstrap_interval(
    changes: Changes, counted: Int64[Tensor, " f"], seed: int, replicates: int = 1000
) -> tuple[float, float] | None:
    """A 95 % interval of the all-point average precision in percent, over resampled frames.

    Args:
        changes: Of all frames.
        counted: Annotations that count, of each frame.
        seed: Of the resampling; equal seeds draw equal frames.
        replicates: Number of resampled sets; those in which nothing counts are left out.

    Returns:
        The 2.5 % and 97.5 % quantiles; None where no annotation counts.
    """
    if not bool(counted.any()):
        return None
    generator = torch.Generator().manual_seed(seed)
    draws = torch.randint(len(counted), (replicates, len(counted)), generator=generator)
    weights = torch.zeros(draws.shape, dtype=torch.float64)
    weights.scatter_add_(1, draws, torch.ones_like(weights))
    totals = weights @ counted.double()
    order = changes.scores.argsort(descending=True, stable=True)
    ends = _ends(changes.scores[order])
    areas = []
    for chunk in weights.split(max(1, _ENTRIES // max(1, len(order)))):
        times = chunk[:, changes.frames[order]]
        right, alarms = (
            (times * changes.counts[order, column]).cumsum(1)[:, ends] for column in (0, 1)
        )
        areas.append(_area(right, alarms, right))
    values = 100 * (torch.cat(areas) / totals)[totals > 0]
    low, high = values.quantile(torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    return low, high


def _ends(scores: Float64[Tensor, " e"]) -> Int64[Tensor, " s"]:
    """The last of each run of equal scores."""
    last = torch.ones(len(scores), dtype=torch.bool)
    last[:-1] = scores[:-1] != scores[1:]
    return last.nonzero()[:, 0]


def _area(
    right: Float64[Tensor, "b s"], alarms: Float64[Tensor, "b s"], weighted: Float64[Tensor, "b s"]
) -> Float64[Tensor, " b"]:
    """Sum of precision over right detections, the precision being the largest from there on."""
    precision = weighted / (right + alarms).clamp(min=1)
    highest = precision.flip(1).cummax(1).values.flip(1)
    gained = right.diff(dim=1, prepend=torch.zeros_like(right[:, :1]))
    return (gained * highest).sum(1)
