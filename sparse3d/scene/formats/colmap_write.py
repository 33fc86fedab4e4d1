"""Writes COLMAP models: ``sparse/0/`` and, beside it, ``images/`` and ``masks/``.

Layouts: :mod:`sparse3d.scene.formats.colmap_binary` and :mod:`sparse3d.scene.formats.colmap_text`.
Depth and splits have no place there and are left out.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from sparse3d.errors import DataError
from sparse3d.geometry.intrinsics import Intrinsics
from sparse3d.geometry.rotations import quaternion_from_matrix
from sparse3d.geometry.transforms import invert_rigid
from sparse3d.scene.atomic import writing
from sparse3d.scene.camera import Camera
from sparse3d.scene.formats.colmap_binary import CAMERA, IMAGE, POINT
from sparse3d.scene.formats.colmap_lens import lens_to_colmap
from sparse3d.scene.formats.colmap_model import ColmapImage
from sparse3d.scene.formats.photos import file_names, link_or_copy, place_mask
from sparse3d.scene.points import PointCloud
from sparse3d.scene.scene import Scene

__all__ = ["write_binary", "write_text"]


@dataclass(frozen=True, slots=True)
class _Model:
    lenses: Sequence[Intrinsics]
    """Distinct intrinsics; COLMAP's camera ids count from 1."""
    images: Sequence[ColmapImage]
    points: np.ndarray
    """Rows of ``POINT``, empty tracks."""


def write_binary(scene: Scene, path: Path) -> None:
    """Write ``cameras.bin``, ``images.bin`` and ``points3D.bin``, photos and masks.

    Equal intrinsics become one camera. Photos are hard-linked where possible, else copied. Points
    have no tracks, and the error -1 where none is known.

    Raises:
        DataError: If the scene has no camera, some but not all cameras have photos, or the output
            cannot be written.
    """
    _write(scene, path, _write_binary_files)


def write_text(scene: Scene, path: Path) -> None:
    """Write ``cameras.txt``, ``images.txt`` and ``points3D.txt``; else as the binary format."""
    _write(scene, path, _write_text_files)


def _write(scene: Scene, path: Path, write_files: Callable[[_Model, Path], None]) -> None:
    cameras = scene.require_cameras()
    with_photos = [camera.image_path is not None for camera in cameras]
    if any(with_photos) and not all(with_photos):
        name = cameras[with_photos.index(False)].name
        raise DataError(path, f"camera {name} has no image, but others have")
    names = file_names(cameras)
    model = _model(scene, cameras, names)
    with writing(path) as draft:
        (draft / "sparse" / "0").mkdir(parents=True)
        write_files(model, draft / "sparse" / "0")
        for camera, name in zip(cameras, names, strict=True):
            if camera.image_path is not None:
                link_or_copy(camera.image_path, draft / "images" / name)
            if camera.mask_path is not None:
                place_mask(camera.mask_path, draft / "masks" / f"{name}.png")


def _model(scene: Scene, cameras: Sequence[Camera], names: Sequence[str]) -> _Model:
    lenses = list(dict.fromkeys(camera.intrinsics for camera in cameras))
    numbers = {lens: number for number, lens in enumerate(lenses, start=1)}
    camera_from_world = invert_rigid(torch.stack([camera.world_from_camera for camera in cameras]))
    quaternions = quaternion_from_matrix(camera_from_world[:, :3, :3]).tolist()
    translations = camera_from_world[:, :3, 3].tolist()
    images = [
        ColmapImage(i, tuple(q), tuple(t), numbers[camera.intrinsics], name)
        for i, (camera, name, q, t) in enumerate(
            zip(cameras, names, quaternions, translations, strict=True), start=1
        )
    ]
    return _Model(lenses, images, _point_rows(scene.read_points()))


def _point_rows(cloud: PointCloud | None) -> np.ndarray:
    rows = np.zeros(0 if cloud is None else len(cloud), POINT)
    if cloud is None:
        return rows
    rows["id"] = np.arange(1, len(cloud) + 1)
    rows["xyz"] = cloud.positions.cpu().numpy()
    if cloud.colors is not None:
        rows["rgb"] = (cloud.colors.clamp(0, 1) * 255).round().cpu().numpy()
    errors = cloud.extra.get("reprojection_error")
    rows["error"] = -1.0 if errors is None else errors.cpu().numpy()
    return rows


def _write_binary_files(model: _Model, folder: Path) -> None:
    with (folder / "cameras.bin").open("wb") as file:
        file.write(len(model.lenses).to_bytes(8, "little"))
        for number, lens in enumerate(model.lenses, start=1):
            kind, parameters = lens_to_colmap(lens)
            file.write(CAMERA.pack(number, kind.number, lens.width, lens.height))
            file.write(np.array(parameters, "<f8").tobytes())
    with (folder / "images.bin").open("wb") as file:
        file.write(len(model.images).to_bytes(8, "little"))
        for image in model.images:
            pose = (*image.quaternion, *image.translation)
            file.write(IMAGE.pack(image.number, *pose, image.camera))
            file.write(image.name.encode() + b"\0" + (0).to_bytes(8, "little"))
    with (folder / "points3D.bin").open("wb") as file:
        file.write(len(model.points).to_bytes(8, "little"))
        file.write(model.points.tobytes())


def _write_text_files(model: _Model, folder: Path) -> None:
    lines = ["# CAMERA_ID, MODEL, WIDTH, HEIGHT, PARAMS[]"]
    for number, lens in enumerate(model.lenses, start=1):
        kind, parameters = lens_to_colmap(lens)
        lines.append(_line(number, kind.name, lens.width, lens.height, *parameters))
    _save(folder / "cameras.txt", lines)
    lines = ["# IMAGE_ID, QW, QX, QY, QZ, TX, TY, TZ, CAMERA_ID, NAME; then POINTS2D[]"]
    for image in model.images:
        pose = (*image.quaternion, *image.translation)
        lines += [_line(image.number, *pose, image.camera, image.name), ""]
    _save(folder / "images.txt", lines)
    lines = ["# POINT3D_ID, X, Y, Z, R, G, B, ERROR, TRACK[]"]
    for number, xyz, rgb, error, _ in model.points.tolist():
        lines.append(_line(number, *xyz, *rgb, error))
    _save(folder / "points3D.txt", lines)


def _line(*values: object) -> str:
    return " ".join(str(value) for value in values)  # str of a float is exact


def _save(path: Path, lines: Sequence[str]) -> None:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
