"""A furnished, textured room, photographed from known places: photos with true depth."""

import math
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import torch
from jaxtyping import Float64
from PIL import Image
from torch import Tensor

from sparse3d.data.simulate.cameras import forward_facing_path, orbit_path
from sparse3d.data.simulate.furniture import LAMPS, TABLE_TOP, furnish
from sparse3d.data.simulate.world import World
from sparse3d.errors import ConfigError, DataError
from sparse3d.geometry.intrinsics import Intrinsics
from sparse3d.scene import Camera, Frame, Scene
from sparse3d.scene.atomic import writing
from sparse3d.scene.formats.scene_folder import write_scene
from sparse3d.scene.images import write_depth, write_rgb
from sparse3d.scene.scene import Split

__all__ = ["RoomConfig", "simulate_room"]

_LARGEST = 8192
_SEEDS = 2**63


@dataclass(frozen=True)
class RoomConfig:
    """What room, and how it is photographed."""

    seed: int = 0
    """Of furniture, textures and colours; the same seed gives the same bytes."""
    views: int = 6
    """Training views, spread evenly along the path."""
    test_views: int = 6
    """Held-out views between them."""
    width: int = 504
    """Image width, pixels."""
    height: int = 378
    """Image height, pixels."""
    field_of_view: float = 62.0
    """Horizontal, degrees."""
    path: Literal["forward", "orbit"] = "forward"
    """Cameras side by side facing the table, or on an arc around it."""
    samples: int = 2
    """Rays along each side of a pixel."""

    def __post_init__(self) -> None:
        """Refuse what cannot be photographed."""
        for name in ("views", "width", "height", "samples"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}")
        if max(self.width, self.height) > _LARGEST:
            raise ConfigError(
                f"width and height must be at most {_LARGEST}, got {self.width}x{self.height}"
            )
        if not 0 <= self.seed < _SEEDS:
            raise ConfigError(f"seed must be from 0 to {_SEEDS - 1}, got {self.seed}")
        if self.test_views < 0 or not 1 <= self.field_of_view <= 150:
            raise ConfigError(
                "test_views must not be negative and field_of_view lie between 1 and 150 degrees,"
                f" got {self.test_views} and {self.field_of_view}"
            )


def simulate_room(
    folder: Path, config: RoomConfig, on_progress: Callable[[int, int], None] | None = None
) -> None:
    """Make a room and write it as a scene folder, whole or not at all.

    Frames carry their split and true depth; the mesh of the room is the scene's. Besides,
    ``parts/NAME.png`` holds the number of the object at every pixel plus one (0: none), and
    ``parts.txt`` the objects' names in that order.

    Args:
        folder: New or empty.
        config: What to make.
        on_progress: Called with the number of photos taken and in all.

    Raises:
        DataError: If the folder has contents or cannot be written.
        MissingDependencyError: If Open3D is not installed.
    """
    if folder.exists() and any(folder.iterdir()):
        raise DataError(folder, "output folder must be new or empty")
    world = World(furnish(config.seed), LAMPS, ambient=0.42, seed=config.seed)
    with writing(folder) as draft, TemporaryDirectory(dir=_parent(folder)) as name:
        photos = Path(name)
        for kind in ("images", "depth", "parts"):
            (photos / kind).mkdir()
        shots = _shots(config)
        frames = []
        for i, shot in enumerate(shots):
            frames.append(_take(world, config, shot, photos))
            if on_progress is not None:
                on_progress(i + 1, len(shots))
        write_scene(Scene("room", tuple(frames), mesh=world.mesh(), metric=True), draft)
        shutil.copytree(photos / "parts", draft / "parts")
        names = "".join(f"{part.name}\n" for part in world.parts)
        (draft / "parts.txt").write_text(names, encoding="utf-8")


@dataclass(frozen=True, slots=True)
class _Shot:
    name: str
    split: Split
    world_from_camera: Float64[Tensor, "4 4"]


def _parent(folder: Path) -> Path:
    folder.parent.mkdir(parents=True, exist_ok=True)
    return folder.parent


def _shots(config: RoomConfig) -> list[_Shot]:
    count = config.views + config.test_views
    if config.path == "forward":
        poses = forward_facing_path(count, (-2.1, -0.1, 1.45), TABLE_TOP, (0.75, 0.25))
    else:
        sector = (math.radians(100), math.radians(260))
        poses = orbit_path(count, TABLE_TOP, (2.0, 1.9), 0.8, sector)
    spread = torch.linspace(0, count - 1, config.views, dtype=torch.float64)
    train = set(spread.round().long().tolist())
    return [
        _Shot(f"{i:03}", "train" if i in train else "test", pose) for i, pose in enumerate(poses)
    ]


def _lens(config: RoomConfig) -> Intrinsics:
    focal = 0.5 * config.width / math.tan(math.radians(config.field_of_view) / 2)
    centre = config.width / 2, config.height / 2
    return Intrinsics(config.width, config.height, focal, focal, *centre)


def _take(world: World, config: RoomConfig, shot: _Shot, folder: Path) -> Frame:
    lens = _lens(config)
    picture = world.photograph(lens, shot.world_from_camera, config.samples)
    image, depth = folder / "images" / f"{shot.name}.png", folder / "depth" / f"{shot.name}.npy"
    write_rgb(image, picture.image)
    write_depth(depth, picture.depth)
    numbers = (picture.parts + 1).to(torch.uint8).numpy()
    Image.fromarray(numbers).save(folder / "parts" / f"{shot.name}.png")
    camera = Camera(
        shot.name, lens, shot.world_from_camera, image_path=image, depth_path=depth, depth_scale=1.0
    )
    return Frame(shot.name, (camera,), split=shot.split)
