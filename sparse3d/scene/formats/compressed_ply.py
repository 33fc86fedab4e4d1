"""Splats in the compressed PLY files of PlayCanvas and SuperSplat, about 16 bytes a Gaussian."""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from sparse3d.errors import DataError
from sparse3d.scene.atomic import writing
from sparse3d.scene.formats import splat_packing
from sparse3d.scene.formats.format import Format
from sparse3d.scene.formats.gaussian_ply import interleaved_rest, planar_rest, the_gaussians_of
from sparse3d.scene.formats.ply_file import (
    PlyHeader,
    ply_properties,
    read_header,
    read_table,
    write_ply,
)
from sparse3d.scene.gaussians import Gaussians
from sparse3d.scene.scene import Scene
from sparse3d.scene.stored import Stored

__all__ = ["FORMAT", "read_gaussians", "write_gaussians", "writing_order"]

_WORDS = ("packed_position", "packed_rotation", "packed_scale", "packed_color")
_AXES = ("x", "y", "z")
_POSITION = (tuple(f"min_{a}" for a in _AXES), tuple(f"max_{a}" for a in _AXES))
_SCALE = (tuple(f"min_scale_{a}" for a in _AXES), tuple(f"max_scale_{a}" for a in _AXES))
_COLOR = (tuple(f"min_{c}" for c in "rgb"), tuple(f"max_{c}" for c in "rgb"))
_LOG_SCALES = 20.0
_REST = (9, 24, 45)


def read_gaussians(path: Path) -> Gaussians:
    """All Gaussians, float32, in the order of the file.

    Raises:
        DataError: If the file is damaged, cut short, or has not one chunk for every 256 rows.
    """
    header = _checked_header(path)
    chunk, words = read_table(header, "chunk"), read_table(header, "vertex")

    def bounds(names: tuple[tuple[str, ...], tuple[str, ...]]) -> tuple[np.ndarray, np.ndarray]:
        lower, upper = (np.stack([chunk[name] for name in group], axis=1) for group in names)
        return lower, upper

    tints = bounds(_COLOR) if _COLOR[0][0] in chunk else None
    dc, logits = splat_packing.unpack_colors(words["packed_color"], tints)
    means = splat_packing.unpack_vectors(words["packed_position"], bounds(_POSITION))
    scales = splat_packing.unpack_vectors(words["packed_scale"], bounds(_SCALE))
    return Gaussians(
        means=_float32(means),
        quaternions=_float32(splat_packing.unpack_rotations(words["packed_rotation"])),
        log_scales=_float32(scales),
        logit_opacities=_float32(logits),
        sh=torch.cat([_float32(dc)[:, None], _read_rest(header)], dim=1),
    )


def writing_order(means: Float[Tensor, "n 3"]) -> Int[Tensor, " n"]:
    """Row numbers along a Morton curve (10 bits an axis), so that chunks are small in space."""
    low, high = means.amin(0), means.amax(0)
    cells = ((means - low) / (high - low).clamp_min(1e-30) * 1023).long().clamp(0, 1023)
    bits = torch.arange(10, device=means.device)
    spread = ((cells[..., None] >> bits & 1) << (3 * bits)).sum(-1)  # [n, 3]
    return (spread << torch.arange(3, device=means.device)).sum(-1).argsort(stable=True)


def write_gaussians(path: Path, gaussians: Gaussians) -> None:
    """Write a compressed splat: lossy, and its rows in :func:`writing_order`.

    Positions and log scales (clamped to [-20, 20]) move by half a step of 11 bits (y: 10) of their
    chunk's range, colours by half a step of 8 bits of it, opacity by 1/510, rotations by 0.1
    degrees, higher coefficients by 1/64 (they are clamped to [-4, 4]).

    Raises:
        DataError: If there are no Gaussians, or a value other than an opacity is not finite.
    """
    rows = gaussians.detached()
    _check_finite(path, rows)
    rows = rows.select(writing_order(rows.means))
    parts = [rows.means, rows.log_scales.clamp(-_LOG_SCALES, _LOG_SCALES), rows.quaternions]
    means, scales, rotations = (part.cpu().double().numpy() for part in parts)
    dc, logits = (part.cpu().double().numpy() for part in (rows.sh[:, 0], rows.logit_opacities))
    chunk: dict[str, np.ndarray] = {}
    words = [np.empty(0)] * 4
    words[0], position = splat_packing.pack_vectors(means)
    words[1] = splat_packing.pack_rotations(rotations)
    words[2], scale = splat_packing.pack_vectors(scales)
    words[3], color = splat_packing.pack_colors(dc, logits)
    for names, bounds in ((_POSITION, position), (_SCALE, scale), (_COLOR, color)):
        for group, values in zip(names, bounds, strict=True):
            chunk |= {name: values[:, k] for k, name in enumerate(group)}
    tables = {"chunk": chunk, "vertex": dict(zip(_WORDS, words, strict=True))}
    if rows.sh_degree > 0:
        tables["sh"] = _packed_rest(rows)
    with writing(path) as draft, draft.open("wb") as file:
        write_ply(file, tables)


def _packed_rest(rows: Gaussians) -> dict[str, np.ndarray]:
    steps = splat_packing.pack_sh(planar_rest(rows.sh[:, 1:]).cpu().double().numpy())
    return {f"f_rest_{k}": steps[:, k] for k in range(steps.shape[1])}


def _read_rest(header: PlyHeader) -> Float[Tensor, "n k 3"]:
    element = header.element("sh")
    if element is None:
        return torch.empty(header.require("vertex").count, 0, 3)
    table = read_table(header, "sh")
    steps = np.stack([table[f"f_rest_{k}"] for k in range(len(element.names))], axis=1)
    return interleaved_rest(_float32(splat_packing.unpack_sh(steps)))


def _checked_header(path: Path) -> PlyHeader:
    header = read_header(path)
    vertex = header.require("vertex", _WORDS)
    chunk = header.require("chunk", (*_POSITION[0], *_POSITION[1], *_SCALE[0], *_SCALE[1]))
    if vertex.count == 0:
        raise DataError(path, "splat is empty, at least one Gaussian expected")
    if any(column.code != "u4" for column in vertex.properties if column.name in _WORDS):
        raise DataError(path, "packed columns must be of type uint")
    if chunk.count != -(-vertex.count // splat_packing.CHUNK):
        raise DataError(
            path, f"a chunk for every 256 of {vertex.count} rows expected, got {chunk.count}"
        )
    if any(name in chunk.names for name in (*_COLOR[0], *_COLOR[1])):
        header.require("chunk", (*_COLOR[0], *_COLOR[1]))
    _check_rest(header, vertex.count)
    return header


def _check_rest(header: PlyHeader, count: int) -> None:
    rest = header.element("sh")
    if rest is None:
        return
    names = {f"f_rest_{k}" for k in range(len(rest.names))}
    if len(rest.names) not in _REST or set(rest.names) != names or rest.count != count:
        raise DataError(
            header.path, "element sh must have 9, 24 or 45 f_rest columns for every row"
        )
    if any(column.code != "u1" or column.length_code for column in rest.properties):
        raise DataError(header.path, "f_rest columns of element sh must be of type uchar")


def _check_finite(path: Path, gaussians: Gaussians) -> None:
    if len(gaussians) == 0:
        raise DataError(path, "splat is empty, at least one Gaussian expected")
    for name in ("means", "quaternions", "log_scales", "sh"):
        if not bool(torch.isfinite(getattr(gaussians, name)).all()):
            raise DataError(
                path, f"Gaussians with finite {name} expected; they cannot be compressed"
            )
    if bool(torch.isnan(gaussians.logit_opacities).any()):
        raise DataError(
            path, "Gaussians with numeric opacities expected; they cannot be compressed"
        )


def _float32(values: np.ndarray) -> Float[Tensor, "..."]:
    return torch.from_numpy(values.astype(np.float32))


def _recognises(path: Path) -> bool:
    return "packed_position" in (ply_properties(path) or ())


def _read(path: Path) -> Scene:
    count = _checked_header(path).require("vertex").count
    gaussians = Stored(path, read_gaussians, count)
    return Scene(path.stem, gaussians=gaussians, format="compressed-ply", source=path)


FORMAT = Format(
    name="compressed-ply",
    summary="compressed PLY splat of PlayCanvas and SuperSplat (packed_position ...)",
    recognises=_recognises,
    read=_read,
    write=lambda scene, path: write_gaussians(path, the_gaussians_of(scene, path)),
)
