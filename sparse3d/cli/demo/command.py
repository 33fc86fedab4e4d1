"""The demo as a whole: its words, its folder, its page."""

import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from sparse3d import __version__
from sparse3d.cli.arguments import parse
from sparse3d.cli.demo.room import RoomDemo
from sparse3d.cli.demo.street import StreetDemo
from sparse3d.cli.demo.training import Stopped, done_mark
from sparse3d.errors import ConfigError, DataError
from sparse3d.scene.atomic import writing

if TYPE_CHECKING:
    from sparse3d.view.report import Cover

__all__ = ["main"]

_MARKER = "demo.json"
_FEWEST_FRAMES = 5

Demo = StreetDemo | RoomDemo


@dataclass(frozen=True)
class Arguments:
    """Detect in simulated streets, reconstruct a simulated room, and show both as a web page.

    First streets are simulated, a detector is trained on them, and tried on held-out frames and
    on a fresh one. Then a furnished room is photographed, a Gaussian splat made of six of the
    photos, and compared with the others. An interrupted demo is continued by the same command.
    """

    out: Path = Path("runs/demo")
    """Folder for index.html, scenes and runs; an earlier demo in it is replaced."""
    seed: int = 0
    """Of the worlds and the trainings."""
    iterations: int = 2000
    """Training steps of the splat."""
    street_frames: int = 160
    """LiDAR sweeps that are simulated; every fifth is held out."""
    detect_iterations: int | None = None
    """Training steps of the detector; by default those of its recipe."""
    skip: Literal["street", "room"] | None = None
    """Leave one of the two parts out."""


def main(arguments: Sequence[str]) -> int:
    """Run ``sparse3d demo``."""
    given = parse(Arguments, "demo", arguments)
    _require_numbers(given)
    _require_replaceable(given.out)
    demos = _demos(given)
    draft = given.out.parent / f".{given.out.name}.unfinished"
    try:
        return _demonstrate(demos, draft, given.out)
    except Stopped as stopped:
        print("stopped; the same command continues", file=sys.stderr)
        return 128 + stopped.signal
    finally:
        if not any((draft / demo.run / "checkpoints").exists() for demo in demos):
            shutil.rmtree(draft, ignore_errors=True)


def _require_numbers(given: Arguments) -> None:
    if given.iterations < 1:
        raise ConfigError(f"--iterations must be at least 1, got {given.iterations}")
    if given.detect_iterations is not None and given.detect_iterations < 1:
        raise ConfigError(f"--detect-iterations must be at least 1, got {given.detect_iterations}")
    if given.street_frames < _FEWEST_FRAMES:
        raise ConfigError(
            f"--street-frames must be at least {_FEWEST_FRAMES}, so that one is held out,"
            f" got {given.street_frames}"
        )


def _require_replaceable(out: Path) -> None:
    if out.exists() and not (out / _MARKER).is_file() and not _is_empty(out):
        raise DataError(out, "holds something that is no demo; --out DIR puts it elsewhere")


def _is_empty(path: Path) -> bool:
    return path.is_dir() and not any(path.iterdir())


def _demos(given: Arguments) -> list[Demo]:
    demos: list[Demo] = []
    if given.skip != "street":
        demos.append(StreetDemo.of(given.seed, given.street_frames, given.detect_iterations))
    if given.skip != "room":
        demos.append(RoomDemo.of(given.seed, given.iterations))
    return demos


def _demonstrate(demos: Sequence[Demo], draft: Path, out: Path) -> int:
    from sparse3d.view.report import write_page

    _begin(draft, {"version": __version__, **{demo.data: demo.plain() for demo in demos}})
    parts = [demo.part(draft) for demo in demos]
    write_page(draft, parts, _cover() if len(parts) > 1 else None)
    _publish(demos, draft, out)
    print(f"open {out / 'index.html'} in a browser")
    return 0


def _begin(draft: Path, wanted: dict[str, Any]) -> None:
    """Keep what an interrupted demo of the same worlds and recipes has left, and nothing else."""
    content = json.dumps(wanted, indent=2, default=str) + "\n"
    marker = draft / _MARKER
    if marker.is_file() and marker.read_text(encoding="utf-8") == content:
        for half in draft.glob(".*.part"):  # of a process that was killed
            shutil.rmtree(half, ignore_errors=True)
        return
    shutil.rmtree(draft, ignore_errors=True)
    with writing(marker) as file:
        file.write_text(content, encoding="utf-8")


def _publish(demos: Sequence[Demo], draft: Path, out: Path) -> None:
    from sparse3d.train.run import Run

    for demo in demos:
        done_mark(draft / demo.run).unlink()
    with writing(out, replace_folder=True) as beside:
        draft.replace(beside)
    for demo in demos:
        Run.open(out / demo.run).with_data(out / demo.data)


def _cover() -> "Cover":
    from sparse3d.view.report import Cover

    return Cover(
        title="Detect and reconstruct",
        lead="Both were trained on this computer's processor, from nothing but simulated worlds: a"
        " detector of objects in LiDAR sweeps, and a Gaussian splat from six photos.",
    )
