"""Blending in torch: tiles of 16 by 16 pixels, those with lists of similar length together."""

import math
from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float, Int, Int32
from torch import Tensor
from torch.autograd.function import once_differentiable

from sparse3d.ops.rasterize._job import Rules
from sparse3d.ops.rasterize._projection import Splats
from sparse3d.ops.rasterize._recompute import recomputed
from sparse3d.ops.rasterize._surfels import surfel_powers

__all__ = ["Layout", "Packed", "Statistics", "TileLists", "blend", "measure", "pack", "tile_lists"]

_TILE = 16
_BUDGET = 1 << 21  # pixel-Gaussian pairs evaluated at once, some 20 values each


class TileLists(NamedTuple):
    """Which Gaussians each tile must look at, front to back."""

    rows: Int[Tensor, " p"]
    starts: Int[Tensor, " t"]
    counts: Int[Tensor, " t"]


class Layout(NamedTuple):
    """What the columns of packed Gaussians mean."""

    widths: tuple[int, int, int, int, int]
    """Of means (2), shapes, opacities (1), the receiver of absolute gradients (2) and values."""
    watched: bool
    """Whether someone asks for absolute gradients."""


class Packed(NamedTuple):
    """All that tiles need of Gaussians, side by side."""

    columns: Float[Tensor, "n k"]
    layout: Layout


class Statistics(NamedTuple):
    """What no gradient passes through; see ``Drawn``."""

    median_rows: Int32[Tensor, "h w"]
    dominant_rows: Int32[Tensor, "h w"]
    weights: Float[Tensor, " n"]


def pack(
    splats: Splats, values: list[Float[Tensor, "n _"]], receiver: Float[Tensor, "n 2"] | None
) -> Packed:
    """Put the columns side by side; ``receiver`` is where absolute gradients arrive."""
    kept = splats.means.new_zeros(len(splats.means), 2) if receiver is None else receiver
    value = torch.cat(values, -1)
    parts = (splats.means, splats.shapes, splats.opacities, kept, value)
    widths = (2, splats.shapes.shape[1], 1, 2, value.shape[1])
    return Packed(torch.cat(parts, -1), Layout(widths, receiver is not None))


def tile_lists(splats: Splats, rules: Rules) -> TileLists:
    """List Gaussians by the tiles that their boxes meet, front to back, ties by row."""
    columns, lines = (math.ceil(extent / _TILE) for extent in rules.size)
    limits = splats.means.new_tensor([columns, lines])
    low = ((splats.middle - splats.reach) / _TILE).floor().clamp_min(0).minimum(limits)
    high = ((splats.middle + splats.reach) / _TILE).floor().add(1).clamp_min(0).minimum(limits)
    low, high = low.long(), high.long()
    extent = torch.where(splats.radii[:, None] > 0, (high - low).clamp_min(0), 0)
    order = splats.depths.argsort(stable=True)
    counts = extent.prod(-1)[order]
    rows = order.repeat_interleave(counts)
    first = (counts.cumsum(0) - counts).repeat_interleave(counts)
    index = torch.arange(len(rows), device=rows.device) - first
    x = low[rows, 0] + index % extent[rows, 0]
    y = low[rows, 1] + index // extent[rows, 0]
    tiles, by_tile = (y * columns + x).sort(stable=True)
    lengths = torch.bincount(tiles, minlength=columns * lines)
    starts = lengths.cumsum(0) - lengths
    if rules.tiles is not None:
        lengths = torch.where(rules.tiles.flatten(), lengths, 0)
    return TileLists(rows[by_tile], starts, lengths)


def blend(packed: Packed, lists: TileLists, rules: Rules) -> Float[Tensor, "h w s"]:
    """Sums of weighted values, alpha and transmittance of every pixel."""
    columns, lines = (math.ceil(extent / _TILE) for extent in rules.size)
    canvas = packed.columns.new_zeros(columns * lines, _TILE * _TILE, packed.layout.widths[-1] + 2)
    canvas[..., -1] = 1
    for tiles, rows, valid in _batches(lists):
        pixels = _pixels(tiles, columns, packed.columns.dtype)
        draw = partial(_blend_tiles, packed.layout, rules, rows, valid, pixels)
        (drawn,) = recomputed(draw, packed.columns)
        canvas = canvas.index_copy(0, tiles, drawn)
    return _picture(canvas, rules)


def measure(
    packed: Packed, lists: TileLists, rules: Rules, rows: Int[Tensor, " v"], count: int
) -> Statistics:
    """Median and dominant Gaussian of pixels and the weights of ``count`` Gaussians.

    ``rows`` are the rows of what is packed among all Gaussians.
    """
    columns, lines = (math.ceil(extent / _TILE) for extent in rules.size)
    canvas = torch.full((columns * lines, _TILE * _TILE, 2), -1, device=rows.device)
    totals = packed.columns.new_zeros(count)
    for tiles, listed, valid in _batches(lists):
        pixels = _pixels(tiles, columns, packed.columns.dtype)
        found = torch.full((*pixels.shape[:2], 2), -1, device=rows.device)
        best, left = pixels.new_zeros(pixels.shape[:2]), pixels.new_ones(*pixels.shape[:2], 1)
        alive = (pixels < pixels.new_tensor(rules.size)).all(-1)
        for part, mask in _pieces(listed, valid):
            step = _weights(packed.layout, rules, mask, pixels, packed.columns[part], left, alive)
            own = rows[part]
            totals.index_add_(0, own.flatten(), step.weights.sum(1).flatten())
            largest, place = step.weights.max(-1)  # the first of equals
            better = largest > best
            dominant = own.gather(1, place)
            crossed = (step.before >= 0.5) & (step.after < 0.5) & (step.weights > 0)
            median = own.gather(1, crossed.int().argmax(-1))
            found[..., 0] = torch.where(crossed.any(-1), median, found[..., 0])
            found[..., 1] = torch.where(better, dominant, found[..., 1])
            best, left, alive = torch.maximum(best, largest), step.after[..., -1:], step.alive
        canvas[tiles] = found
    median, dominant = _picture(canvas, rules).int().unbind(-1)
    return Statistics(median, dominant, totals)


def _picture(canvas: Tensor, rules: Rules) -> Tensor:
    columns, lines = (math.ceil(extent / _TILE) for extent in rules.size)
    picture = canvas.reshape(lines, columns, _TILE, _TILE, -1).transpose(1, 2)
    picture = picture.reshape(lines * _TILE, columns * _TILE, -1)
    return picture[: rules.size[1], : rules.size[0]]


def _pixels(tiles: Int[Tensor, " b"], columns: int, dtype: torch.dtype) -> Float[Tensor, "b s 2"]:
    """Centres of the pixels of tiles."""
    corners = torch.stack([tiles % columns, tiles // columns], -1) * _TILE
    lane = torch.arange(_TILE * _TILE, device=tiles.device)
    return (corners[:, None] + torch.stack([lane % _TILE, lane // _TILE], -1) + 0.5).to(dtype)


def _batches(
    lists: TileLists,
) -> Iterator[tuple[Int[Tensor, " b"], Int[Tensor, "b l"], Bool[Tensor, "b l"]]]:
    """Tiles, their padded lists and what is no padding; the longest lists come first."""
    order = lists.counts.argsort(descending=True, stable=True)
    order = order[: int((lists.counts > 0).sum())]
    while len(order):
        length = int(lists.counts[order[0]])
        take = max(1, _BUDGET // (length * _TILE * _TILE))
        tiles, order = order[:take], order[take:]
        index = torch.arange(length, device=order.device)
        valid = index < lists.counts[tiles, None]
        rows = lists.rows[torch.where(valid, lists.starts[tiles, None] + index, 0)]
        yield tiles, rows, valid


def _pieces(
    rows: Int[Tensor, "b l"], valid: Bool[Tensor, "b l"]
) -> Iterator[tuple[Int[Tensor, "b m"], Bool[Tensor, "b m"]]]:
    step = max(1, _BUDGET // (len(rows) * _TILE * _TILE))
    return zip(rows.split(step, dim=1), valid.split(step, dim=1), strict=True)


def _blend_tiles(
    layout: Layout,
    rules: Rules,
    rows: Int[Tensor, "b l"],
    valid: Bool[Tensor, "b l"],
    pixels: Float[Tensor, "b s 2"],
    columns: Float[Tensor, "n k"],
) -> tuple[Float[Tensor, "b s v"]]:
    state = columns.new_zeros(*pixels.shape[:2], layout.widths[-1] + 2)
    state[..., -1] = 1
    alive = torch.ones(pixels.shape[:2], dtype=torch.bool, device=rows.device)
    for part, mask in _pieces(rows, valid):
        step = partial(_blend_step, layout, rules, mask, pixels)
        state, alive = recomputed(step, columns[part], state, alive)
    return (state,)


def _blend_step(
    layout: Layout,
    rules: Rules,
    valid: Bool[Tensor, "b l"],
    pixels: Float[Tensor, "b s 2"],
    here: Float[Tensor, "b l k"],
    state: Float[Tensor, "b s v"],
    alive: Bool[Tensor, "b s"],
) -> tuple[Float[Tensor, "b s v"], Bool[Tensor, "b s"]]:
    step = _weights(layout, rules, valid, pixels, here, state[..., -1:], alive)
    values = here[..., -layout.widths[-1] :]
    values = torch.cat([values, torch.ones_like(here[..., :1])], -1)
    sums = state[..., :-1] + step.weights @ values
    return torch.cat([sums, step.after[..., -1:]], -1), step.alive


class _Weights(NamedTuple):
    weights: Float[Tensor, "b s l"]
    before: Float[Tensor, "b s l"]
    """Transmittance in front of each Gaussian."""
    after: Float[Tensor, "b s l"]
    alive: Bool[Tensor, "b s"]


def _weights(
    layout: Layout,
    rules: Rules,
    valid: Bool[Tensor, "b l"],
    pixels: Float[Tensor, "b s 2"],
    here: Float[Tensor, "b l k"],
    left: Float[Tensor, "b s 1"],
    alive: Bool[Tensor, "b s"],
) -> _Weights:
    alpha = _alphas(layout, rules, here[:, None], pixels[:, :, None])  # b s l
    hit = valid[:, None] & (alpha >= 1 / 255) & alive[..., None]
    drawn = hit & (left * torch.where(hit, 1 - alpha, 1).cumprod(-1) > 1e-4)
    after = left * torch.where(drawn, 1 - alpha, 1).cumprod(-1)
    before = torch.cat([left, after[..., :-1]], -1)
    weights = torch.where(drawn, alpha * before, 0)
    return _Weights(weights, before, after, alive & ~(hit & ~drawn).any(-1))


def _alphas(
    layout: Layout,
    rules: Rules,
    here: Float[Tensor, "b 1 l k"],
    pixels: Float[Tensor, "b s 1 2"],
) -> Float[Tensor, "b s l"]:
    means, shapes, opacities, receiver, _ = here.split(layout.widths, -1)
    differences = pixels - means
    if layout.watched:
        differences = _Watched.apply(differences, receiver)
    if rules.surfels:
        powers = surfel_powers(differences, shapes, rules.near)
    else:
        dx, dy = differences.unbind(-1)
        u, v = shapes[..., 0] * (dx + shapes[..., 1] * dy), shapes[..., 2] * dy
        powers = (u * u + v * v) / 2
    return (opacities[..., 0] * torch.exp(-powers)).clamp_max(rules.max_alpha)


class _Watched(torch.autograd.Function):
    """Nothing, but the receiver gets the sum over pixels of the gradient's absolute value."""

    @staticmethod
    def forward(
        ctx: Any, differences: Float[Tensor, "b s l 2"], receiver: Float[Tensor, "b 1 l 2"]
    ) -> Float[Tensor, "b s l 2"]:
        del ctx, receiver  # only its gradient is of interest
        return differences.view_as(differences)

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]  # the decorator hides names
        ctx: Any, gradient: Float[Tensor, "b s l 2"]
    ) -> tuple[Float[Tensor, "b s l 2"], Float[Tensor, "b 1 l 2"]]:
        del ctx
        return gradient, gradient.abs().sum(1, keepdim=True)
