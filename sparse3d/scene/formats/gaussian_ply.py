"""Splats in plain PLY files, the layout of the first 3D Gaussian splatting code.

Columns: x y z [nx ny nz] f_dc_0..2 f_rest_0.. opacity scale_0..2 rot_0..3, raw parameters (logit
opacity, log scale, quaternion w x y z). ``f_rest`` is channel-major: coefficient k (from 1) of
channel c is ``f_rest_{c * (K - 1) + k - 1}`` with K coefficients in all (Kerbl et al. 2023).
"""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from sparse3d.errors import DataError
from sparse3d.scene.atomic import writing
from sparse3d.scene.formats.format import Format
from sparse3d.scene.formats.ply_file import (
    PlyElement,
    ply_properties,
    read_header,
    read_table,
    write_ply,
)
from sparse3d.scene.gaussians import Gaussians
from sparse3d.scene.scene import Scene
from sparse3d.scene.stored import Stored

__all__ = [
    "FORMAT",
    "interleaved_rest",
    "planar_rest",
    "read_gaussians",
    "the_gaussians_of",
    "write_gaussians",
]

_MEANS = ("x", "y", "z")
_DC = ("f_dc_0", "f_dc_1", "f_dc_2")
_SCALES = ("scale_0", "scale_1", "scale_2")
_ROTATION = ("rot_0", "rot_1", "rot_2", "rot_3")
_DEGREES = {0: 0, 9: 1, 24: 2, 45: 3}


def read_gaussians(path: Path) -> Gaussians:
    """All Gaussians, float32; nothing is normalised, clamped or dropped.

    Raises:
        DataError: If the file is damaged, cut short, or not of this layout.
    """
    header = read_header(path)
    rest = _rest_columns(path, _vertex(path))
    columns = read_table(header, "vertex")

    def stacked(names: tuple[str, ...]) -> Float[Tensor, "n k"]:
        values = np.stack([columns[name] for name in names], axis=1)
        return torch.from_numpy(values.astype(np.float32))

    dc = stacked(_DC)[:, None]
    higher = interleaved_rest(stacked(rest)) if rest else dc[:, :0]
    return Gaussians(
        means=stacked(_MEANS),
        quaternions=stacked(_ROTATION),
        log_scales=stacked(_SCALES),
        logit_opacities=stacked(("opacity",))[:, 0],
        sh=torch.cat([dc, higher], dim=1),
    )


def write_gaussians(path: Path, gaussians: Gaussians) -> None:
    """Write all Gaussians as float32, with zero normals, as viewers of the first code expect."""
    values = {
        _MEANS: gaussians.means,
        ("nx", "ny", "nz"): torch.zeros_like(gaussians.means),
        _DC: gaussians.sh[:, 0],
        _rest_names(gaussians.sh_degree): planar_rest(gaussians.sh[:, 1:]),
        ("opacity",): gaussians.logit_opacities[:, None],
        _SCALES: gaussians.log_scales,
        _ROTATION: gaussians.quaternions,
    }
    columns: dict[str, np.ndarray] = {}
    for names, block in values.items():
        rows = block.detach().cpu().float().numpy()
        columns |= {name: rows[:, k] for k, name in enumerate(names)}
    with writing(path) as draft, draft.open("wb") as file:
        write_ply(file, {"vertex": columns})


def interleaved_rest(rest: Float[Tensor, "n m"]) -> Float[Tensor, "n k 3"]:
    """Coefficients 1 and up from their channel-major columns."""
    return rest.reshape(len(rest), 3, rest.shape[1] // 3).transpose(1, 2).contiguous()


def planar_rest(coefficients: Float[Tensor, "n k 3"]) -> Float[Tensor, "n m"]:
    """Channel-major columns of the coefficients 1 and up."""
    return coefficients.transpose(1, 2).flatten(1)


def the_gaussians_of(scene: Scene, target: Path) -> Gaussians:
    """The splat of a scene.

    Raises:
        DataError: If it has none; ``target`` is the file that would have been written.
    """
    gaussians = scene.read_gaussians()
    if gaussians is None:
        raise DataError(target, f"a scene with Gaussians expected, {scene.name} has none")
    return gaussians


def _rest_names(degree: int) -> tuple[str, ...]:
    return tuple(f"f_rest_{k}" for k in range(3 * ((degree + 1) ** 2 - 1)))


def _rest_columns(path: Path, vertex: PlyElement) -> tuple[str, ...]:
    count = sum(name.startswith("f_rest_") for name in vertex.names)
    if count not in _DEGREES:
        raise DataError(path, f"0, 9, 24 or 45 f_rest columns expected, found {count}")
    names = _rest_names(_DEGREES[count])
    if not set(names) <= set(vertex.names):
        raise DataError(path, f"f_rest columns must be numbered from 0 to {count - 1}")
    return names


def _vertex(path: Path) -> PlyElement:
    wanted = (*_MEANS, *_DC, "opacity", *_SCALES, *_ROTATION)
    vertex = read_header(path).require("vertex", wanted)
    if vertex.count == 0:
        raise DataError(path, "splat is empty, at least one Gaussian expected")
    _rest_columns(path, vertex)
    return vertex


def _recognises(path: Path) -> bool:
    names = ply_properties(path) or frozenset()
    return {"f_dc_0", "scale_0"} <= names and "packed_position" not in names


def _read(path: Path) -> Scene:
    gaussians = Stored(path, read_gaussians, _vertex(path).count)
    return Scene(path.stem, gaussians=gaussians, format="gaussian-ply", source=path)


FORMAT = Format(
    name="gaussian-ply",
    summary="PLY file of 3D Gaussians (f_dc, f_rest, opacity, scale, rot)",
    recognises=_recognises,
    read=_read,
    write=lambda scene, path: write_gaussians(path, the_gaussians_of(scene, path)),
)
