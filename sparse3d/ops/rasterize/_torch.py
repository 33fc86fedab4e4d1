"""Vectorised torch: project all Gaussians, list them by tile, blend tiles of similar length."""

import math
from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from sparse3d.ops.rasterize._projection import Splats, project
from sparse3d.ops.rasterize._recompute import recomputed

__all__ = ["rasterize"]

_TILE = 16
_BUDGET = 1 << 21  # pixel-Gaussian pairs evaluated at once, some 20 values each


class _Lists(NamedTuple):
    """Which Gaussians each tile must look at, front to back."""

    rows: Int[Tensor, " p"]
    starts: Int[Tensor, " t"]
    counts: Int[Tensor, " t"]


def rasterize(
    parameters: tuple[Tensor, ...],
    world_from_camera: Float[Tensor, "c 4 4"],
    matrices: Float[Tensor, "c 3 3"],
    size: tuple[int, int],
    background: Float[Tensor, "c 3"],
    near: float,
    mean_gradients: Float[Tensor, "c n 2"] | None,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Colours, alphas, depths and radii of all views; ``size`` is width and height."""
    width, height = size
    images, radii = [], []
    for i, pose in enumerate(world_from_camera):
        with torch.no_grad():
            radii.append(project(parameters, pose, matrices[i], size, near).radii)
        rows = radii[-1].nonzero()[:, 0]  # all others get no gradient, not even nan
        visible = tuple(parameter[rows] for parameter in parameters)
        splats = project(visible, pose, matrices[i], size, near)
        if mean_gradients is not None:
            splats = splats._replace(means=splats.means + mean_gradients[i, rows])
        with torch.no_grad():
            lists = _tile_lists(splats, size)
        images.append(_blend(splats, lists, size))
    count = len(parameters[0])
    if not images:
        empty = background.new_zeros(0, height, width)
        return empty[..., None].expand(-1, -1, -1, 3), empty, empty, _no_radii(background, count)
    color, alpha, depth, left = torch.stack(images).split([3, 1, 1, 1], dim=-1)
    color = color + left * background[:, None, None, :]
    hit = alpha > 0
    depth = torch.where(hit, depth / torch.where(hit, alpha, 1), 0)
    return color, alpha[..., 0], depth[..., 0], torch.stack(radii)


def _no_radii(like: Tensor, count: int) -> Int[Tensor, "0 n"]:
    return torch.zeros(0, count, dtype=torch.int32, device=like.device)


def _tile_lists(splats: Splats, size: tuple[int, int]) -> _Lists:
    columns, lines = (math.ceil(extent / _TILE) for extent in size)
    limits = splats.means.new_tensor([columns, lines])
    low = ((splats.means - splats.reach) / _TILE).floor().clamp_min(0).minimum(limits)
    high = ((splats.means + splats.reach) / _TILE).floor().add(1).clamp_min(0).minimum(limits)
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
    return _Lists(rows[by_tile], lengths.cumsum(0) - lengths, lengths)


def _blend(splats: Splats, lists: _Lists, size: tuple[int, int]) -> Float[Tensor, "h w 6"]:
    """Colour, alpha, sum of weighted depth and transmittance of every pixel."""
    columns, lines = (math.ceil(extent / _TILE) for extent in size)
    packed = torch.cat(
        [splats.means, splats.shapes, splats.opacities, splats.colors, splats.depths[:, None]], -1
    )
    canvas = packed.new_zeros(columns * lines, _TILE * _TILE, 6)
    canvas[..., 5] = 1
    for tiles, rows, valid in _batches(lists):
        corners = torch.stack([tiles % columns, tiles // columns], -1) * _TILE
        (drawn,) = recomputed(partial(_blend_tiles, rows, valid, corners), packed)
        canvas = canvas.index_copy(0, tiles, drawn)
    picture = canvas.reshape(lines, columns, _TILE, _TILE, 6).transpose(1, 2)
    return picture.reshape(lines * _TILE, columns * _TILE, 6)[: size[1], : size[0]]


def _batches(
    lists: _Lists,
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


def _blend_tiles(
    rows: Int[Tensor, "b l"],
    valid: Bool[Tensor, "b l"],
    corners: Int[Tensor, "b 2"],
    packed: Float[Tensor, "n 10"],
) -> tuple[Float[Tensor, "b s 6"]]:
    lane = torch.arange(_TILE * _TILE, device=rows.device)
    pixels = corners[:, None] + torch.stack([lane % _TILE, lane // _TILE], -1) + 0.5
    pixels = pixels.to(packed.dtype)
    state = packed.new_zeros(*pixels.shape[:2], 6)
    state[..., 5] = 1
    alive = torch.ones(pixels.shape[:2], dtype=torch.bool, device=rows.device)
    step = max(1, _BUDGET // (len(rows) * _TILE * _TILE))
    for part, mask in zip(rows.split(step, dim=1), valid.split(step, dim=1), strict=True):
        state, alive = recomputed(partial(_blend_step, mask, pixels), packed[part], state, alive)
    return (state,)


def _blend_step(
    valid: Bool[Tensor, "b l"],
    pixels: Float[Tensor, "b s 2"],
    here: Float[Tensor, "b l 10"],
    state: Float[Tensor, "b s 6"],
    alive: Bool[Tensor, "b s"],
) -> tuple[Float[Tensor, "b s 6"], Bool[Tensor, "b s"]]:
    alpha = _alphas(here[:, None], pixels[:, :, None])  # b s l
    hit = valid[:, None] & (alpha >= 1 / 255) & alive[..., None]
    left = state[..., 5:] * torch.where(hit, 1 - alpha, 1).cumprod(-1)
    drawn = hit & (left > 1e-4)
    after = state[..., 5:] * torch.where(drawn, 1 - alpha, 1).cumprod(-1)
    before = torch.cat([state[..., 5:], after[..., :-1]], -1)
    weights = torch.where(drawn, alpha * before, 0)
    values = torch.cat([here[..., 6:9], torch.ones_like(here[..., :1]), here[..., 9:]], -1)
    sums = state[..., :5] + weights @ values
    return torch.cat([sums, after[..., -1:]], -1), alive & ~(hit & ~drawn).any(-1)


def _alphas(
    here: Float[Tensor, "b 1 l 10"], pixels: Float[Tensor, "b s 1 2"]
) -> Float[Tensor, "b s l"]:
    dx, dy = (pixels - here[..., :2]).unbind(-1)
    u = here[..., 2] * (dx + here[..., 3] * dy)
    v = here[..., 4] * dy
    return (here[..., 5] * torch.exp(-(u * u + v * v) / 2)).clamp_max(0.999)
