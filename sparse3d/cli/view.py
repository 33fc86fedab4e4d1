"""Look at scenes: points, boxes, cameras, meshes and splats in one picture."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import torch
import tyro

from sparse3d.cli.arguments import parse
from sparse3d.errors import ConfigError
from sparse3d.scene.atomic import writing
from sparse3d.scene.formats.registry import open_scene
from sparse3d.scene.images import write_rgb
from sparse3d.view.snapshot import SnapshotOptions, snapshot

__all__ = ["main"]

_AXES = {"x": 0, "y": 1, "z": 2}


@dataclass(frozen=True)
class Arguments:
    """Draw scenes that share a world: points, boxes, cameras, meshes and Gaussians of all of them.

    Needs no display and no GPU.
    """

    paths: tyro.conf.Positional[tuple[Path, ...]]
    """Anything that `sparse3d info` knows, such as a splat and the photos it was made of."""
    snapshot: Path
    """The picture to write, .png or .jpg."""
    up: Literal["x", "y", "z", "-x", "-y", "-z"] | None = None
    """Axis of the world that points upwards; guessed where not given: z for metric scenes, else
    that of the cameras."""
    options: Annotated[SnapshotOptions, tyro.conf.arg(name="")] = field(
        default_factory=SnapshotOptions
    )


def main(arguments: Sequence[str]) -> int:
    """Run ``sparse3d view``."""
    given = parse(Arguments, "view", arguments)
    _check(given)
    scenes = [open_scene(path) for path in given.paths]
    up = None if given.up is None else _axis(given.up)
    image = snapshot(scenes, given.options, up, _tell)
    with writing(given.snapshot) as draft:
        named = draft.with_suffix(given.snapshot.suffix)
        try:
            write_rgb(named, image)
            named.replace(draft)
        finally:
            named.unlink(missing_ok=True)
    print(f"{image.shape[1]}x{image.shape[0]}: {given.snapshot}")
    return 0


def _tell(line: str) -> None:
    print(f"sparse3d: note: {line}", file=sys.stderr)


def _check(given: Arguments) -> None:
    if not given.paths:
        raise ConfigError("nothing to view; name a scene: sparse3d view PATH --snapshot FILE.png")
    if given.snapshot.suffix.lower() not in (".png", ".jpg", ".jpeg"):
        raise ConfigError(f"{given.snapshot}: a picture's name must end in .png or .jpg")
    for name in ("width", "height"):
        size: int | None = getattr(given.options, name)
        if size is not None and not 1 <= size <= 8192:
            raise ConfigError(f"--{name} must be 1 to 8192 pixels, got {size}")
    if not all(0 <= value <= 1 for value in given.options.background):
        shown = " ".join(str(value) for value in given.options.background)
        raise ConfigError(f"--background must be three numbers from 0 to 1, got {shown}")


def _axis(name: str) -> torch.Tensor:
    up = torch.zeros(3, dtype=torch.float64)
    up[_AXES[name[-1]]] = -1.0 if name.startswith("-") else 1.0
    return up
