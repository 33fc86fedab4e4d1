"""gsplat's CUDA kernels.

Nothing here reads a value back from the GPU: the host only queues work.
"""

import importlib
import importlib.metadata
import importlib.util
import math
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from sparse3d.errors import MissingDependencyError
from sparse3d.ops.rasterize._job import Drawn, Job
from sparse3d.ops.rasterize._options import RasterOptions

__all__ = ["check", "is_installed", "max_alpha", "rasterize"]

_TILE = 16
_MAX_CHANNELS = 513  # of its kernels, colours and depth included
_INSTALL = "pip install 'sparse3d[cuda]'"


def is_installed() -> bool:
    """Whether gsplat can be imported."""
    return importlib.util.find_spec("gsplat") is not None


def check(device: torch.device, dtype: torch.dtype, options: RasterOptions) -> None:
    """Raise unless gsplat is there and draws by these options.

    Raises:
        MissingDependencyError: If it is not installed.
        ValueError: If the tensors are not float32 on CUDA, or options differ from its own rules.
    """
    if not is_installed():
        raise MissingDependencyError("backend 'gsplat' needs the package gsplat", _INSTALL)
    if device.type != "cuda":
        raise ValueError(f"backend 'gsplat' runs on CUDA, got tensors on {device}")
    if dtype != torch.float32:
        raise ValueError(f"backend 'gsplat' takes float32, got {dtype}")
    if options.surfels:
        raise ValueError("backend 'gsplat' does not draw our surfels; backend 'torch' does")
    version = importlib.metadata.version("gsplat")
    expected = max_alpha(version)
    if options.max_alpha != expected:
        raise ValueError(
            f"gsplat {version} draws with max_alpha {expected}, got {options.max_alpha};"
            f" pass RasterOptions(max_alpha={expected}) or backend 'torch'"
        )


def max_alpha(version: str) -> float:
    """The largest alpha of a release of gsplat: its kernels have it as a constant."""
    major, minor = (int(part) for part in version.split(".")[:2])
    return 0.999 if (major, minor) <= (1, 4) else 0.99


def rasterize(job: Job) -> Drawn:
    """Draw all views of the job.

    Raises:
        ValueError: If something is asked for that gsplat does not find, or too many channels.
    """
    _check_outputs(job)
    if not len(job.matrices) or not len(job.parameters[0]):
        return _only_background(job)
    gsplat: Any = importlib.import_module("gsplat")
    radii, means, depths, conics, kept = _project(gsplat, job)
    if job.mean_gradients is not None:
        means = means + job.mean_gradients
    if job.absolute_gradients is not None and means.requires_grad:
        _deliver_absolute(means, job.absolute_gradients)
    opacities = torch.sigmoid(job.parameters[3]).expand(len(job.matrices), -1)
    if kept is not None:
        opacities = opacities * kept
    values = torch.cat([_colors(gsplat, job), depths[..., None], *_dense(job)], -1)
    sums, alphas = _blend(gsplat, job, (radii, means, depths, conics), values, opacities)
    alphas = alphas[..., 0]
    counts = [channels.count for channels in job.channels]
    color, depth, *channels = sums.split([3, 1, *counts], -1)
    hit = alphas > 0
    depth = torch.where(hit, depth[..., 0] / torch.where(hit, alphas, 1), 0)
    flat = radii.amax(-1) if radii.ndim == 3 else radii  # later releases tell x and y apart
    return _masked(job, Drawn(color, alphas, depth, flat.int(), tuple(channels)))


def _check_outputs(job: Job) -> None:
    if job.rows or job.weights:
        raise ValueError(
            "backend 'gsplat' finds no median_depths, dominant or weights; backend 'torch' does"
        )
    total = 4 + sum(channels.count for channels in job.channels)
    if total > _MAX_CHANNELS:
        raise ValueError(
            f"backend 'gsplat' blends up to {_MAX_CHANNELS - 4} features, normals and codes,"
            f" got {total - 4}"
        )


def _only_background(job: Job) -> Drawn:
    views, n, (width, height) = len(job.matrices), len(job.parameters[0]), job.rules.size
    zeros = job.background.new_zeros(views, height, width)
    colors = job.background[:, None, None].expand(views, height, width, 3)
    radii = torch.zeros(views, n, dtype=torch.int32, device=zeros.device)
    channels = tuple(zeros[..., None].expand(-1, -1, -1, c.count) for c in job.channels)
    return Drawn(colors, zeros, zeros, radii, channels)


def _project(gsplat: Any, job: Job) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor | None]:
    """Radii, centres in pixels, depths, inverse covariances and what antialiasing keeps."""
    means, quaternions, log_scales, _, _ = job.parameters
    rules = job.rules
    return gsplat.fully_fused_projection(
        means,
        None,
        quaternions,
        log_scales.exp(),
        _camera_from_world(job.world_from_camera),
        job.matrices,
        *rules.size,
        eps2d=rules.blur,
        near_plane=rules.near,
        calc_compensations=rules.antialiased,
        camera_model="ortho" if rules.orthographic else "pinhole",
    )


def _camera_from_world(poses: Float[Tensor, "c 4 4"]) -> Float[Tensor, "c 4 4"]:
    rotation = poses[:, :3, :3].mT
    translation = -rotation @ poses[:, :3, 3:]
    top = torch.cat([rotation, translation], -1)
    return torch.cat([top, poses[:, 3:].detach()], 1)


def _colors(gsplat: Any, job: Job) -> Float[Tensor, "c n 3"]:
    means, _, _, _, sh = job.parameters
    degree = math.isqrt(sh.shape[1]) - 1
    views = [
        gsplat.spherical_harmonics(degree, means - pose[:3, 3], sh)
        for pose in job.world_from_camera
    ]
    return (torch.stack(views) + 0.5).clamp_min(0)


def _dense(job: Job) -> list[Tensor]:
    views = range(len(job.matrices))
    return [torch.stack([c.dense(view) for view in views]) for c in job.channels]


def _blend(
    gsplat: Any,
    job: Job,
    projected: tuple[Tensor, Tensor, Tensor, Tensor],
    values: Float[Tensor, "c n v"],
    opacities: Float[Tensor, "c n"],
) -> tuple[Float[Tensor, "c h w v"], Float[Tensor, "c h w 1"]]:
    radii, means, depths, conics = projected
    width, height = job.rules.size
    columns, lines = math.ceil(width / _TILE), math.ceil(height / _TILE)
    _, keys, order = gsplat.isect_tiles(
        means.detach(), radii, depths.detach(), _TILE, columns, lines
    )
    offsets = gsplat.isect_offset_encode(keys, len(means), columns, lines)
    behind = torch.nn.functional.pad(job.background, (0, values.shape[-1] - 3))
    return gsplat.rasterize_to_pixels(
        means,
        conics,
        values,
        opacities,
        width,
        height,
        _TILE,
        offsets,
        order,
        backgrounds=behind,
        absgrad=job.absolute_gradients is not None,
    )


def _deliver_absolute(means: Float[Tensor, "c n 2"], receiver: Float[Tensor, "c n 2"]) -> None:
    """Move what its backward pass leaves in an attribute to where our caller looks."""

    def receive(gradient: Tensor) -> None:
        del gradient  # of the signed sum; it is there once the absolute one is
        found = means.absgrad  # pyright: ignore[reportAttributeAccessIssue]  # set by gsplat
        receiver.grad = found if receiver.grad is None else receiver.grad + found

    means.register_hook(receive)


def _masked(job: Job, drawn: Drawn) -> Drawn:
    """Background where tiles are not asked for; its own masks leave alphas uninitialised."""
    if job.rules.tiles is None:
        return drawn
    width, height = job.rules.size
    rows, columns = job.rules.tiles.shape
    spread = job.rules.tiles[:, None, :, None].expand(rows, _TILE, columns, _TILE)
    pixels = spread.reshape(rows * _TILE, columns * _TILE)[:height, :width]
    behind = job.background[:, None, None]
    return drawn._replace(
        colors=torch.where(pixels[..., None], drawn.colors, behind),
        alphas=torch.where(pixels, drawn.alphas, 0),
        depths=torch.where(pixels, drawn.depths, 0),
        channels=tuple(torch.where(pixels[..., None], image, 0) for image in drawn.channels),
    )
