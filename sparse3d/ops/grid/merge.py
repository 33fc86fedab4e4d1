"""Maps that grow by sweeps and forget: sorted arrays are merged, nothing is hashed.

The rolling global map of GS-LIVO (Hong et al. 2025) on sorted keys.
"""

import math
from dataclasses import dataclass, replace
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int64, Shaped
from torch import Tensor

from sparse3d.ops.grid.keys import find_keys
from sparse3d.scene.grid_map import GridMap
from sparse3d.scene.sparse_grid import SparseGrid

__all__ = ["Keep", "Kept", "Merged", "evict_far", "evict_old", "map_of", "merge_sweep"]

Keep = Literal["mean", "latest"]
"""What the features of a cell that is seen again become: the mean over all points, or those of the
sweep."""


@dataclass(frozen=True, slots=True)
class Merged:
    """The map after a sweep, and where everything went, for what else is known of the cells."""

    map: GridMap
    old_rows: Int64[Tensor, " n"]
    """Row of each cell of the map before; increasing."""
    sweep_rows: Int64[Tensor, " s"]
    """Row of each cell of the sweep; increasing."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What is left of a map."""

    map: GridMap
    rows: Int64[Tensor, " m"]
    """Row before of each cell that is left."""


def map_of(sweep: SparseGrid, time: float, *, counts: Int64[Tensor, " n"] | None = None) -> GridMap:
    """A map of one sweep.

    Args:
        sweep: The cells that were seen.
        time: When, seconds.
        counts: Points in each cell; 1 without them.

    Raises:
        ValueError: If the time is not finite, or there is not a positive count a cell.
    """
    if not math.isfinite(time):
        raise ValueError(f"a finite time expected, got {time}")
    if counts is None:
        counts = torch.ones_like(sweep.keys)
    if len(counts) != len(sweep) or not bool((counts > 0).all()):
        raise ValueError(f"a positive count for each of {len(sweep)} cells expected")
    return GridMap(sweep, counts, torch.full_like(sweep.keys, time, dtype=torch.float64))


def merge_sweep(
    known: GridMap,
    sweep: SparseGrid,
    time: float,
    *,
    counts: Int64[Tensor, " s"] | None = None,
    keep: Keep = "mean",
) -> Merged:
    """Add the cells of a sweep to a map; where a cell is known already, features become one.

    Args:
        known: The map.
        sweep: A grid of the same shape, batch and space, with features where the map has them.
        time: When it was seen, seconds.
        counts: Points in each cell of the sweep; 1 without them.
        keep: What the features of cells that are seen again become.

    Raises:
        ValueError: If the two do not fit, the time is not finite, or there is not a positive count
            a cell.
    """
    _check_alike(known.grid, sweep)
    new = map_of(sweep, time, counts=counts)
    place = torch.searchsorted(known.grid.keys, sweep.keys)
    fresh = find_keys(known.grid.keys, sweep.keys) < 0
    # A known row moves by the fresh ones before it; a row of the sweep stands after the known ones
    # and the fresh ones before it.
    before = torch.bincount(place[fresh], minlength=len(known) + 1).cumsum(0)[:-1]
    old_rows = torch.arange(len(known), device=place.device) + before
    sweep_rows = place + fresh.long().cumsum(0) - fresh.long()
    size = len(known) + int(fresh.sum())
    joined = _joined(known, new, (old_rows, sweep_rows), size, keep)
    return Merged(joined, old_rows, sweep_rows)


def evict_old(known: GridMap, before: float) -> Kept:
    """Forget the cells that were last seen before a time.

    Raises:
        ValueError: If the time is not a number.
    """
    if math.isnan(before):
        raise ValueError("a time expected, got nan")
    return _kept(known, known.times >= before)


def evict_far(known: GridMap, center: tuple[float, float, float], distance: float) -> Kept:
    """Forget the cells whose centre lies further from a point, such as the sensor.

    Args:
        known: A map that knows its space.
        center: Metres.
        distance: Metres; cells just as far away stay.

    Raises:
        ValueError: If the map has no space, or a number is not finite.
    """
    if not all(map(math.isfinite, (*center, distance))):
        raise ValueError(f"finite numbers expected, got {center} and {distance}")
    away = known.grid.centers().double() - torch.tensor(
        center, dtype=torch.float64, device=known.times.device
    )
    return _kept(known, away.square().sum(1) <= distance * abs(distance))


def _check_alike(known: SparseGrid, sweep: SparseGrid) -> None:
    for name in ("shape", "batch_size", "space"):
        ours, theirs = getattr(known, name), getattr(sweep, name)
        if ours != theirs:
            raise ValueError(f"a sweep of {name} {ours} expected, got {theirs}")
    widths = [None if g.features is None else g.features.shape[1] for g in (known, sweep)]
    if widths[0] != widths[1]:
        raise ValueError(f"a sweep of {widths[0]} channels expected, got {widths[1]}")


def _joined(
    known: GridMap,
    new: GridMap,
    rows: tuple[Int64[Tensor, " n"], Int64[Tensor, " s"]],
    size: int,
    keep: Keep,
) -> GridMap:
    old_rows, new_rows = rows
    keys = known.grid.keys.new_empty(size)
    keys[old_rows], keys[new_rows] = known.grid.keys, new.grid.keys
    counts = torch.zeros_like(keys)
    counts[old_rows] = known.counts
    counts[new_rows] += new.counts
    times = torch.full_like(keys, -math.inf, dtype=torch.float64)
    times[old_rows] = known.times
    times[new_rows] = torch.maximum(times[new_rows], new.times)
    grid = replace(known.grid, keys=keys, features=None)
    if known.grid.features is not None and new.grid.features is not None:
        share = new.counts / counts[new_rows] if keep == "mean" else torch.ones_like(new.counts)
        both = (known.grid.features, new.grid.features)
        grid = replace(grid, features=_moved(both, rows, share, size))
    return GridMap(grid, counts, times)


def _moved(
    features: tuple[Float[Tensor, "n c"], Float[Tensor, "s c"]],
    rows: tuple[Int64[Tensor, " n"], Int64[Tensor, " s"]],
    share: Shaped[Tensor, " s"],
    size: int,
) -> Float[Tensor, "m c"]:
    """The first features at their rows, moved towards the others by a share of the way."""
    result = features[0].new_zeros(size, features[0].shape[1]).index_put((rows[0],), features[0])
    before = result[rows[1]]
    after = before + (features[1] - before) * share[:, None].to(before)
    return result.index_put((rows[1],), after)


def _kept(known: GridMap, which: Bool[Tensor, " n"]) -> Kept:
    rows = which.nonzero()[:, 0]
    features = None if known.grid.features is None else known.grid.features[rows]
    grid = replace(known.grid, keys=known.grid.keys[rows], features=features)
    return Kept(GridMap(grid, known.counts[rows], known.times[rows]), rows)
