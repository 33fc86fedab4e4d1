"""Train a method on a scene or data set."""

import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Generic, TypeVar

import tyro

from sparse3d.errors import ConfigError
from sparse3d.train.config import load_config
from sparse3d.train.methods import METHODS, Method, find_method
from sparse3d.train.settings import TrainSettings

if TYPE_CHECKING:
    from sparse3d.train.launch import Outcome
    from sparse3d.train.run import Run

__all__ = ["Options", "main"]

ConfigT = TypeVar("ConfigT")


@dataclass(frozen=True)
class Options:
    """What every training is told, whatever the method."""

    data: Path | None = None
    """Scene or data set, recognised by its contents. A resumed run knows its own."""
    out: Path | None = None
    """Folder of the run, new or empty; by default runs/DATA-METHOD."""
    config: Path | None = None
    """YAML file with values that replace the shipped ones."""
    seed: int | None = None
    """Of all random numbers; 0 by default."""
    resume: bool = False
    """Continue the run in --out at its newest checkpoint."""
    settings: Annotated[TrainSettings, tyro.conf.arg(name="")] = field(
        default_factory=TrainSettings
    )
    """Where and how it runs."""


@dataclass(frozen=True)
class _Words(Generic[ConfigT]):
    """Everything after ``sparse3d train METHOD``."""

    options: Annotated[Options, tyro.conf.arg(name="")]
    config: Annotated[ConfigT, tyro.conf.arg(name="")]


def main(arguments: Sequence[str]) -> int:
    """Run ``sparse3d train``."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_help())
        return 0 if arguments else 2
    if arguments[0].startswith("-"):
        raise ConfigError("the method comes first: sparse3d train METHOD --data PATH")
    method = find_method(arguments[0])
    options, config = _parse(method, list(arguments[1:]))
    run = _run(method, options, config)
    return _train(run, options)


def _help() -> str:
    width = max(len(method.name) for method in METHODS)
    lines = (f"  {method.name:<{width}}  {method.summary}" for method in METHODS)
    return "\n".join(
        (
            "usage: sparse3d train METHOD --data PATH [--out DIR] [OPTIONS]",
            "",
            "Train a method on a scene or data set. Methods:",
            "",
            *lines,
            "",
            "sparse3d train METHOD --help lists all options and configuration values.",
        )
    )


def _parse(method: Method, words: list[str]) -> tuple[Options, Any]:
    """Options, and the configuration with the values that the words replace."""
    options, _ = tyro.cli(Options, args=words, return_unknown_args=True, add_help=False)
    base = _base_config(method, options)
    kind: Any = _Words
    parsed = tyro.cli(
        kind[type(base)],
        prog=f"sparse3d train {method.name}",
        description=method.summary,
        default=_Words(Options(), base),
        args=words,
    )
    return parsed.options, parsed.config


def _base_config(method: Method, options: Options) -> Any:
    """The configuration before the words: that of the run, or the shipped one, and a file."""
    base = _existing(options).config if options.resume else method.default_config()
    return base if options.config is None else load_config(options.config, base)


def _existing(options: Options) -> "Run":
    from sparse3d.train.run import Run

    if options.out is None:
        raise ConfigError("--resume needs --out DIR, the folder of the run")
    return Run.open(options.out)


def _run(method: Method, options: Options, config: Any) -> "Run":
    from sparse3d.train.run import Run

    if options.resume:
        run = _existing(options)
        run.require(method, options.seed, config)
        return run if options.data is None else run.with_data(options.data)
    if options.data is None:
        raise ConfigError("--data PATH is missing: the scene or data set to train on")
    folder = options.out or Path("runs") / f"{options.data.resolve().stem}-{method.name}"
    return Run.create(folder, method, options.data, options.seed or 0, config)


def _train(run: "Run", options: Options) -> int:
    from sparse3d.train.environment import describe
    from sparse3d.train.launch import train_run

    print(f"{run.method.name} on {run.data} -> {run.folder} ({describe()})", file=sys.stderr)
    return _tell(run, options, train_run(run, options.settings, options.resume))


def _tell(run: "Run", options: Options, outcome: "Outcome") -> int:
    """Print how it went; the exit code."""
    report = outcome.report
    if outcome.metrics is None or report.signal is not None:
        words = ["sparse3d", "train", run.method.name, "--out", str(run.folder), "--resume"]
        if options.settings.devices > 1:
            words += ["--devices", str(options.settings.devices)]
        print(f"stopped after {report.steps} steps; resume: {shlex.join(words)}", file=sys.stderr)
        return 128 + (report.signal or 0)
    pace = report.seconds_per_iteration
    rate = "" if pace is None else f", {pace:.3f} s/iteration"
    print(f"{outcome.metrics.headline} ({report.steps} steps in {report.seconds:.1f} s{rate})")
    print(f"run: {run.folder}")
    return 0
