"""The folder layout of the KITTI object benchmark.

``training/`` and ``testing/`` with ``velodyne/ID.bin``, ``calib/ID.txt``, ``image_2/ID.png``,
``label_2/ID.txt``, and ``ImageSets/{train,val,test}.txt``. There is a frame for every sweep, with
or without an image. Every frame is its own world, whose axes are those of the LiDAR.
"""

import os
import re
import struct
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal

from jaxtyping import Float64
from PIL import Image
from torch import Tensor

from sparse3d.errors import DataError
from sparse3d.geometry.intrinsics import Intrinsics
from sparse3d.scene.atomic import writing
from sparse3d.scene.boxes import Boxes3D
from sparse3d.scene.camera import Camera
from sparse3d.scene.formats.arrays import head, read_all, write_rows
from sparse3d.scene.formats.format import Format
from sparse3d.scene.formats.kitti_calibration import (
    NOMINAL_SIZE,
    KittiCalibration,
    parse_calibration,
)
from sparse3d.scene.formats.kitti_labels import (
    boxes_from_labels,
    format_labels,
    labels_from_boxes,
    read_labels,
)
from sparse3d.scene.formats.lidar_bin import count_rows, read_sweep, rows_from_sweep
from sparse3d.scene.formats.photos import link_or_copy
from sparse3d.scene.images import image_size
from sparse3d.scene.scene import Frame, Scene, Split
from sparse3d.scene.stored import Stored

__all__ = ["FORMAT", "read_boxes"]

_PARTS: tuple[Literal["training", "testing"], ...] = ("training", "testing")
_OBJECT_ROW = re.compile(rb"^[ \t]*(?!DontCare\b)\S", re.MULTILINE)
_SPLITS: tuple[Split, ...] = ("train", "val", "test")


def read_boxes(path: Path, calibration: KittiCalibration) -> Boxes3D:
    """The objects of a label file in the LiDAR frame, ``DontCare`` rows left out."""
    return boxes_from_labels(read_labels(path), calibration)


@dataclass(slots=True)
class _Lenses:
    """What frames share, as most calibration files of a drive are the same."""

    calibrations: dict[bytes, KittiCalibration] = field(default_factory=dict)
    intrinsics: dict[tuple[int, tuple[int, int]], Intrinsics] = field(default_factory=dict)
    poses: dict[int, Float64[Tensor, "4 4"]] = field(default_factory=dict)

    def calibration(self, path: Path) -> KittiCalibration:
        data = read_all(path)
        if data not in self.calibrations:
            self.calibrations[data] = parse_calibration(path, data)
        return self.calibrations[data]

    def lens(self, calibration: KittiCalibration, size: tuple[int, int]) -> Intrinsics:
        key = (id(calibration), size)
        if key not in self.intrinsics:
            self.intrinsics[key] = calibration.intrinsics(*size)
        return self.intrinsics[key]

    def pose(self, calibration: KittiCalibration) -> Float64[Tensor, "4 4"]:
        if id(calibration) not in self.poses:
            self.poses[id(calibration)] = calibration.lidar_from_camera()
        return self.poses[id(calibration)]


@dataclass(frozen=True, slots=True)
class _Part:
    """The folder ``training`` or ``testing``: its files by frame, sizes of the sweeps."""

    folder: Path
    prefix: str
    sweeps: dict[str, int]
    images: dict[str, Path]
    labels: frozenset[str]

    @classmethod
    def of(cls, folder: Path, prefix: str) -> "_Part":
        sweeps = {e.name[:-4]: e.stat().st_size for e in _entries(folder / "velodyne", ".bin")}
        images = {e.name[:-4]: Path(e.path) for e in _entries(folder / "image_2", ".png", ".jpg")}
        labels = frozenset(entry.name[:-4] for entry in _entries(folder / "label_2", ".txt"))
        return cls(folder, prefix, dict(sorted(sweeps.items())), images, labels)

    def path(self, kind: str, name: str) -> Path:
        return Path(f"{self.folder}/{kind}/{name}")  # parsed once: there are thousands

    def frame(self, name: str, lenses: _Lenses, split: Split | None) -> Frame:
        sweep = self.path("velodyne", f"{name}.bin")
        points = Stored(sweep, read_sweep, count_rows(sweep, 4, self.sweeps[name]))
        calibration = lenses.calibration(self.path("calib", f"{name}.txt"))
        boxes = self._boxes(name, calibration) if name in self.labels else None
        cameras = (self._camera(name, calibration, lenses),)
        return Frame(self.prefix + name, cameras, points, boxes, split=split)

    def _camera(self, name: str, calibration: KittiCalibration, lenses: _Lenses) -> Camera:
        image = self.images.get(name)
        size = NOMINAL_SIZE if image is None else _size_of(image)
        lens = lenses.lens(calibration, size)
        pose = lenses.pose(calibration)
        return Camera(f"{self.prefix}{name}/image_2", lens, pose, image_path=image)

    def _boxes(self, name: str, calibration: KittiCalibration) -> Stored[Boxes3D]:
        path = self.path("label_2", f"{name}.txt")
        count = len(_OBJECT_ROW.findall(read_all(path)))
        return Stored(path, partial(read_boxes, calibration=calibration), count)


def _entries(folder: Path, *suffixes: str) -> list[os.DirEntry[str]]:
    if not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        return [entry for entry in entries if entry.name.endswith(suffixes)]


def _size_of(image: Path) -> tuple[int, int]:
    """Width and height; of PNG files straight from the first bytes, as there are thousands."""
    data = head(image, 24)
    if len(data) == 24 and data[:8] == b"\x89PNG\r\n\x1a\n" and data[12:16] == b"IHDR":
        width, height = struct.unpack(">II", data[16:24])
        return width, height
    return image_size(image)


def _layout(path: Path) -> tuple[Path, tuple[Path, ...]]:
    """The root folder and those of its parts that are there."""
    if (path / "velodyne").is_dir():
        return path.parent, (path,)
    return path, tuple(path / name for name in _PARTS if (path / name / "velodyne").is_dir())


def _recognises(path: Path) -> bool:
    parts = _layout(path)[1] if path.is_dir() else ()
    return any((part / "calib").is_dir() or (part / "label_2").is_dir() for part in parts)


def _read_splits(root: Path) -> dict[Split, frozenset[str]]:
    splits: dict[Split, frozenset[str]] = {}
    for split in _SPLITS:
        path = root / "ImageSets" / f"{split}.txt"
        if path.is_file():
            splits[split] = frozenset(read_all(path).decode("utf-8", "replace").split())
    both = splits.get("train", frozenset()) & splits.get("val", frozenset())
    if both:
        problem = f"frame {min(both)} is in train.txt and in val.txt"
        raise DataError(root / "ImageSets", problem)
    return splits


def _read(path: Path) -> Scene:
    root, folders = _layout(path)
    splits, lenses = _read_splits(root), _Lenses()
    prefixed = len(folders) > 1
    frames: list[Frame] = []
    for folder in folders:
        testing = folder.name == "testing"
        part = _Part.of(folder, "testing/" if prefixed and testing else "")
        names = _split_by_name(splits, has_testing=(root / "testing" / "velodyne").is_dir())
        for name in part.sweeps:
            split = "test" if testing else names.get(name)
            frames.append(part.frame(name, lenses, split))
    if not frames:
        raise DataError(path, "KITTI sweeps expected in training/velodyne/*.bin, found none")
    return Scene(
        path.resolve().name, frames=tuple(frames), metric=True, format="kitti", source=path
    )


def _split_by_name(splits: dict[Split, frozenset[str]], *, has_testing: bool) -> dict[str, Split]:
    """Splits of the training folder; ``test.txt`` names frames of the testing folder if there."""
    by_name: dict[str, Split] = {}
    for split, names in splits.items():
        if split != "test" or not has_testing:
            by_name |= {name: split for name in names if name not in by_name}
    return by_name


def _write(scene: Scene, path: Path) -> None:
    """Write every frame that has points or boxes, all into ``training``.

    The first camera of a frame becomes ``image_2``; a frame without camera gets KITTI's usual one.
    Names of frames are kept where all are digits, else frames are numbered.
    """
    frames = [f for f in scene.frames if f.points is not None or f.boxes is not None]
    if not frames:
        raise DataError(path, f"a scene with sweeps or boxes expected, {scene.name} has none")
    names = [frame.name for frame in frames]
    if not all(name.isdigit() for name in names):
        names = [f"{number:06d}" for number in range(len(frames))]
    with writing(path) as draft:
        for folder in ("velodyne", "calib", "label_2", "image_2"):
            (draft / "training" / folder).mkdir(parents=True)
        for name, frame in zip(names, frames, strict=True):
            _write_frame(draft / "training", name, frame, path)
        _write_splits(draft / "ImageSets", names, frames)


def _write_frame(folder: Path, name: str, frame: Frame, target: Path) -> None:
    camera = frame.cameras[0] if frame.cameras else None
    if camera is not None and not camera.intrinsics.is_pinhole:
        raise DataError(target, f"KITTI cameras have no distortion; undistort {camera.name} first")
    calibration, size = KittiCalibration.nominal(), NOMINAL_SIZE
    if camera is not None:
        calibration = KittiCalibration.of_camera(camera, frame.pose())
        size = camera.intrinsics.width, camera.intrinsics.height
    (folder / "calib" / f"{name}.txt").write_text(calibration.text(), encoding="ascii")
    points, boxes = frame.read_points(), frame.read_boxes()
    if points is not None:
        with (folder / "velodyne" / f"{name}.bin").open("wb") as file:
            write_rows(file, rows_from_sweep(points))
    if boxes is not None:
        labels = format_labels(labels_from_boxes(boxes, calibration, size))
        (folder / "label_2" / f"{name}.txt").write_text(labels, encoding="utf-8")
    if camera is not None and camera.image_path is not None:
        _copy_image(camera.image_path, folder / "image_2" / f"{name}.png")


def _copy_image(source: Path, target: Path) -> None:
    if source.suffix.lower() == ".png":
        link_or_copy(source, target)
    else:
        with Image.open(source) as image:
            image.convert("RGB").save(target)


def _write_splits(folder: Path, names: list[str], frames: list[Frame]) -> None:
    for split in _SPLITS:
        chosen = [n for n, frame in zip(names, frames, strict=True) if frame.split == split]
        if chosen:
            folder.mkdir(exist_ok=True)
            (folder / f"{split}.txt").write_text("".join(f"{n}\n" for n in chosen), "ascii")


FORMAT = Format(
    name="kitti",
    summary="KITTI object folder: training/{velodyne,calib,label_2,image_2}",
    recognises=_recognises,
    read=_read,
    write=_write,
)
