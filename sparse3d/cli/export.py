"""Export the result of a run for other programs."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

from sparse3d.cli.arguments import parse
from sparse3d.errors import DataError
from sparse3d.scene.formats.registry import open_scene, save_scene

__all__ = ["main"]

_FORMATS = {
    "ply": ("gaussian-ply", ".ply"),
    "compressed-ply": ("compressed-ply", ".compressed.ply"),
}
"""Format of the scene layer, and the ending of the file, by the name of ``--to``."""


@dataclass(frozen=True)
class Arguments:
    """Export the splat of a finished run for other programs."""

    run: tyro.conf.Positional[Path]
    """Folder of the run."""
    to: Literal["ply", "compressed-ply"] = "ply"
    """``ply``: as every 3DGS viewer opens it; ``compressed-ply``: a quarter of that or less."""
    out: Path | None = None
    """File to write; by default NAME.ply or NAME.compressed.ply beside the run."""


def main(arguments: Sequence[str]) -> int:
    """Run ``sparse3d export``."""
    given = parse(Arguments, "export", arguments)
    splat = given.run / "splat.ply"
    if not splat.is_file():
        raise DataError(given.run, "is no run with a splat: splat.ply was expected in it")
    name, ending = _FORMATS[given.to]
    run = given.run.resolve()
    out = given.out or run.parent / f"{run.name}{ending}"
    save_scene(open_scene(splat), out, name)
    print(f"{out} ({out.stat().st_size:,} bytes)")
    return 0
