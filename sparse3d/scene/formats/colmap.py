"""COLMAP models, binary or text, with photos in ``images/``.

The model may lie in the folder itself, in ``sparse/0``, ``sparse``, ``colmap/sparse/0`` or ``0``
below it; photos lie in ``images/`` of the folder that holds all this. A folder without ``images/``
gives cameras without photos. A mask of ``images/NAME`` is ``masks/NAME.png``, as COLMAP has it.
``rigs.bin`` and ``frames.bin`` repeat what is in ``images.bin`` and are not read.

Frames come in the order of their names. Points carry ``reprojection_error`` and, from binary
files, ``track_length``.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path, PurePosixPath

import torch
from jaxtyping import Float64
from torch import Tensor

from sparse3d.errors import DataError
from sparse3d.geometry.intrinsics import Intrinsics
from sparse3d.geometry.rotations import matrix_from_quaternion
from sparse3d.geometry.transforms import invert_rigid, is_rigid, rigid
from sparse3d.scene.camera import Camera
from sparse3d.scene.formats import colmap_binary, colmap_text
from sparse3d.scene.formats.colmap_model import ColmapImage
from sparse3d.scene.formats.colmap_write import write_binary, write_text
from sparse3d.scene.formats.format import Format
from sparse3d.scene.formats.photos import check_sizes, inside, name_in, require_file
from sparse3d.scene.formats.posed_json import require_distinct
from sparse3d.scene.points import PointCloud
from sparse3d.scene.scene import Frame, Scene
from sparse3d.scene.stored import Stored

__all__ = ["FORMAT", "TEXT_FORMAT"]

_PLACES = (".", "sparse/0", "sparse", "colmap/sparse/0", "0")


def recognises(suffix: str, path: Path) -> bool:
    """Whether a folder holds a model in files of the given suffix, here or further down."""
    return path.is_dir() and _model_folder(suffix, path) is not None


def read(suffix: str, path: Path) -> Scene:
    """Open a model and the photos that belong to it; points and photos stay on disk.

    Args:
        suffix: ``bin`` or ``txt``.
        path: A folder that :func:`recognises` accepts.

    Raises:
        DataError: If a file of the model is damaged, a camera model is not supported, a pose is
            no rotation, or a photo is missing or has another size than its camera.
    """
    model = _model_folder(suffix, path)
    if model is None:
        raise DataError(path, f"cameras.{suffix} and images.{suffix} of COLMAP expected")
    parser = colmap_binary if suffix == "bin" else colmap_text
    lenses = parser.read_cameras(model / f"cameras.{suffix}")
    source = model / f"images.{suffix}"
    images = sorted(parser.read_images(source), key=lambda image: PurePosixPath(image.name))
    if not images:
        raise DataError(source, "posed images expected, but there are none")
    require_distinct([image.name for image in images], source)
    root = _root(model)
    cameras = _cameras(images, lenses, root, source)
    check_sizes(cameras)
    return Scene(
        name=root.name,
        frames=tuple(Frame(camera.name, (camera,)) for camera in cameras),
        points=_points(model / f"points3D.{suffix}"),
        format=FORMAT.name if suffix == "bin" else TEXT_FORMAT.name,
        source=path,
    )


def _model_folder(suffix: str, path: Path) -> Path | None:
    folders = (path / place for place in _PLACES)
    files = (f"cameras.{suffix}", f"images.{suffix}")
    return next((f for f in folders if all((f / file).is_file() for file in files)), None)


def _root(model: Path) -> Path:
    """The folder that holds the model and, usually, ``images/``."""
    chain = list(_ancestors(Path(os.path.abspath(model))))  # noqa: PTH100  keeps symbolic links
    return next((folder for folder in chain if (folder / "images").is_dir()), chain[-1])


def _ancestors(folder: Path) -> Iterator[Path]:
    yield folder
    while folder.name.isdigit() or folder.name in ("sparse", "colmap"):
        folder = folder.parent
        yield folder


def _cameras(
    images: Sequence[ColmapImage], lenses: Mapping[int, Intrinsics], root: Path, source: Path
) -> list[Camera]:
    unknown = next((image for image in images if image.camera not in lenses), None)
    if unknown is not None:
        raise DataError(source, f"image {unknown.name} has camera {unknown.camera}, not in cameras")
    with_photos, with_masks = (root / "images").is_dir(), (root / "masks").is_dir()
    cameras = []
    for image, pose in zip(images, _poses(images, source), strict=True):
        photo = inside(root / "images", image.name, source)
        mask = root / "masks" / f"{name_in(root / 'images', photo)}.png"
        cameras.append(
            Camera(
                name=name_in(root, photo),
                intrinsics=lenses[image.camera],
                world_from_camera=pose,
                image_path=require_file(photo, source) if with_photos else None,
                mask_path=mask if with_masks and mask.is_file() else None,
            )
        )
    return cameras


def _poses(images: Sequence[ColmapImage], source: Path) -> Float64[Tensor, "n 4 4"]:
    quaternions = torch.tensor([image.quaternion for image in images], dtype=torch.float64)
    translations = torch.tensor([image.translation for image in images], dtype=torch.float64)
    poses = invert_rigid(rigid(matrix_from_quaternion(quaternions), translations))
    for image, pose in zip(images, poses, strict=True):
        if not is_rigid(pose):
            raise DataError(
                source,
                f"image {image.name}: a finite rotation (qw qx qy qz) and translation expected,"
                f" got {image.quaternion} and {image.translation}",
            )
    return poses


def _points(path: Path) -> Stored[PointCloud] | None:
    if not path.is_file():
        return None
    if path.suffix == ".txt":
        return Stored(path, colmap_text.read_points)
    return Stored(path, colmap_binary.read_points, colmap_binary.count_points(path))


FORMAT = Format(
    name="colmap",
    summary="a folder with COLMAP's cameras.bin and images.bin (also in sparse/0) and images/",
    recognises=partial(recognises, "bin"),
    read=partial(read, "bin"),
    write=write_binary,
)

TEXT_FORMAT = Format(
    name="colmap-text",
    summary="a folder with COLMAP's cameras.txt and images.txt (also in sparse/0) and images/",
    recognises=partial(recognises, "txt"),
    read=partial(read, "txt"),
    write=write_text,
)
