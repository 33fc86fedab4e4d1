"""Convert a scene from one format to another."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from sparse3d.cli.arguments import parse
from sparse3d.scene.formats.registry import FORMATS, format_named, open_scene, save_scene

__all__ = ["main"]

_WRITABLE = "; ".join(f"{form.name}: {form.summary}" for form in FORMATS if form.write)


@dataclass(frozen=True)
class Arguments:
    """Convert a scene, dataset or file, recognised by its contents, to another format."""

    source: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="SRC")]
    """Folder or file to read."""
    destination: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="DST")]
    """Folder or file to write; a folder must be new or empty."""
    to: Annotated[str, tyro.conf.arg(metavar="FORMAT", help=f"One of {_WRITABLE}.")]


def main(arguments: Sequence[str]) -> int:
    """Run ``sparse3d convert``."""
    given = parse(Arguments, "convert", arguments)
    format_named(given.to)  # a wrong name is an error before a large scene is read
    scene = open_scene(given.source)
    save_scene(scene, given.destination, given.to)
    print(f"{given.source} ({scene.format}) -> {given.destination} ({given.to})")
    return 0
