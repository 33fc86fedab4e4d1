"""The folder layout of SemanticKITTI, which is that of KITTI's odometry benchmark with labels.

``sequences/XX/velodyne/N.bin`` (float32 x y z remission), ``sequences/XX/labels/N.label`` (uint32 a
point: semantic id in the lower, instance id in the upper 16 bits), ``sequences/XX/calib.txt`` and
``sequences/XX/poses.txt`` or ``poses/XX.txt`` (Behley et al. 2019, "SemanticKITTI"). Also
``sequences/`` itself, or one sequence. There is a frame for every sweep, with or without labels.
Poses on disk are those of camera 0; the world is the LiDAR frame where the sequence starts. The
split is that of the benchmark: sequence 08 for validation, 11 to 21 for tests.
"""

import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float64, Int
from torch import Tensor

from sparse3d.errors import DataError
from sparse3d.geometry.rotations import nearest_rotation
from sparse3d.geometry.transforms import invert_rigid, is_rigid
from sparse3d.scene.atomic import writing
from sparse3d.scene.formats.arrays import file_size, read_all, read_rows, tensor_of, write_rows
from sparse3d.scene.formats.format import Format
from sparse3d.scene.formats.lidar_bin import count_rows, read_sweep
from sparse3d.scene.points import PointCloud
from sparse3d.scene.scene import Frame, Scene, Split
from sparse3d.scene.stored import Stored

__all__ = ["FORMAT", "LABEL_LIMIT", "read_labelled_sweep", "split_of_sequence", "write_labels"]

LABEL_LIMIT = 1 << 16
"""Semantic ids are below; what is above is the instance."""

_TRAINING = frozenset(range(11)) - {8}
_TESTING = frozenset(range(11, 22))


def read_labelled_sweep(sweep: Path, labels: Path) -> PointCloud:
    """Read a sweep with its labels; instance ids become the extra attribute ``instances``.

    Raises:
        DataError: If a file is cut short or empty, or there is not one label a point.
    """
    cloud = read_sweep(sweep)
    _check_labels(labels, file_size(labels), len(cloud))
    values = tensor_of(read_rows(labels, np.dtype("<u4"), len(cloud)))
    instances = (values >> 16).to(torch.int32)
    return PointCloud(
        cloud.positions,
        intensities=cloud.intensities,
        labels=(values & (LABEL_LIMIT - 1)).to(torch.int32),
        extra={"instances": instances},
    )


def write_labels(path: Path, labels: Int[Tensor, " n"]) -> None:
    """Write semantic ids as a ``.label`` file, without instances.

    Raises:
        ValueError: If an id does not fit into 16 bits.
    """
    if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < LABEL_LIMIT:
        raise ValueError(f"ids from 0 to {LABEL_LIMIT - 1} expected, got {labels.unique()}")
    with writing(path) as draft, draft.open("wb") as file:
        write_rows(file, labels.cpu().numpy().astype("<u4"))


def split_of_sequence(name: str) -> Split | None:
    """The part of the benchmark that a sequence belongs to; None where it is none of its own."""
    if not (name.isdigit() and len(name) == 2):
        return None
    number = int(name)
    if number == 8:
        return "val"
    return "train" if number in _TRAINING else "test" if number in _TESTING else None


@dataclass(frozen=True, slots=True)
class _Sequence:
    """A folder with ``velodyne/``: its files by frame, with their sizes."""

    folder: Path
    name: str
    sweeps: dict[str, int]
    labels: dict[str, int]

    @classmethod
    def of(cls, folder: Path) -> "_Sequence":
        """Find the files.

        Raises:
            DataError: If there is a label file without a sweep.
        """
        sweeps = _sizes(folder / "velodyne", ".bin")
        labels = _sizes(folder / "labels", ".label")
        for name in labels.keys() - sweeps.keys():
            raise DataError(folder / "labels" / f"{name}.label", "label file without a sweep")
        return cls(folder, folder.resolve().name, sweeps, labels)

    def frames(self) -> list[Frame]:
        poses, split = self._poses(), split_of_sequence(self.name)
        return [
            Frame(
                f"{self.name}/{name}",
                points=self._points(name),
                world_from_ego=None if poses is None else _pose(poses, name),
                split=split,
            )
            for name in self.sweeps
        ]

    def _points(self, name: str) -> Stored[PointCloud]:
        sweep = Path(f"{self.folder}/velodyne/{name}.bin")
        count = count_rows(sweep, 4, self.sweeps[name])
        if name not in self.labels:
            return Stored(sweep, read_sweep, count, frozenset({"intensities"}))
        labels = Path(f"{self.folder}/labels/{name}.label")
        _check_labels(labels, self.labels[name], count)
        known = frozenset({"intensities", "labels"})
        return Stored(sweep, partial(read_labelled_sweep, labels=labels), count, known)

    def _poses(self) -> "_Poses | None":
        shared = self.folder.resolve().parents[1] / "poses" / f"{self.name}.txt"
        path = next((p for p in (self.folder / "poses.txt", shared) if p.is_file()), None)
        if path is None:
            return None
        camera_from_lidar = _read_calibration(self.folder / "calib.txt")
        lines = enumerate(_lines(path), 1)
        camera = _matrices(path, [(f"line {number}", text) for number, text in lines])
        return _Poses(path, invert_rigid(camera_from_lidar) @ camera @ camera_from_lidar)


@dataclass(frozen=True, slots=True)
class _Poses:
    """Poses of the LiDAR frame, by the number of the sweep."""

    path: Path
    world_from_lidar: Float64[Tensor, "n 4 4"]


def _pose(poses: _Poses, name: str) -> Float64[Tensor, "4 4"]:
    count = len(poses.world_from_lidar)
    if not name.isdigit() or int(name) >= count:
        raise DataError(poses.path, f"{count} poses found, none of them is of sweep {name}")
    return poses.world_from_lidar[int(name)]


def _read_calibration(path: Path) -> Float64[Tensor, "4 4"]:
    """``Tr`` of a ``calib.txt``: from the LiDAR to camera 0."""
    rows = [line.split(":", 1) for line in _lines(path) if line.startswith("Tr:")]
    if len(rows) != 1:
        raise DataError(path, f"one line Tr (LiDAR to camera 0) expected, found {len(rows)}")
    return _matrices(path, [(rows[0][0], rows[0][1])])[0]


def _lines(path: Path) -> list[str]:
    return read_all(path).decode("ascii", "replace").splitlines()


def _matrices(path: Path, rows: list[tuple[str, str]]) -> Float64[Tensor, "n 4 4"]:
    """Rigid transforms of texts of 12 numbers, each with its place; empty ones are left out."""
    matrices = [_matrix(path, where, text) for where, text in rows if text.strip()]
    if not matrices:
        raise DataError(path, "poses of 12 numbers a line expected, found none")
    stacked = torch.stack(matrices)
    stacked[:, :3, :3] = nearest_rotation(stacked[:, :3, :3])
    return stacked


def _matrix(path: Path, where: str, text: str) -> Float64[Tensor, "4 4"]:
    try:
        values = [float(word) for word in text.split()]
    except ValueError as error:
        raise DataError(path, f"{where}: numbers expected ({error})") from None
    if len(values) != 12:
        raise DataError(path, f"{where}: 12 numbers expected, got {len(values)}")
    matrix = torch.tensor([*values, 0.0, 0.0, 0.0, 1.0], dtype=torch.float64).reshape(4, 4)
    if not is_rigid(matrix):
        raise DataError(path, f"{where}: a rotation and a translation expected")
    return matrix


def _check_labels(path: Path, size: int, points: int) -> None:
    if size != 4 * points:
        whole = f"{size // 4} labels" if size % 4 == 0 else f"{size} bytes, a file cut short"
        raise DataError(path, f"a uint32 label for each of {points} points expected, got {whole}")


def _sizes(folder: Path, suffix: str) -> dict[str, int]:
    """Sizes of the files of a folder, by name without suffix, sorted."""
    if not folder.is_dir():
        return {}
    with os.scandir(folder) as entries:
        found = [entry for entry in entries if entry.name.endswith(suffix)]
        sizes = {entry.name.removesuffix(suffix): entry.stat().st_size for entry in found}
    return dict(sorted(sizes.items()))


def _sequences(path: Path) -> tuple[Path, ...]:
    """The folders with sweeps: those of a data set, of its ``sequences/``, or the path itself."""
    if (path / "velodyne").is_dir():
        marks = ("labels", "poses.txt", "calib.txt", "times.txt")
        return (path,) if any((path / mark).exists() for mark in marks) else ()
    inner = path / "sequences"
    root = inner if inner.is_dir() else path if path.resolve().name == "sequences" else None
    if root is None:
        return ()
    return tuple(sorted(each for each in root.iterdir() if (each / "velodyne").is_dir()))


def _recognises(path: Path) -> bool:
    try:
        return path.is_dir() and bool(_sequences(path))
    except OSError:
        return False


def _read(path: Path) -> Scene:
    frames = [frame for folder in _sequences(path) for frame in _Sequence.of(folder).frames()]
    if not frames:
        raise DataError(path, "sweeps expected in sequences/XX/velodyne/*.bin, found none")
    name = path.resolve().name
    return Scene(name, tuple(frames), metric=True, format="semantic-kitti", source=path)


FORMAT = Format(
    name="semantic-kitti",
    summary="SemanticKITTI or KITTI odometry folder: sequences/XX/{velodyne,labels}",
    recognises=_recognises,
    read=_read,
)
