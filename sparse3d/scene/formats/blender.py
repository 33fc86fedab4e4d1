"""Blender synthetic scenes of NeRF: ``transforms_{train,val,test}.json`` and RGBA renders.

One horizontal field of view (``camera_angle_x``) for all images, principal point in the middle,
``file_path`` without suffix, poses with OpenGL camera axes; intrinsics in nerfstudio's names are
understood as well. Further keys (``rotation``) and images (depth, normals) are left aside. Frames
come in the order of the files: train, val, test.
"""

from pathlib import Path

from sparse3d.scene.camera import Camera
from sparse3d.scene.formats.format import Format
from sparse3d.scene.formats.json_fields import read_json
from sparse3d.scene.formats.photos import check_sizes, name_in
from sparse3d.scene.formats.posed_json import (
    frame_fields,
    image_file,
    read_lenses,
    read_poses,
    require_distinct,
)
from sparse3d.scene.scene import Frame, Scene, Split

__all__ = ["FORMAT", "read"]

_FILES: dict[str, Split] = {f"transforms_{s}.json": s for s in ("train", "val", "test")}


def recognises(path: Path) -> bool:
    """Whether a folder holds one of the three files (and not nerfstudio's), or the path is one."""
    if path.is_dir():
        return not (path / "transforms.json").exists() and any(
            (path / name).is_file() for name in _FILES
        )
    return path.name in _FILES


def read(path: Path) -> Scene:
    """Open all splits of a folder, or the split of one JSON file; images stay on disk.

    Raises:
        DataError: If the JSON is not as documented, a pose is no rigid transform, an image is
            missing or leads out of the folder, or images differ in size.
    """
    folder = path if path.is_dir() else path.parent
    files = [folder / name for name in _FILES] if path.is_dir() else [path]
    frames = [frame for file in files if file.is_file() for frame in _frames(folder, file)]
    require_distinct([frame.name for frame in frames], path)
    check_sizes([camera for frame in frames for camera in frame.cameras])
    return Scene(folder.resolve().name, tuple(frames), format=FORMAT.name, source=path)


def _frames(folder: Path, file: Path) -> list[Frame]:
    document = read_json(file)
    entries = frame_fields(document)
    poses = read_poses(entries)
    images = [image_file(folder, entry) for entry in entries]
    lenses = read_lenses(document, entries, images)
    split = _FILES[file.name]
    cameras = [
        Camera(name_in(folder, image), lens, pose, image)
        for image, lens, pose in zip(images, lenses, poses, strict=True)
    ]
    return [Frame(camera.name, (camera,), split=split) for camera in cameras]


FORMAT = Format(
    name="blender",
    summary="a folder with transforms_train.json, transforms_val.json or transforms_test.json",
    recognises=recognises,
    read=read,
)
