"""Simulated streets as a data set on disk."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from sparse3d.data.simulate.street.ahead import FramesAhead
from sparse3d.data.simulate.street.config import StreetConfig
from sparse3d.data.simulate.street.frames import SimulatedFrame, front_camera
from sparse3d.errors import DataError
from sparse3d.ops.open3d_module import open3d_module
from sparse3d.scene import Boxes3D, Frame, PointCloud, Scene, Stored
from sparse3d.scene.formats.registry import save_scene
from sparse3d.scene.images import write_rgb

__all__ = ["StreetSummary", "simulate_street"]

_VAL_EVERY = 5


@dataclass(frozen=True, slots=True)
class StreetSummary:
    """What was made."""

    train: int
    """Frames for training."""
    val: int
    """Frames for validation."""
    points: float
    """Points a frame, mean."""
    objects: Mapping[str, int]
    """Written boxes by class, the most frequent first."""


def simulate_street(
    folder: Path, config: StreetConfig, on_progress: Callable[[int, int], None] | None = None
) -> StreetSummary:
    """Simulate street frames and write them, whole or not at all.

    Every fifth frame is for validation. In KITTI's layout the boxes are those that the camera sees
    and at least one return lies on; with fewer than five returns their occlusion is 3 (unknown).
    A scene folder has all boxes around that a return lies on, and the ring of every point.

    Args:
        folder: New or empty.
        config: What to make.
        on_progress: Called with the number of frames made and in all.

    Returns:
        What was made, in numbers.

    Raises:
        DataError: If the folder has contents or cannot be written.
        MissingDependencyError: If Open3D is not installed.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DataError(folder, "output folder must be new or empty")
    open3d_module("simulating")
    ahead = FramesAhead(config.seed, config.frames, config.images)
    with TemporaryDirectory() as name, ahead:
        frames = _Frames(config, Path(name), ahead, on_progress)
        scene = Scene("street", tuple(map(frames.frame, range(config.frames))), metric=True)
        save_scene(scene, folder, config.to)
        return frames.summary()


class _Frames:
    """Frames that are made when their points are read, so that one at a time is in memory."""

    def __init__(
        self,
        config: StreetConfig,
        photos: Path,
        ahead: FramesAhead,
        on_progress: Callable[[int, int], None] | None,
    ) -> None:
        self._config = config
        self._photos = photos
        self._ahead = ahead
        self._on_progress = on_progress
        self._latest: tuple[int, SimulatedFrame] | None = None
        self._points_made = 0
        self._objects: Counter[str] = Counter()

    def frame(self, index: int) -> Frame:
        """The frame of a number; nothing of it is made yet."""
        name, photo = f"{index:06d}", self._photo(index)
        camera = front_camera(f"{name}/image_2", photo if self._config.images else None)
        split = "val" if index % _VAL_EVERY == _VAL_EVERY - 1 else "train"
        points = Stored(photo, partial(self._points, index))
        return Frame(
            name, (camera,), points, Stored(photo, partial(self._boxes, index)), split=split
        )

    def summary(self) -> StreetSummary:
        """Of all frames, once they are written."""
        count = self._config.frames
        mean, val = self._points_made / count, count // _VAL_EVERY
        return StreetSummary(count - val, val, mean, dict(self._objects.most_common()))

    def _points(self, index: int, _: Path) -> PointCloud:
        return self._made(index).points

    def _boxes(self, index: int, _: Path) -> Boxes3D:
        return self._written(self._made(index))

    def _written(self, made: SimulatedFrame) -> Boxes3D:
        return made.labelled if self._config.to == "kitti" else made.boxes

    def _photo(self, index: int) -> Path:
        return self._photos / f"{index:06d}.png"

    def _made(self, index: int) -> SimulatedFrame:
        if self._latest is not None and self._latest[0] == index:
            return self._latest[1]
        if self._latest is not None:  # its photo has been written
            self._photo(self._latest[0]).unlink(missing_ok=True)
        made = self._ahead.take(index)
        if made.image is not None:
            write_rgb(self._photo(index), made.image)
        self._latest = (index, made)
        self._points_made += len(made.points)
        self._objects.update(self._written(made).names)
        if self._on_progress is not None:
            self._on_progress(index + 1, self._config.frames)
        return made
