"""Which views are trained on and which are tested, as the field's papers do.

Sources: LLFF and mip-NeRF 360: RegNeRF (Niemeyer et al. 2022) and the code of FSGS, CoR-GS and
DropGaussian; DTU: pixelNeRF/RegNeRF; Blender: DietNeRF and the code of the same splatting papers.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch

from sparse3d.errors import ConfigError
from sparse3d.scene import Camera, Scene
from sparse3d.splat.config import Protocol

__all__ = ["ViewSplit", "choose_views", "guess_protocol"]

_DTU_TRAIN = (25, 22, 28, 40, 44, 48, 0, 8, 13)
_DTU_LEFT_OUT = frozenset((3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 36, 37, 38, 39))
_BLENDER_TRAIN = (2, 16, 26, 55, 73, 76, 86, 93)
_OFFICIAL_BLENDER_TESTS = 200
_FORWARD_FACING = 0.85  # cosine: all views within about 32 degrees of their mean direction


@dataclass(frozen=True, slots=True)
class ViewSplit:
    """Training and test views of a reconstruction."""

    protocol: Protocol
    """The protocol that made the choice, never ``auto``."""
    train: tuple[Camera, ...]
    """Views to learn from."""
    test: tuple[Camera, ...]
    """Held-out views, possibly none."""
    background: Literal["black", "white"]
    """Behind the Gaussians and behind transparent images."""


def choose_views(scene: Scene, protocol: Protocol, views: Sequence[int]) -> ViewSplit:
    """Split the views of a scene.

    Args:
        scene: Posed photos; views are numbered from 0 in the order of their names.
        protocol: ``llff`` and ``mipnerf360``: every 8th view is a test view, training views are
            spread evenly over the rest. ``dtu``: the fixed views of pixelNeRF, badly exposed ones
            left out. ``blender``: the fixed training views; of the official 200 test views every
            8th, else all there are. ``even``: training views spread evenly, all others are test
            views; where the scene's own files say which are which, they are heeded. ``auto``: see
            :func:`guess_protocol`.
        views: One number: how many training views (0: all that the protocol allows; -1: every
            view and no test views). Several: the training views themselves.

    Raises:
        DataError: If the scene has no cameras with images.
        ConfigError: If there are fewer views than asked for, or numbers out of range or repeated.
    """
    cameras = _with_images(scene)
    if protocol == "auto":
        protocol = guess_protocol(scene)
    background = "white" if protocol == "blender" else "black"
    if tuple(views) == (-1,):
        return ViewSplit(protocol, cameras, (), background)
    pool, test = _pool_and_test(scene, cameras, protocol, len(views) > 1 or views[0] > 0)
    chosen = _named(cameras, views) if len(views) > 1 else _spread(pool, views[0], protocol)
    taken = {camera.name for camera in chosen}
    held_out = tuple(camera for camera in test if camera.name not in taken)
    return ViewSplit(protocol, chosen, held_out, background)


def guess_protocol(scene: Scene) -> Protocol:
    """The protocol that plainly fits a scene.

    ``blender`` for a split data set of rendered images, ``llff`` where all views face the same
    way and none is marked as a test view, ``even`` otherwise.
    """
    if scene.format == "blender":
        return "blender"
    if any(frame.split == "test" for frame in scene.frames):
        return "even"
    forward = torch.stack([c.world_from_camera[:3, 2] for c in scene.require_cameras()])
    mean = torch.nn.functional.normalize(forward.mean(0), dim=0)
    return "llff" if bool((forward @ mean).min() > _FORWARD_FACING) else "even"


def _with_images(scene: Scene) -> tuple[Camera, ...]:
    cameras = [camera for camera in scene.require_cameras() if camera.image_path is not None]
    if not cameras:
        raise ConfigError(f"{scene.source or scene.name}: no camera of the scene has an image")
    return tuple(sorted(cameras, key=lambda camera: _natural(camera.name)))


def _natural(name: str) -> tuple[tuple[int, str | int], ...]:
    parts = re.split(r"(\d+)", name)
    return tuple((1, int(part)) if part.isdigit() else (0, part) for part in parts)


def _pool_and_test(
    scene: Scene, cameras: tuple[Camera, ...], protocol: Protocol, few: bool
) -> tuple[tuple[Camera, ...], tuple[Camera, ...]]:
    if protocol == "blender":
        return _blender(scene, cameras, few)
    if protocol == "dtu":
        return _dtu(cameras)
    if protocol == "even" and any(frame.split == "test" for frame in scene.frames):
        return _by_split(scene, cameras)
    if protocol == "even" and few:
        return cameras, cameras
    return (
        tuple(camera for i, camera in enumerate(cameras) if i % 8 != 0),
        tuple(camera for i, camera in enumerate(cameras) if i % 8 == 0),
    )


def _blender(
    scene: Scene, cameras: tuple[Camera, ...], few: bool
) -> tuple[tuple[Camera, ...], tuple[Camera, ...]]:
    train, test = _by_split(scene, cameras)
    if few:
        train = _by_number(train, _BLENDER_TRAIN)
    return train, test[::8] if len(test) == _OFFICIAL_BLENDER_TESTS else test


def _by_split(
    scene: Scene, cameras: tuple[Camera, ...]
) -> tuple[tuple[Camera, ...], tuple[Camera, ...]]:
    split = {camera.name: frame.split for frame in scene.frames for camera in frame.cameras}
    train = tuple(camera for camera in cameras if split[camera.name] in ("train", None))
    return train, tuple(camera for camera in cameras if split[camera.name] == "test")


def _dtu(cameras: tuple[Camera, ...]) -> tuple[tuple[Camera, ...], tuple[Camera, ...]]:
    usable = tuple(camera for camera in cameras if _number(camera) not in _DTU_LEFT_OUT)
    train = _by_number(usable, _DTU_TRAIN)
    names = {camera.name for camera in train}
    return train, tuple(camera for camera in usable if camera.name not in names)


def _number(camera: Camera) -> int:
    digits = re.findall(r"\d+", camera.name.rsplit("/", 1)[-1])
    if not digits:
        raise ConfigError(f"view {camera.name}: this protocol needs numbered images")
    return int(digits[-1])


def _by_number(cameras: tuple[Camera, ...], numbers: Sequence[int]) -> tuple[Camera, ...]:
    by_number = {_number(camera): camera for camera in cameras}
    missing = [number for number in numbers if number not in by_number]
    if missing:
        raise ConfigError(f"the protocol's training views {missing} are not in the scene")
    return tuple(by_number[number] for number in numbers)


def _named(cameras: tuple[Camera, ...], numbers: Sequence[int]) -> tuple[Camera, ...]:
    if len(set(numbers)) != len(numbers) or not all(0 <= n < len(cameras) for n in numbers):
        raise ConfigError(
            f"views must be different numbers from 0 to {len(cameras) - 1}, got {list(numbers)}"
        )
    return tuple(cameras[number] for number in numbers)


def _spread(pool: tuple[Camera, ...], count: int, protocol: Protocol) -> tuple[Camera, ...]:
    if count < 0 or count > len(pool):
        raise ConfigError(f"{count} training views asked for, but {protocol} offers {len(pool)}")
    if count == 0:
        return pool
    if protocol in ("dtu", "blender"):
        return pool[:count]
    if count == 1:
        return pool[:1]
    step = (len(pool) - 1) / (count - 1)
    return tuple(pool[round(i * step)] for i in range(count))
