"""Describe any supported scene, dataset or file."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import tyro
from jaxtyping import Float
from rich.console import Console
from rich.table import Table
from torch import Tensor

from sparse3d.cli.arguments import parse
from sparse3d.cli.results import write_json
from sparse3d.data.checks import check_scene, frames_to_check
from sparse3d.scene import Boxes3D, Gaussians, Mesh, PointCloud, Scene, SparseGrid, Stored
from sparse3d.scene.formats.registry import is_recognised, open_scene, recognised_files
from sparse3d.train.progress import showing

__all__ = ["describe", "describe_path", "main"]

COUNTS = (
    "frames",
    "cameras",
    "images",
    "points",
    "boxes",
    "gaussians",
    "vertices",
    "triangles",
    "cells",
)
"""What can be added up over the files of a folder."""
EXTENT_LIMIT = 2_000_000
"""Extents of more points or Gaussians than this are not worth the wait."""
WORTH_A_BAR = 10
"""Checks of more frames than this show how far they are."""


@dataclass(frozen=True)
class Arguments:
    """Describe any supported scene, dataset or file, recognised by its contents."""

    path: tyro.conf.Positional[Path]
    """Folder or file to look at."""
    json: Path | None = None
    """Write the result to this file, too (``-``: print it in place of the table)."""
    classes: tuple[str, ...] = ()
    """Classes that boxes should be of; others are reported."""


def main(arguments: Sequence[str]) -> int:
    """Run ``sparse3d info``."""
    given = parse(Arguments, "info", arguments)
    result = describe_path(given.path, given.classes)
    if given.json is not None:
        write_json(given.json, result)
    if given.json != Path("-"):
        Console().print(_table(result))
        _print_warnings(result)
    return 0


def describe_path(path: Path, classes: Sequence[str] = ()) -> dict[str, Any]:
    """What is at a path: a scene, or the scenes in the files of a folder, one by one and in sum.

    Args:
        path: File or folder.
        classes: Names that boxes should have; any will do where there are none.

    Raises:
        DataError: If neither the path nor any file in it is recognised.
    """
    files = () if is_recognised(path) or not path.is_dir() else recognised_files(path)
    if not files:
        scene = open_scene(path)
        return describe(scene) | _describe_checks(scene, classes)
    parts = [describe(open_scene(file)) for file in files]
    sums = {name: sum(part[name] for part in parts) for name in COUNTS}
    shown = {"name": path.name, "format": "files", "source": str(path), **sums, "files": parts}
    return shown | {"checked": 0, "warnings": []}


def describe(scene: Scene) -> dict[str, Any]:
    """What a scene holds, as plain data under plain names.

    Numbers of points and Gaussians come from headers and file sizes where the format knows them.
    ``points`` is the sum of the static points and all sweeps; ``extents`` are the smallest and
    the largest x, y, z in the world; those of boxes are of their centres, in the frames' own axes.
    """
    mesh = scene.read_mesh()
    boxes = [some for frame in scene.frames if (some := frame.read_boxes()) is not None]
    return {
        "name": scene.name,
        "format": scene.format,
        "source": None if scene.source is None else str(scene.source),
        "metric": scene.metric,
        "frames": len(scene.frames),
        **_describe_cameras(scene),
        "points": _rows(scene.points) + sum(_rows(frame.points) for frame in scene.frames),
        **_describe_boxes(boxes),
        "gaussians": _rows(scene.gaussians),
        "vertices": 0 if mesh is None else len(mesh.vertices),
        "triangles": 0 if mesh is None else len(mesh.triangles),
        "cells": _rows(scene.grid),
        "splits": _tally(frame.split for frame in scene.frames if frame.split is not None),
        "extents": _extents(scene, mesh, boxes),
    }


def _describe_cameras(scene: Scene) -> dict[str, Any]:
    cameras = scene.cameras
    lenses = [camera.intrinsics for camera in cameras]
    return {
        "cameras": len(cameras),
        "images": sum(camera.image_path is not None for camera in cameras),
        "masks": sum(camera.mask_path is not None for camera in cameras),
        "depths": sum(camera.depth_path is not None for camera in cameras),
        "intrinsics": len(set(lenses)),
        "lenses": _tally(lens.lens for lens in lenses),
        "resolutions": _tally(f"{lens.width}x{lens.height}" for lens in lenses),
    }


def _describe_boxes(boxes: Sequence[Boxes3D]) -> dict[str, Any]:
    names = _tally(name for some in boxes for name in some.names)
    return {"boxes": sum(names.values()), "classes": names}


def _describe_checks(scene: Scene, classes: Sequence[str]) -> dict[str, Any]:
    """What looks wrong about boxes and points, and in how many frames they were looked at."""
    checked = len(frames_to_check(scene))
    bar = showing("checking") if checked > WORTH_A_BAR else nullcontext()
    with bar as progress:
        found = check_scene(scene, classes, None if progress is None else progress.show)
    warnings = [{"kind": finding.kind, "message": finding.message} for finding in found]
    return {"checked": checked, "warnings": warnings}


def _rows(value: Stored[Any] | PointCloud | Gaussians | SparseGrid | None) -> int:
    if isinstance(value, Stored):
        return len(value.read()) if value.count is None else value.count
    return 0 if value is None else len(value)


def _tally(names: Iterable[str]) -> dict[str, int]:
    """How often each name occurs, the most frequent first."""
    return dict(Counter(names).most_common())


def _extents(
    scene: Scene, mesh: Mesh | None, boxes: Sequence[Boxes3D]
) -> dict[str, list[list[float]]]:
    """Corners of the axis-aligned bounding boxes of whatever is cheap to read."""
    found: dict[str, Tensor] = {}
    if cameras := scene.cameras:
        found["cameras"] = torch.stack([camera.world_from_camera[:3, 3] for camera in cameras])
    if _rows(scene.points) <= EXTENT_LIMIT and (points := scene.read_points()) is not None:
        found["points"] = points.positions
    if _rows(scene.gaussians) <= EXTENT_LIMIT and (splat := scene.read_gaussians()) is not None:
        found["gaussians"] = splat.means
    if mesh is not None:
        found["mesh"] = mesh.vertices
    if boxes:
        found["boxes"] = torch.cat([some.centers for some in boxes])
    finite = {name: rows[rows.isfinite().all(1)] for name, rows in found.items()}
    return {name: _corners(rows) for name, rows in finite.items() if len(rows) > 0}


def _corners(positions: Float[Tensor, "n 3"]) -> list[list[float]]:
    return [positions.amin(0).tolist(), positions.amax(0).tolist()]


def _table(result: Mapping[str, Any]) -> Table:
    table = Table("what", "value", show_header=False, title=result["source"] or result["name"])
    for name, value in result.items():
        if name not in ("name", "source", "checked", "warnings") and (text := _text(value)):
            table.add_row(name, text)
    return table


def _print_warnings(result: Mapping[str, Any]) -> None:
    """What looks wrong, below the table."""
    if not result["checked"]:
        return
    of = f"{result['checked']} of {result['frames']:,} frames looked at"
    print(f"looks wrong ({of}):" if result["warnings"] else f"nothing looks wrong ({of})")
    for warning in result["warnings"]:
        print(f"- {warning['message']}")


def _text(value: object) -> str:
    """A cell for people; empty for what is not there."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}" if value else ""
    if isinstance(value, list):
        return "\n".join(f"{Path(part['source']).name}: {_one_line(part)}" for part in value)
    if isinstance(value, Mapping):
        return "\n".join(f"{name}: {_inner(inner)}" for name, inner in value.items())
    return str(value)


def _one_line(part: Mapping[str, Any]) -> str:
    counts = (f"{part[name]:,} {name}" for name in COUNTS if part[name])
    return f"{part['format']}, {', '.join(counts)}"


def _inner(value: object) -> str:
    if not isinstance(value, list):
        return f"{value:,}" if isinstance(value, int) else str(value)
    low, high = (", ".join(f"{number:.4g}" for number in corner) for corner in value)
    return f"({low}) to ({high})"
