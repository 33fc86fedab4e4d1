"""The sweeps that a command is pointed at."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sparse3d.errors import DataError

if TYPE_CHECKING:
    from sparse3d.scene import Frame, Scene

__all__ = ["frames_with_points"]


def frames_with_points(paths: Sequence[Path]) -> list[tuple["Scene", "Frame"]]:
    """All frames with points, and the scenes they are of.

    Args:
        paths: What :func:`~sparse3d.scene.formats.registry.open_scene` opens, or folders of such
            files; a file with one cloud is a frame of its own.

    Raises:
        DataError: If a path has no frame with points, or two frames have the same name.
    """
    work: list[tuple[Scene, Frame]] = []
    origins: dict[str, Path] = {}
    for path, scene in ((given, scene) for given in paths for scene in _scenes(given)):
        for frame in _sweeps(path, scene):
            if frame.name in origins:
                raise DataError(path, f"frame {frame.name} is in {origins[frame.name]}, too")
            origins[frame.name] = path
            work.append((scene, frame))
    return work


def _scenes(path: Path) -> "list[Scene]":
    """The scene at a path, or those in the files of a folder that is none itself."""
    from sparse3d.scene.formats.registry import is_recognised, open_scene, recognised_files

    files = recognised_files(path) if path.is_dir() and not is_recognised(path) else ()
    return [open_scene(file) for file in files or (path,)]


def _sweeps(path: Path, scene: "Scene") -> tuple["Frame", ...]:
    """The frames with points; a file with one cloud is a frame of its own."""
    from sparse3d.scene import Frame

    if not scene.frames and scene.points is not None:
        return (Frame(scene.name, points=scene.points),)
    frames = tuple(frame for frame in scene.frames if frame.points is not None)
    if not frames:
        raise DataError(path, f"frames with points expected, none of {len(scene.frames)} has any")
    return frames
