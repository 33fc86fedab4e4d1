"""Writes ``transforms.json``; what it means: :mod:`sparse3d.scene.formats.nerfstudio`."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sparse3d.errors import DataError
from sparse3d.geometry.conventions import opengl_from_opencv
from sparse3d.scene.atomic import writing
from sparse3d.scene.camera import Camera
from sparse3d.scene.formats import ply
from sparse3d.scene.formats.nerfstudio_lens import model_of, values_of
from sparse3d.scene.formats.photos import file_names, link_or_copy, place_mask
from sparse3d.scene.images import write_depth
from sparse3d.scene.scene import Scene

__all__ = ["write"]

_POINTS_FILE = "sparse_pc.ply"
_LENS_GROUPS = (
    *(("w",), ("h",), ("fl_x",), ("fl_y",), ("cx",), ("cy",)),
    ("k1", "k2", "k3", "k4", "p1", "p2"),  # nerfstudio takes all of them from one place
)


def write(scene: Scene, path: Path) -> None:
    """Write cameras, photos, masks, depth and static points.

    Photos are hard-linked where possible, else copied, under ``images/``. Intrinsics that all
    frames share stand at the top, the others in the frames. Where nerfstudio finds a list of one
    split it wants all three; if there are no val frames, the test frames stand for them, and the
    other way round.

    Raises:
        DataError: If a camera has no photo, a lens has no name in this format, or the output
            cannot be written.
    """
    cameras = scene.require_cameras()
    shared, own = _intrinsics(path, cameras)
    with writing(path) as draft:
        draft.mkdir()
        names = file_names(cameras)
        frames = [
            _place_files(path, camera, name, draft) | lens
            for camera, name, lens in zip(cameras, names, own, strict=True)
        ]
        document = shared | _place_points(scene, draft) | _split_lists(scene, frames)
        text = json.dumps(document | {"frames": frames}, indent=1)
        (draft / "transforms.json").write_text(text + "\n", encoding="utf-8")


def _intrinsics(
    path: Path, cameras: Sequence[Camera]
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Entries that all frames share, and those of each frame."""
    model = model_of(camera.intrinsics for camera in cameras)
    if model is None:
        raise DataError(path, "transforms.json cannot hold fisheye and other lenses together")
    values = [_lens_values(path, camera) for camera in cameras]
    common = {key for group in _LENS_GROUPS if _all_same(values, group) for key in group}
    shared = {key: value for key, value in values[0].items() if key in common}
    own = [{key: value for key, value in v.items() if key not in common} for v in values]
    return {"camera_model": model} | shared, own


def _lens_values(path: Path, camera: Camera) -> Mapping[str, int | float]:
    values = values_of(camera.intrinsics)
    if values is None:
        raise DataError(
            path,
            f"transforms.json has no name for the lens of camera {camera.name}"
            " (OpenCV's rational model); undistort its image first",
        )
    return values


def _all_same(values: Sequence[Mapping[str, int | float]], group: Sequence[str]) -> bool:
    return len({tuple(entry.get(key) for key in group) for entry in values}) == 1


def _place_files(path: Path, camera: Camera, name: str, folder: Path) -> dict[str, Any]:
    if camera.image_path is None:
        raise DataError(path, f"camera {camera.name} has no image, which transforms.json needs")
    link_or_copy(camera.image_path, folder / "images" / name)
    pose = opengl_from_opencv(camera.world_from_camera).tolist()
    frame: dict[str, Any] = {"file_path": f"images/{name}", "transform_matrix": pose}
    if camera.mask_path is not None:
        frame["mask_path"] = f"masks/{name}.png"
        place_mask(camera.mask_path, folder / frame["mask_path"])
    if camera.depth_path is not None:
        frame["depth_file_path"] = _place_depth(camera, camera.depth_path, name, folder)
    return frame


def _place_depth(camera: Camera, source: Path, name: str, folder: Path) -> str:
    in_thousandths = camera.depth_scale == 1e-3 or (
        camera.depth_scale is None and source.suffix != ".npy"
    )
    depth = None if in_thousandths else camera.read_depth()
    file = f"depths/{name}{source.suffix if depth is None else '.npy'}"
    if depth is None:
        link_or_copy(source, folder / file)
    else:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        write_depth(folder / file, depth * 1000)
    return file


def _place_points(scene: Scene, folder: Path) -> dict[str, str]:
    points = scene.read_points()
    if points is None or len(points) == 0:
        return {}
    ply.write_points(folder / _POINTS_FILE, points)
    return {"ply_file_path": _POINTS_FILE}


def _split_lists(scene: Scene, frames: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    splits = [frame.split for frame in scene.frames for _ in frame.cameras]
    named = list(zip(splits, (frame["file_path"] for frame in frames), strict=True))
    train, val, test = (
        [file for split, file in named if split == wanted] for wanted in ("train", "val", "test")
    )
    if not (train or val or test):
        return {}
    lists = {"train": train, "val": val or test, "test": test or val}
    return {f"{split}_filenames": files for split, files in lists.items()}
