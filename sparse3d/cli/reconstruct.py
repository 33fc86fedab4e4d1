"""Make a Gaussian splat of a few posed photos."""

import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, make_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from sparse3d.cli.results import write_json
from sparse3d.splat.config import SplatConfig
from sparse3d.train.config import config_folder, load_config
from sparse3d.train.methods import find_method
from sparse3d.train.settings import TrainSettings

if TYPE_CHECKING:
    from sparse3d.train.launch import Outcome
    from sparse3d.train.run import Run

__all__ = ["main", "reconstruct"]

Quality = Literal["fast", "default", "high"]

_RECIPES = {
    "fast": "splat/sparse-splat-fast.yaml",
    "default": "splat/sparse-splat.yaml",
    "high": "splat/sparse-splat-high.yaml",
}


@dataclass(frozen=True)
class _Quality:
    quality: Quality = "default"


@dataclass(frozen=True)
class Options:
    """What to reconstruct, and where the result goes."""

    path: tyro.conf.Positional[Path]
    """Posed photos: any scene that `sparse3d info` shows cameras and images for."""
    out: Path | None = None
    """Folder of the run, new or empty; by default runs/NAME-splat. Gets splat.ply, metrics.json,
    renders/, truth/ and depth/."""
    quality: Quality = "default"
    """Recipe: the number of steps and what depends on it."""
    seed: int = 0
    """Of all random numbers."""
    resume: bool = False
    """Continue the run in --out where it was interrupted."""
    json: Path | None = None
    """Write the metrics to this file, too (`-`: print them)."""


def main(arguments: Sequence[str]) -> int:
    """Run ``sparse3d reconstruct``."""
    words = list(arguments)
    given, _ = tyro.cli(_Quality, args=words, return_unknown_args=True, add_help=False)
    base = load_config(config_folder() / _RECIPES[given.quality], SplatConfig())
    parsed: Any = tyro.cli(
        _words(base), prog="sparse3d reconstruct", description=__doc__, args=words
    )
    return reconstruct(parsed.options, parsed.config)


def _words(base: SplatConfig) -> type:
    """All that the command takes: its options, and every value of the configuration as a flag."""
    flat = tyro.conf.arg(name="")
    return make_dataclass(
        "Words",
        [
            ("options", Annotated[Options, flat]),
            ("config", Annotated[SplatConfig, flat], field(default=base)),
        ],
        frozen=True,
    )


def reconstruct(options: Options, config: SplatConfig) -> int:
    """Train a splat and write its results; the exit code.

    Raises:
        UserError: If the photos, the configuration or the disk do not allow it.
    """
    from sparse3d.train.environment import describe
    from sparse3d.train.launch import train_run
    from sparse3d.train.run import Run

    method = find_method("sparse-splat")
    folder = options.out or Path("runs") / f"{options.path.resolve().stem}-splat"
    if options.resume:
        run = Run.open(folder)
        run.require(method, options.seed, config)
    else:
        run = Run.create(folder, method, options.path, options.seed, config)
    print(f"reconstructing {options.path} -> {run.folder} ({describe()})", file=sys.stderr)
    return _tell(run, options, train_run(run, TrainSettings(), options.resume))


def _tell(run: "Run", options: Options, outcome: "Outcome") -> int:
    report = outcome.report
    if outcome.metrics is None:
        again = shlex.join(["sparse3d", "train", run.method.name, "--out", str(run.folder)])
        print(f"stopped after {report.steps} steps; resume: {again} --resume", file=sys.stderr)
        return 128 + (report.signal or 0)
    if options.json is not None:
        write_json(options.json, outcome.metrics.values)
    if options.json != Path("-"):
        print(f"{outcome.metrics.headline} ({_pace(outcome)})")
        print(f"splat: {run.folder / 'splat.ply'}")
    return 0


def _pace(outcome: "Outcome") -> str:
    report = outcome.report
    parts = (part for part in report.parts.parts() if part.seconds)
    split = ", ".join(f"{part.name} {1000 * part.seconds:.1f}" for part in parts)
    pace = report.seconds_per_iteration
    each = "" if pace is None else f", {1000 * pace:.1f} ms/iteration: {split}"
    return f"{report.steps} steps in {report.seconds:.1f} s{each}"
