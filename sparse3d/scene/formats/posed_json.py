"""What the JSON layouts of posed photos share: frames, poses with OpenGL axes, image files."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from jaxtyping import Float64
from torch import Tensor

from sparse3d.errors import DataError
from sparse3d.geometry.conventions import opencv_from_opengl
from sparse3d.geometry.intrinsics import Intrinsics
from sparse3d.geometry.rotations import nearest_rotation
from sparse3d.geometry.transforms import is_rigid
from sparse3d.scene.formats.json_fields import Fields
from sparse3d.scene.formats.nerfstudio_lens import LENS_KEYS, lens_of
from sparse3d.scene.formats.photos import inside, require_file
from sparse3d.scene.images import image_size

__all__ = ["frame_fields", "image_file", "read_lenses", "read_poses", "require_distinct"]

_SUFFIXES = (".png", ".jpg", ".jpeg", ".JPG", ".PNG")


def frame_fields(document: Fields) -> list[Fields]:
    """The entries of ``frames``, each named by its ``file_path``.

    Raises:
        DataError: If there is none, or one is no object or has no ``file_path``.
    """
    frames = document.items("frames")
    if not frames:
        raise document.error("frames with poses expected, but there are none")
    return list(_named_frames(document, frames))


def image_file(folder: Path, frame: Fields) -> Path:
    """The image of a frame; a missing suffix is looked for.

    Raises:
        DataError: If there is no such file, or the path leads out of ``folder``.
    """
    path = inside(folder, str(frame.values["file_path"]), frame.source)
    if not os.path.isfile(path):  # noqa: PTH113  speed
        suffixed = (path.with_name(path.name + suffix) for suffix in _SUFFIXES)
        path = next((candidate for candidate in suffixed if candidate.is_file()), path)
    return require_file(path, frame.source)


def read_lenses(
    document: Fields, frames: Sequence[Fields], images: Sequence[Path]
) -> list[Intrinsics]:
    """The intrinsics of each frame, the same object for equal values.

    Raises:
        DataError: As :func:`lens_of`, or if an image cannot be read whose size must be known.
    """
    known: dict[str, Intrinsics] = {}
    lenses = []
    for frame, image in zip(frames, images, strict=True):
        key = repr([frame.values.get(name) for name in LENS_KEYS])
        if key not in known:
            known[key] = lens_of(frame, document, lambda image=image: image_size(image))
        lenses.append(known[key])
    return lenses


def read_poses(frames: Sequence[Fields]) -> Float64[Tensor, "n 4 4"]:
    """``world_from_camera`` with OpenCV axes of the ``transform_matrix`` of each frame.

    Rotations are replaced by the nearest exact ones: the few digits of a text would otherwise
    make a pose and its inverse disagree, and could not be kept by formats with quaternions.

    Raises:
        DataError: If a matrix is missing, or not a finite rotation and translation.
    """
    poses = torch.stack([_pose(frame) for frame in frames])
    poses[:, :3, :3] = nearest_rotation(poses[:, :3, :3])
    return opencv_from_opengl(poses)


def require_distinct(names: Sequence[str], source: Path) -> None:
    """Refuse a scene in which two frames have the same image.

    Raises:
        DataError: If a name appears twice.
    """
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise DataError(source, f"image {name} appears in two frames")
        seen.add(name)


def _named_frames(document: Fields, frames: Sequence[object]) -> Iterator[Fields]:
    for number, values in enumerate(frames):
        if not isinstance(values, dict):
            raise document.error(f"frame {number} must be an object")
        frame = Fields(document.source, values, f"frame {number}")
        file_path = frame.text("file_path")
        if file_path is None:
            raise frame.error("file_path expected")
        yield Fields(document.source, values, f"frame {file_path}")


def _pose(frame: Fields) -> Float64[Tensor, "4 4"]:
    matrix = _matrix(frame)
    if not is_rigid(matrix):
        raise frame.error(
            "transform_matrix must be a finite rotation and translation, got"
            f" {[[round(value, 6) for value in row] for row in matrix.tolist()]}"
        )
    return matrix


def _matrix(frame: Fields) -> Float64[Tensor, "4 4"]:
    values = frame.values.get("transform_matrix")
    try:
        matrix = torch.tensor(values, dtype=torch.float64)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        matrix = torch.empty(0, dtype=torch.float64)
    if matrix.shape == (3, 4):
        matrix = torch.cat([matrix, matrix.new_tensor([[0.0, 0.0, 0.0, 1.0]])])
    if matrix.shape != (4, 4):
        raise frame.error("transform_matrix must be 4x4 or 3x4 numbers")
    return matrix
