"""nerfstudio's and instant-ngp's ``transforms.json`` with photos beside it.

Cameras and points stay in the world of the file. ``applied_transform`` and ``applied_scale`` only
record how that world came from an earlier one; nerfstudio has already applied them to the poses
and to the points of ``ply_file_path``, and so they are not applied again. What nerfstudio does
when it loads a scene (orient, centre, scale) is no part of the file and is not done here.

Frames come in the order of their image paths, as nerfstudio takes them. Depth files count
thousandths of a scene unit. Lens: :mod:`sparse3d.scene.formats.nerfstudio_lens`.
"""

from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from jaxtyping import Float64
from torch import Tensor

from sparse3d.geometry.intrinsics import Intrinsics
from sparse3d.scene.camera import Camera
from sparse3d.scene.formats import ply
from sparse3d.scene.formats.format import Format
from sparse3d.scene.formats.json_fields import Fields, read_json
from sparse3d.scene.formats.nerfstudio_write import write
from sparse3d.scene.formats.photos import check_sizes, inside, name_in, require_file
from sparse3d.scene.formats.ply_file import read_header
from sparse3d.scene.formats.posed_json import (
    frame_fields,
    image_file,
    read_lenses,
    read_poses,
    require_distinct,
)
from sparse3d.scene.points import PointCloud
from sparse3d.scene.scene import Frame, Scene, Split
from sparse3d.scene.stored import Stored

__all__ = ["FORMAT", "read"]

_FILE = "transforms.json"
_SPLITS: tuple[Split, ...] = ("train", "test", "val")  # of a frame in two lists, the first counts


def recognises(path: Path) -> bool:
    """Whether a folder holds ``transforms.json``, or a JSON file holds frames with poses."""
    if path.is_dir():
        return (path / _FILE).is_file()
    if path.name == _FILE:
        return True
    return path.suffix == ".json" and _mentions_frames(path)


def read(path: Path) -> Scene:
    """Open a scene from its folder or its JSON file; images stay on disk.

    Raises:
        DataError: If the JSON is not as documented, a pose is no rigid transform, a file is
            missing or leads out of the folder, or an image has another size than its intrinsics.
    """
    document = read_json(path / _FILE if path.is_dir() else path)
    folder = document.source.parent
    cameras = _cameras(document, folder)
    splits = _splits(document, folder, {camera.name for camera in cameras})
    frames = (Frame(c.name, (c,), split=splits.get(c.name)) for c in cameras)
    return Scene(
        name=folder.resolve().name,
        frames=tuple(frames),
        points=_points(document, folder),
        format=FORMAT.name,
        source=path,
    )


def _mentions_frames(path: Path) -> bool:
    try:
        content = path.read_bytes()
    except OSError:
        return False
    return b'"frames"' in content and b'"transform_matrix"' in content


def _cameras(document: Fields, folder: Path) -> list[Camera]:
    frames = frame_fields(document)
    poses = read_poses(frames)
    images = [image_file(folder, frame) for frame in frames]
    lenses = read_lenses(document, frames, images)
    cameras = [
        _camera(folder, frame, image, lens, pose)
        for frame, image, lens, pose in zip(frames, images, lenses, poses, strict=True)
    ]
    require_distinct([camera.name for camera in cameras], document.source)
    check_sizes(cameras)
    return sorted(cameras, key=lambda camera: PurePosixPath(camera.name))


def _camera(
    folder: Path, frame: Fields, image: Path, lens: Intrinsics, pose: Float64[Tensor, "4 4"]
) -> Camera:
    return Camera(
        name=name_in(folder, image),
        intrinsics=lens,
        world_from_camera=pose,
        image_path=image,
        mask_path=_companion(folder, frame, "mask_path"),
        depth_path=_companion(folder, frame, "depth_file_path"),
        depth_scale=1e-3,
    )


def _companion(folder: Path, frame: Fields, key: str) -> Path | None:
    text = frame.text(key)
    return None if text is None else require_file(inside(folder, text, frame.source), frame.source)


def _splits(document: Fields, folder: Path, names: set[str]) -> Mapping[str, Split]:
    splits: dict[str, Split] = {}
    for split in _SPLITS:
        key = f"{split}_filenames"
        for text in document.items(key):
            name = name_in(folder, inside(folder, str(text), document.source))
            if name not in names:
                raise document.error(f"{key} names {text!r}, which is no frame")
            splits.setdefault(name, split)
    return splits


def _points(document: Fields, folder: Path) -> Stored[PointCloud] | None:
    text = document.text("ply_file_path")
    if text is None:
        return None
    path = require_file(inside(folder, text, document.source), document.source)
    count = read_header(path).require("vertex").count
    return Stored(path, ply.read_points, count) if count else None


FORMAT = Format(
    name="nerfstudio",
    summary="a folder with transforms.json (nerfstudio, instant-ngp) and its photos",
    recognises=recognises,
    read=read,
    write=write,
)
