"""A folder of LiDAR clouds with boxes, without any calibration.

``points/NAME.npy`` (or ``.bin``, ``.pcd``, ``.ply``, ``.las``), ``labels/NAME.txt`` or ``.json``,
``ImageSets/{train,val,test}.txt``, as OpenPCDet's custom data sets have them; or the labels right
beside the clouds; or one ``boxes.json`` that maps the names of frames to lists of boxes. Clouds and
boxes are in the same frame: x forward, y left, z up, metres. A frame without a label file is not
annotated; an empty label file says that there is nothing.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from sparse3d.errors import DataError
from sparse3d.scene.atomic import writing
from sparse3d.scene.boxes import Boxes3D
from sparse3d.scene.formats import las, lidar_bin, pcd, ply
from sparse3d.scene.formats.arrays import head, read_all, save_npy
from sparse3d.scene.formats.clouds_labels import (
    boxes_from_entries,
    count_text_rows,
    format_rows,
    looks_like_rows,
    read_json_boxes,
    read_text_boxes,
)
from sparse3d.scene.formats.format import Format
from sparse3d.scene.formats.json_fields import read_json
from sparse3d.scene.formats.lidar_bin import rows_from_sweep
from sparse3d.scene.points import PointCloud
from sparse3d.scene.scene import Frame, Scene, Split
from sparse3d.scene.stored import Stored

__all__ = ["FORMAT"]

_CLOUDS = {
    ".npy": lidar_bin.FORMAT,
    ".bin": lidar_bin.FORMAT,
    ".pcd": pcd.FORMAT,
    ".ply": ply.FORMAT,
    ".las": las.FORMAT,
    ".laz": las.FORMAT,
}
_LABELS = (".txt", ".json")
_BOXES = "boxes.json"
_SPLITS: tuple[Split, ...] = ("train", "val", "test")
_PLAIN_NAME = re.compile(r"[^\W_][\w.-]*")


@dataclass(frozen=True, slots=True)
class _Layout:
    """Which files of a folder belong to the scene."""

    root: Path
    clouds: dict[str, Path]
    labels: dict[str, Path]
    """Label files by frame; empty where ``boxes.json`` holds the boxes."""

    @classmethod
    def of(cls, root: Path) -> "_Layout":
        """Find the files.

        Raises:
            DataError: If a frame has two clouds or two label files, or a label has no cloud.
        """
        apart = _is_apart(root)
        clouds = _by_name(root / "points" if apart else root, tuple(_CLOUDS))
        labels = _by_name(root / "labels" if apart else root, _LABELS, () if apart else clouds)
        for name, path in labels.items():
            if name not in clouds:
                raise DataError(path, f"label file without a cloud {name}.npy (.bin, .pcd, ...)")
        if labels and (root / _BOXES).is_file():
            found = next(iter(labels.values())).relative_to(root)
            raise DataError(root / _BOXES, f"boxes are in label files, too, such as {found}")
        return cls(root, clouds, labels)


def _is_apart(root: Path) -> bool:
    """Whether clouds lie in ``points/``, the boxes elsewhere."""
    marks = root / "labels", root / _BOXES, root / "ImageSets"
    return (root / "points").is_dir() and any(mark.exists() for mark in marks)


def _by_name(
    folder: Path, suffixes: tuple[str, ...], beside: Iterable[str] | None = None
) -> dict[str, Path]:
    """Files by their name without suffix, sorted.

    Args:
        folder: Where they lie; it may be missing.
        suffixes: Which files, by lower-case suffix.
        beside: Names of the clouds in the same folder. Text files of other names count only if
            they look like labels, and JSON files not at all.
    """
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.suffix.lower() not in suffixes or path.name == _BOXES or not path.is_file():
            continue
        if beside and path.stem not in beside and not _is_stray_label(path):
            continue
        if path.stem in found:
            raise DataError(path, f"frame {path.stem} has {found[path.stem].name}, too")
        found[path.stem] = path
    return found


def _is_stray_label(path: Path) -> bool:
    return path.suffix.lower() == ".txt" and looks_like_rows(head(path))


def _recognises(path: Path) -> bool:
    try:
        if not path.is_dir():
            return False
        if _is_apart(path):
            return any(file.suffix.lower() in _CLOUDS for file in (path / "points").iterdir())
        files = [file for file in path.iterdir() if file.is_file()]
    except OSError:
        return False
    names = {file.stem for file in files if file.suffix.lower() in _CLOUDS}
    if names and (path / _BOXES).is_file():
        return True
    return any(file.stem in names and _is_label(file) for file in files)


def _is_label(path: Path) -> bool:
    """Whether a file beside a cloud holds boxes by its first bytes."""
    if path.suffix.lower() == ".json":
        return head(path, 64).lstrip()[:1] == b"["
    return _is_stray_label(path)


def _read(path: Path) -> Scene:
    layout = _Layout.of(path)
    boxes = {name: _stored_boxes(file) for name, file in layout.labels.items()}
    boxes |= _boxes_of_all(layout)
    splits = _read_splits(layout)
    frames = tuple(
        Frame(name, points=_stored_points(file), boxes=boxes.get(name), split=splits.get(name))
        for name, file in layout.clouds.items()
    )
    return Scene(path.resolve().name, frames, metric=True, format="clouds", source=path)


def _stored_points(path: Path) -> Stored[PointCloud]:
    """The points of a file and their number by its header, as its own format has them."""
    form = _CLOUDS[path.suffix.lower()]
    assert form.read is not None  # all of them can be read
    scene = form.read(path)
    points = scene.frames[0].points if scene.frames else scene.points
    if not isinstance(points, Stored):
        raise DataError(path, "a point cloud expected, found a mesh")
    return points


def _stored_boxes(path: Path) -> Stored[Boxes3D]:
    if path.suffix.lower() == ".json":
        return Stored(path, read_json_boxes)
    return Stored(path, read_text_boxes, count_text_rows(path))


def _boxes_of_all(layout: _Layout) -> dict[str, Stored[Boxes3D]]:
    """The boxes of ``boxes.json``, looked at frame by frame when they are asked for."""
    path = layout.root / _BOXES
    if not path.is_file():
        return {}
    frames = read_json(path).values
    unknown = sorted(set(frames) - set(layout.clouds))
    if unknown:
        raise DataError(path, f"frame {unknown[0]!r} has no cloud")
    return {
        name: Stored(
            path,
            partial(boxes_from_entries, entries=entries, where=f"frame {name}"),
            len(entries) if isinstance(entries, list) else None,
        )
        for name, entries in frames.items()
    }


def _read_splits(layout: _Layout) -> dict[str, Split]:
    """The split of every frame that ``ImageSets`` names; what is in val and test is val."""
    splits: dict[str, Split] = {}
    for split in _SPLITS:
        path = layout.root / "ImageSets" / f"{split}.txt"
        lines = read_all(path).decode("utf-8", "replace").splitlines() if path.is_file() else []
        for number, name in enumerate((line.strip() for line in lines), 1):
            if name and name not in layout.clouds:
                raise DataError(path, f"line {number}: there is no cloud of frame {name!r}")
            if name and splits.get(name, split) == "train" != split:
                raise DataError(path, f"line {number}: frame {name} is in train.txt, too")
            if name:
                splits.setdefault(name, split)
    return splits


def _write(scene: Scene, path: Path) -> None:
    """Write every frame that has points: x y z intensity, boxes and splits.

    Names of frames are kept where all can be names of files, else frames are numbered. Poses and
    cameras have no place in the folder.
    """
    frames = [f for f in scene.frames if f.points is not None or f.boxes is not None]
    if not frames:
        raise DataError(path, f"a scene with sweeps expected, {scene.name} has none")
    names = [frame.name for frame in frames]
    if not all(map(_PLAIN_NAME.fullmatch, names)):
        names = [f"{number:06d}" for number in range(len(frames))]
    with writing(path) as draft:
        for folder in ("points", "labels"):
            (draft / folder).mkdir(parents=True)
        for name, frame in zip(names, frames, strict=True):
            _write_frame(draft, name, frame, path)
        _write_splits(draft / "ImageSets", names, frames)


def _write_frame(draft: Path, name: str, frame: Frame, target: Path) -> None:
    points, boxes = frame.read_points(), frame.read_boxes()
    if points is None:
        raise DataError(target, f"frame {frame.name} has boxes, but no points to go with them")
    save_npy(draft / "points" / f"{name}.npy", rows_from_sweep(points))
    if boxes is not None:
        (draft / "labels" / f"{name}.txt").write_text(format_rows(boxes), encoding="utf-8")


def _write_splits(folder: Path, names: list[str], frames: list[Frame]) -> None:
    for split in _SPLITS:
        chosen = [n for n, frame in zip(names, frames, strict=True) if frame.split == split]
        if chosen:
            folder.mkdir(exist_ok=True)
            (folder / f"{split}.txt").write_text("".join(f"{n}\n" for n in chosen), "utf-8")


FORMAT = Format(
    name="clouds",
    summary="folder of LiDAR clouds with boxes: points/, labels/, ImageSets/",
    recognises=_recognises,
    read=_read,
    write=_write,
)
