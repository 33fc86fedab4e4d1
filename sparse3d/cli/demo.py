"""Reconstruct a simulated room, and show the result as a web page."""

import dataclasses
import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparse3d import __version__
from sparse3d.cli.arguments import parse
from sparse3d.data.simulate.room import RoomConfig, simulate_room
from sparse3d.errors import ConfigError, DataError, MissingDependencyError
from sparse3d.scene import Scene
from sparse3d.scene.atomic import writing
from sparse3d.scene.formats.registry import open_scene
from sparse3d.splat.config import SplatConfig
from sparse3d.train.config import config_folder, load_config
from sparse3d.train.methods import find_method
from sparse3d.train.settings import TrainSettings
from sparse3d.train.values import to_plain

if TYPE_CHECKING:
    from sparse3d.train.launch import Outcome
    from sparse3d.train.run import Run
    from sparse3d.view.report import Story

__all__ = ["main"]

_MARKER = "demo.json"
_ROOM = RoomConfig()
_RECIPE = "splat/sparse-splat.yaml"
_COMMANDS = (
    "sparse3d info photos/                    # what is there: images, poses, lenses",
    "sparse3d reconstruct photos/ --views 6 --out runs/mine",
    "sparse3d render runs/mine/splat.ply --cameras photos/ --out runs/mine-views",
    "sparse3d export runs/mine --to compressed-ply   # for other viewers",
)


@dataclass(frozen=True)
class Arguments:
    """Reconstruct a simulated room from six photos, and show the result as a web page.

    Photographs a furnished room by casting rays, makes a Gaussian splat of six of the photos,
    compares it with the others, and writes index.html. An interrupted demo is continued by the
    same command.
    """

    out: Path = Path("runs/demo")
    """Folder for index.html, the scene and the run; an earlier demo in it is replaced."""
    seed: int = 0
    """Of the room and the training."""
    iterations: int = 2000
    """Training steps."""


def main(arguments: Sequence[str]) -> int:
    """Run ``sparse3d demo``."""
    given = parse(Arguments, "demo", arguments)
    if given.iterations < 1:
        raise ConfigError(f"--iterations must be at least 1, got {given.iterations}")
    _require_replaceable(given.out)
    draft = given.out.parent / f".{given.out.name}.unfinished"
    room = dataclasses.replace(_ROOM, seed=given.seed)
    try:
        return _demonstrate(given, room, draft)
    finally:
        if not (draft / "run" / "checkpoints").exists():
            shutil.rmtree(draft, ignore_errors=True)


def _demonstrate(given: Arguments, room: RoomConfig, draft: Path) -> int:
    from sparse3d.view.report import write_report

    recipe = load_config(config_folder() / _RECIPE, SplatConfig())
    recipe = dataclasses.replace(recipe, protocol="even", iterations=given.iterations)
    _begin(draft, {"version": __version__, "room": to_plain(room), "config": to_plain(recipe)})
    scene = _room(draft / "scene", room)
    config = dataclasses.replace(recipe, views=_training_views(scene))
    run, outcome = _reconstruct(draft, given.seed, config)
    if outcome.metrics is None:
        print("stopped; the same command continues", file=sys.stderr)
        return 128 + (outcome.report.signal or 0)
    write_report(draft, run, scene, _story(room, config), _overview(draft, scene))
    _publish(draft, given.out)
    _tell(outcome, given.out)
    return 0


def _require_replaceable(out: Path) -> None:
    if out.exists() and not (out / _MARKER).is_file() and not _is_empty(out):
        raise DataError(out, "holds something that is no demo; --out DIR puts it elsewhere")


def _is_empty(path: Path) -> bool:
    return path.is_dir() and not any(path.iterdir())


def _begin(draft: Path, wanted: dict[str, Any]) -> None:
    """Keep what an interrupted demo of the same room and recipe has left, and nothing else."""
    content = json.dumps(wanted, indent=2, default=str) + "\n"
    marker = draft / _MARKER
    if marker.is_file() and marker.read_text(encoding="utf-8") == content:
        return
    shutil.rmtree(draft, ignore_errors=True)
    with writing(marker) as file:
        file.write_text(content, encoding="utf-8")


def _room(folder: Path, room: RoomConfig) -> Scene:
    from sparse3d.train.progress import showing

    if not folder.exists():
        with showing("photographing") as progress:
            simulate_room(folder, room, progress.show)
    return open_scene(folder)


def _training_views(scene: Scene) -> tuple[int, ...]:
    return tuple(i for i, frame in enumerate(scene.frames) if frame.split == "train")


def _reconstruct(draft: Path, seed: int, config: SplatConfig) -> "tuple[Run, Outcome]":
    from sparse3d.train.launch import train_run
    from sparse3d.train.run import Run

    folder, method = draft / "run", find_method("sparse-splat")
    resume = (folder / "checkpoints").exists()
    if resume:
        run = Run.open(folder)
    else:
        shutil.rmtree(folder, ignore_errors=True)  # of a process that was killed early
        run = Run.create(folder, method, draft / "scene", seed, config)
    return run, train_run(run, TrainSettings(), resume)


def _overview(draft: Path, scene: Scene) -> Path | None:
    """A picture of the splat with the cameras; None, and a line that says so, without a driver."""
    from sparse3d.scene.images import write_rgb
    from sparse3d.view.snapshot import SnapshotOptions, snapshot

    splat = open_scene(draft / "run" / "splat.ply").gaussians
    shown = dataclasses.replace(scene, mesh=None, gaussians=splat)
    try:
        picture = snapshot([shown], SnapshotOptions(width=1200, height=640))
    except MissingDependencyError as error:
        print(f"the page goes without a picture of the whole splat: {error}", file=sys.stderr)
        return None
    write_rgb(draft / "overview.png", picture)
    return draft / "overview.png"


def _publish(draft: Path, out: Path) -> None:
    from sparse3d.train.run import Run

    with writing(out, replace_folder=True) as beside:
        draft.replace(beside)
    Run.open(out / "run").with_data(out / "scene")


def _story(room: RoomConfig, config: SplatConfig) -> "Story":
    from sparse3d.view.report import Story

    total = room.views + room.test_views
    return Story(
        title="A room from six photos",
        lead="A Gaussian splat, trained on a CPU from six photos with known camera poses, and how"
        " well it shows the room from places where no photo was given.",
        steps=(
            f"A furnished room was made from a seed and photographed by casting rays: {total}"
            f" photos of {room.width} x {room.height} pixels, and the true depth of each pixel.",
            "SIFT features of the six training photos were matched, and triangulated with the"
            " known poses. These points became the first Gaussians.",
            f"{config.iterations} steps of Adam brought the rendered Gaussians closer to the"
            " photos (L1 and SSIM). Gaussians were added where the photos demand detail, and"
            " removed where they had become transparent.",
            "The splat was drawn from cameras that had no part in the training, and compared with"
            " the photos and the depth there.",
        ),
        commands=_COMMANDS,
    )


def _tell(outcome: "Outcome", out: Path) -> None:
    assert outcome.metrics is not None
    for view in outcome.metrics.values["per_view"]:
        print(f"view {view['name']}: PSNR {view['psnr']:.2f} dB, SSIM {view['ssim']:.3f}")
    print(outcome.metrics.headline)
    print(f"{outcome.report.steps} steps in {outcome.report.seconds:.1f} s")
    print(f"open {out / 'index.html'} in a browser")
