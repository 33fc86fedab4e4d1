"""Vectorised torch: project all Gaussians, list them by tile, blend tiles of similar length."""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int32
from torch import Tensor

from sparse3d.ops.rasterize._job import Drawn, Job
from sparse3d.ops.rasterize._projection import Splats, project
from sparse3d.ops.rasterize._tiles import (
    Packed,
    Statistics,
    blend,
    measure,
    pack,
    tile_lists,
)

__all__ = ["rasterize"]


class _Picture(NamedTuple):
    """One view: sums of values, alphas and transmittance, and what is asked for besides."""

    sums: Float[Tensor, "h w v"]
    radii: Int32[Tensor, " n"]
    statistics: Statistics | None


def rasterize(job: Job) -> Drawn:
    """Draw all views of the job."""
    pictures = [_render(job, i) for i in range(len(job.matrices))]
    counts = [channels.count for channels in job.channels]
    if not pictures:
        return _nothing(job, counts)
    sums = torch.stack([picture.sums for picture in pictures])
    color, depth, *channels, alpha, left = sums.split([3, 1, *counts, 1, 1], dim=-1)
    color = color + left * job.background[:, None, None, :]
    hit = alpha > 0
    depth = torch.where(hit, depth / torch.where(hit, alpha, 1), 0)
    radii = torch.stack([picture.radii for picture in pictures])
    drawn = Drawn(color, alpha[..., 0], depth[..., 0], radii, tuple(channels))
    found = [picture.statistics for picture in pictures if picture.statistics is not None]
    if not found:
        return drawn
    median, dominant, weights = (torch.stack(each) for each in zip(*found, strict=True))
    return drawn._replace(median_rows=median, dominant_rows=dominant, weights=weights)


def _render(job: Job, view: int) -> _Picture:
    pose, matrix = job.world_from_camera[view], job.matrices[view]
    with torch.no_grad():
        radii = project(job.parameters, pose, matrix, job.rules).radii
    rows = radii.nonzero()[:, 0]  # all others get no gradient, not even nan
    visible = tuple(parameter[rows] for parameter in job.parameters)
    splats = project(visible, pose, matrix, job.rules)
    if job.mean_gradients is not None:
        splats = splats._replace(means=splats.means + job.mean_gradients[view, rows])
    packed = _pack(job, view, splats, rows)
    with torch.no_grad():
        lists = tile_lists(splats, job.rules)
    statistics = None
    if job.rows or job.weights:
        with torch.no_grad():
            statistics = measure(packed, lists, job.rules, rows, len(radii))
    return _Picture(blend(packed, lists, job.rules), radii, statistics)


def _pack(job: Job, view: int, splats: Splats, rows: Tensor) -> Packed:
    values = [splats.colors, splats.depths[:, None]]
    values += [channels.dense(view)[rows] for channels in job.channels]
    receiver = None if job.absolute_gradients is None else job.absolute_gradients[view, rows]
    return pack(splats, values, receiver)


def _nothing(job: Job, counts: list[int]) -> Drawn:
    width, height = job.rules.size
    n, empty = len(job.parameters[0]), job.background.new_zeros(0, height, width)
    rows = torch.zeros_like(empty, dtype=torch.int32)
    return Drawn(
        empty[..., None].expand(-1, -1, -1, 3),
        empty,
        empty,
        torch.zeros(0, n, dtype=torch.int32, device=empty.device),
        tuple(empty[..., None].expand(-1, -1, -1, count) for count in counts),
        rows,
        rows,
        empty.new_zeros(0, n),
    )
