"""From what was asked for to channels, and from what was drawn to the answer."""

import torch
from jaxtyping import Float, Int32
from torch import Tensor

from sparse3d.geometry.rotations import matrix_from_quaternion
from sparse3d.ops.rasterize._job import Channels, Drawn, Job, Parameters
from sparse3d.ops.rasterize._options import RasterOptions, RasterOutputs, Render

__all__ = ["channels_for", "render_of"]


def channels_for(
    outputs: RasterOutputs,
    options: RasterOptions,
    parameters: Parameters,
    world_from_camera: Float[Tensor, "c 4 4"],
) -> tuple[Channels, ...]:
    """Features and normals side by side, then the sparse codes, as far as they are asked for."""
    count, found = len(world_from_camera), []
    dense = [] if outputs.features is None else [outputs.features]
    if outputs.normals:
        own = _shortest_axes(parameters, options.surfels)
        facing = [_turned(own, parameters[0], pose) for pose in world_from_camera]
        values = tuple(torch.cat([*dense, normals], -1) for normals in facing)
        found.append(Channels(values, None, 3 + sum(part.shape[1] for part in dense)))
    elif dense:
        found.append(Channels((dense[0],) * count, None, dense[0].shape[1]))
    if outputs.codes is not None:
        codes = outputs.codes
        found.append(Channels((codes.weights,) * count, codes.indices.int(), codes.count))
    return tuple(found)


def _shortest_axes(parameters: Parameters, surfels: bool) -> Float[Tensor, "n 3"]:
    _, quaternions, log_scales, _, _ = parameters
    axes = matrix_from_quaternion(quaternions).mT  # rows: the own axes in the world
    if surfels:
        return axes[:, 2]
    shortest = log_scales.detach().argmin(-1)
    return axes.gather(1, shortest[:, None, None].expand(-1, 1, 3))[:, 0]


def _turned(
    normals: Float[Tensor, "n 3"], means: Float[Tensor, "n 3"], pose: Float[Tensor, "4 4"]
) -> Float[Tensor, "n 3"]:
    """Normals with the sign that looks at the camera."""
    with torch.no_grad():
        away = (normals * (means - pose[:3, 3])).sum(-1, keepdim=True) > 0
    return torch.where(away, -normals, normals)


def render_of(
    job: Job, drawn: Drawn, outputs: RasterOutputs, crop: tuple[int, int, int, int] | None
) -> Render:
    """Sort what was drawn into the fields of a render; ``crop`` is x, y, width, height."""
    rest = list(drawn.channels)
    coefficients = rest.pop() if outputs.codes is not None else None
    features = normals = None
    if rest:
        split = rest[0].shape[-1] - 3 * outputs.normals
        features = rest[0][..., :split] if outputs.features is not None else None
        normals = rest[0][..., split:] if outputs.normals else None
    median = drawn.median_rows if outputs.median_depths else None
    dominant = drawn.dominant_rows if outputs.dominant else None
    return Render(
        _cut(drawn.colors, crop),
        _cut(drawn.alphas, crop),
        _cut(drawn.depths, crop),
        drawn.radii,
        None if features is None else _cut(features, crop),
        None if coefficients is None else _cut(coefficients, crop),
        None if normals is None else _cut(normals, crop),
        None if median is None else _depths_of(_cut(median, crop), job),
        None if dominant is None else _cut(dominant, crop),
        drawn.weights if outputs.weights else None,
        drawn.stages,
    )


def _depths_of(rows: Int32[Tensor, "c h w"], job: Job) -> Float[Tensor, "c h w"]:
    """z-depths of the centres of the given Gaussians, 0 for row -1."""
    offsets = job.parameters[0] - job.world_from_camera[:, None, :3, 3]
    depths = (offsets * job.world_from_camera[:, None, :3, 2]).sum(-1)  # c n
    padded = torch.nn.functional.pad(depths, (1, 0))
    flat = (rows + 1).flatten(1).long()
    return padded.gather(1, flat).reshape(rows.shape)


def _cut(images: Tensor, crop: tuple[int, int, int, int] | None) -> Tensor:
    if crop is None:
        return images
    x, y, width, height = crop
    return images[:, y : y + height, x : x + width].contiguous()
