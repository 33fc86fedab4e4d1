"""The project's own scene folder: ``scene.json`` and memory-mapped arrays, described in docs.

It holds everything that a ``Scene`` holds, exactly. Nothing in it is pickled, no path leads out.
"""

import json
import math
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, TypeVar, cast

import torch
from jaxtyping import Float64
from torch import Tensor

from sparse3d.errors import DataError
from sparse3d.geometry.intrinsics import Intrinsics, Lens
from sparse3d.scene.atomic import writing
from sparse3d.scene.boxes import Boxes3D
from sparse3d.scene.camera import Camera
from sparse3d.scene.formats import scene_arrays
from sparse3d.scene.formats.format import Format
from sparse3d.scene.formats.json_fields import Fields, read_json
from sparse3d.scene.formats.photos import link_or_copy
from sparse3d.scene.formats.scene_arrays import StoredArrays
from sparse3d.scene.scene import Frame, Scene, Split
from sparse3d.scene.sparse_grid import SparseGrid
from sparse3d.scene.stored import Stored
from sparse3d.scene.voxel_space import VoxelSpace

__all__ = ["FORMAT", "VERSION", "read_scene", "write_scene"]

VERSION = 1
"""Number of the layout; folders of a later one are refused."""

_INDEX = "scene.json"
_KIND = "sparse3d-scene"
_FILES = ("image", "mask", "depth")

T = TypeVar("T")


def read_scene(path: Path) -> Scene:
    """Open a scene folder: the index is read, arrays and images stay on disk.

    Raises:
        DataError: If the index does not parse, is of a later version, or names a path outside.
    """
    index = read_json(path / _INDEX)
    if index.text("format") != _KIND:
        raise index.error(f"format {_KIND!r} expected, got {index.values.get('format')!r}")
    version = index.count("version")
    if version is None or version > VERSION:
        raise index.error(
            f"version {VERSION} or before expected, got {index.values.get('version')}"
        )
    frames = tuple(_frame(path, entry) for entry in _objects(index, "frames"))
    _require_distinct(index, frames)
    return Scene(
        name=_text(index, "name"),
        frames=frames,
        points=_stored(path, index, "points", scene_arrays.read_points),
        gaussians=_stored(path, index, "gaussians", scene_arrays.read_gaussians),
        mesh=_stored(path, index, "mesh", scene_arrays.read_mesh),
        grid=_stored_grid(path, index),
        metric=index.values.get("metric") is True,
        format="scene",
        source=path,
    )


def write_scene(scene: Scene, path: Path) -> None:
    """Write a scene to a new or empty folder, whole or not at all.

    Values that are stored on disk are read and written one at a time. Images, masks and depth maps
    are linked where the disk allows it, else copied.

    Raises:
        DataError: If the folder has contents, a source cannot be read, or the disk is full.
    """
    with writing(path) as draft:
        draft.mkdir()
        index: dict[str, Any] = {"format": _KIND, "version": VERSION}
        index |= {"name": scene.name, "metric": scene.metric}
        points, gaussians, mesh = scene.read_points(), scene.read_gaussians(), scene.read_mesh()
        grid = scene.read_grid()
        if points is not None:
            index["points"] = _placed("points", scene_arrays.save_points(draft / "points", points))
        if gaussians is not None:
            entry = scene_arrays.save_gaussians(draft / "gaussians", gaussians)
            index["gaussians"] = _placed("gaussians", entry)
        if mesh is not None:
            index["mesh"] = _placed("mesh", scene_arrays.save_mesh(draft / "mesh", mesh))
        if grid is not None:
            index["grid"] = _placed("grid", scene_arrays.save_grid(draft / "grid", grid))
        frames = [_saved_frame(draft, i, frame) for i, frame in enumerate(scene.frames)]
        (draft / _INDEX).write_text(_text_of(index, frames), encoding="utf-8")


def _text_of(index: dict[str, Any], frames: list[dict[str, Any]]) -> str:
    """JSON with a line for every frame."""
    lines = ",\n".join(json.dumps(frame, allow_nan=False) for frame in frames)
    return f'{json.dumps(index)[:-1]}, "frames": [\n{lines}\n]}}\n'


def _saved_frame(root: Path, number: int, frame: Frame) -> dict[str, Any]:
    place = f"frames/{number:06d}"
    entry: dict[str, Any] = {"name": frame.name}
    if frame.world_from_ego is not None:
        entry["world_from_ego"] = frame.world_from_ego.flatten().tolist()
    entry |= {} if frame.timestamp is None else {"timestamp": frame.timestamp}
    entry |= {} if frame.split is None else {"split": frame.split}
    points, boxes = frame.read_points(), frame.read_boxes()
    if points is not None:
        saved = scene_arrays.save_points(root / place / "points", points)
        entry["points"] = _placed(f"{place}/points", saved)
    if boxes is not None:
        entry["boxes"] = {"count": len(boxes), "file": f"{place}/boxes.npy"}
        scene_arrays.save_boxes(root / place / "boxes.npy", boxes)
    cameras = [_saved_camera(root, place, i, camera) for i, camera in enumerate(frame.cameras)]
    return entry | {"cameras": cameras}


def _saved_camera(root: Path, place: str, number: int, camera: Camera) -> dict[str, Any]:
    lens = camera.intrinsics
    entry: dict[str, Any] = {"name": camera.name, "width": lens.width, "height": lens.height}
    entry |= {key: getattr(lens, key) for key in ("fx", "fy", "cx", "cy", "lens")}
    entry |= {"distortion": list(lens.distortion)} if lens.distortion else {}
    entry["world_from_camera"] = camera.world_from_camera.flatten().tolist()
    for kind in _FILES:
        source: Path | None = getattr(camera, f"{kind}_path")
        if source is not None:
            entry[kind] = f"{place}/{kind}_{number}{source.suffix}"
            if not source.is_file():
                raise DataError(
                    source, f"{kind} of camera {camera.name} expected, but there is no such file"
                )
            link_or_copy(source, root / entry[kind])
    return entry | ({} if camera.depth_scale is None else {"depth_scale": camera.depth_scale})


def _placed(folder: str, entry: dict[str, Any]) -> dict[str, Any]:
    """The entry with its paths seen from the root of the scene."""
    groups = {k: v for k, v in entry.items() if isinstance(v, dict)}
    placed = {k: {name: f"{folder}/{file}" for name, file in v.items()} for k, v in groups.items()}
    return entry | placed


def _frame(root: Path, fields: Fields) -> Frame:
    name = _text(fields, "name")
    named = Fields(fields.source, fields.values, f"frame {name}")
    split = named.text("split")
    if split not in (None, "train", "val", "test"):
        raise named.error(f"split must be train, val or test, got {split!r}")
    ego = _pose(named, "world_from_ego") if "world_from_ego" in named.values else None
    return Frame(
        name=name,
        cameras=tuple(_camera(root, entry) for entry in _objects(named, "cameras")),
        points=_stored(root, named, "points", scene_arrays.read_points),
        boxes=_stored_boxes(root, named),
        world_from_ego=ego,
        timestamp=named.number("timestamp"),
        split=cast("Split | None", split),
    )


def _camera(root: Path, fields: Fields) -> Camera:
    name = _text(fields, "name")
    named = Fields(fields.source, fields.values, f"camera {name}")
    files = {kind: named.text(kind) for kind in _FILES}
    paths = {kind: None if f is None else _inside(root, f, named) for kind, f in files.items()}
    try:
        return Camera(
            name,
            _intrinsics(named),
            _pose(named, "world_from_camera"),
            paths["image"],
            paths["mask"],
            paths["depth"],
            named.number("depth_scale"),
        )
    except ValueError as error:
        raise named.error(str(error)) from None


def _intrinsics(fields: Fields) -> Intrinsics:
    width, height = fields.count("width"), fields.count("height")
    numbers = [fields.number(key) for key in ("fx", "fy", "cx", "cy")]
    lens = _text(fields, "lens")
    if width is None or height is None or None in numbers:
        raise fields.error("width, height, fx, fy, cx, cy expected")
    if lens not in ("pinhole", "opencv", "fisheye"):
        raise fields.error(f"lens must be pinhole, opencv or fisheye, got {lens!r}")
    fx, fy, cx, cy = (value for value in numbers if value is not None)
    distortion = tuple(_numbers(fields, "distortion"))
    return _shared_intrinsics(width, height, fx, fy, cx, cy, cast("Lens", lens), distortion)


_shared_intrinsics = lru_cache(maxsize=256)(Intrinsics)  # most cameras of a scene have the same


def _pose(fields: Fields, key: str) -> Float64[Tensor, "4 4"]:
    values = _numbers(fields, key)
    if len(values) != 16:
        raise fields.error(f"{key} must be 16 numbers, got {len(values)}")
    return torch.tensor(values, dtype=torch.float64).reshape(4, 4)


def _numbers(fields: Fields, key: str) -> list[float]:
    values = fields.items(key)
    numbers = [float(v) for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
    if len(numbers) != len(values):
        raise fields.error(f"{key} must be numbers")
    return numbers


def _stored(
    root: Path, fields: Fields, key: str, reader: Callable[[Path, StoredArrays], T]
) -> Stored[T] | None:
    entry = _object(fields, key)
    if entry is None:
        return None
    stored = _arrays(root, entry)
    present = frozenset(stored.files)
    return Stored(root / _INDEX, partial(_read_with, reader, stored), stored.count, present)


def _arrays(root: Path, entry: Fields) -> StoredArrays:
    files, extra = (_files(root, entry, name) for name in ("arrays", "extra"))
    return StoredArrays(files, extra, _row_count(entry))


def _read_with(reader: Callable[[Path, StoredArrays], T], stored: StoredArrays, path: Path) -> T:
    return reader(path, stored)


def _stored_grid(root: Path, fields: Fields) -> Stored[SparseGrid] | None:
    entry = _object(fields, "grid")
    if entry is None:
        return None
    stored, keys = _arrays(root, entry), torch.empty(0, dtype=torch.int64)
    (x, y, z), batch_size = _three(entry, "shape"), _row_count(entry, "batch_size")
    shape = (int(x), int(y), int(z))
    if shape != (x, y, z):
        raise entry.error(f"shape must be whole numbers, got {[x, y, z]}")
    try:
        space = None
        if entry.values.get("low") is not None:
            space = VoxelSpace(_three(entry, "low"), _three(entry, "size"), shape)
        empty = SparseGrid(keys, shape, batch_size, space)
    except ValueError as error:
        raise entry.error(str(error)) from None
    read = partial(_read_with, partial(scene_arrays.read_grid, empty=empty), stored)
    return Stored(root / _INDEX, read, stored.count)


def _three(fields: Fields, key: str) -> tuple[float, float, float]:
    numbers = _numbers(fields, key)
    if len(numbers) != 3 or not all(map(math.isfinite, numbers)):
        raise fields.error(f"{key} must be 3 finite numbers, got {numbers}")
    x, y, z = numbers
    return x, y, z


def _stored_boxes(root: Path, fields: Fields) -> Stored[Boxes3D] | None:
    entry = _object(fields, "boxes")
    if entry is None:
        return None
    count, path = _row_count(entry), _inside(root, _text(entry, "file"), entry)
    return Stored(path, partial(scene_arrays.read_boxes, count=count), count)


def _files(root: Path, fields: Fields, key: str) -> dict[str, Path]:
    entry = _object(fields, key)
    names = () if entry is None else entry.values
    return {name: _inside(root, _text(entry, name), fields) for name in names if entry}


def _inside(root: Path, text: str, fields: Fields) -> Path:
    """The file of a relative path, judged as written; thousands are, so no ``Path`` is parsed."""
    parts = text.replace("\\", "/").split("/")
    if not text or ".." in parts or parts[0] == "" or ":" in parts[0] or "\0" in text:
        raise fields.error(f"path {text!r} leads out of the folder of the scene")
    return Path(f"{root}/{text}")


def _row_count(fields: Fields, key: str = "count") -> int:
    count = fields.values.get(key)
    if isinstance(count, bool) or not isinstance(count, int) or count < 0:
        raise fields.error(f"{key} must be a whole number, got {count!r}")
    return count


def _object(fields: Fields, key: str) -> Fields | None:
    values = fields.values.get(key)
    if values is None:
        return None
    where = f"{fields.where}: {key}" if fields.where else key
    if not isinstance(values, dict):
        raise fields.error(f"{key} must be an object")
    return Fields(fields.source, cast("Mapping[str, object]", values), where)


def _objects(fields: Fields, key: str) -> list[Fields]:
    entries = fields.items(key)
    if not all(isinstance(entry, dict) for entry in entries):
        raise fields.error(f"{key} must be a list of objects")
    return [Fields(fields.source, cast("Mapping[str, object]", entry), key) for entry in entries]


def _text(fields: Fields, key: str) -> str:
    value = fields.values.get(key)
    if not isinstance(value, str):
        raise fields.error(f"{key} must be a text")
    return value


def _require_distinct(index: Fields, frames: tuple[Frame, ...]) -> None:
    seen: set[str] = set()
    for frame in frames:
        if frame.name in seen:
            raise index.error(f"frame {frame.name} appears twice")
        seen.add(frame.name)


def _recognises(path: Path) -> bool:
    return path.is_dir() and (path / _INDEX).is_file()


FORMAT = Format(
    name="scene",
    summary="scene folder of sparse3d: scene.json and .npy arrays",
    recognises=_recognises,
    read=read_scene,
    write=write_scene,
)
