"""Evaluate a trained run with the metrics of its data set."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

from sparse3d.cli.arguments import parse
from sparse3d.cli.results import write_json

__all__ = ["Arguments", "main"]


@dataclass(frozen=True)
class Arguments:
    """Evaluate the newest checkpoint of a run with the metrics of its data set."""

    run: tyro.conf.Positional[Path]
    """Folder of the run."""
    data: Path | None = None
    """Other data, or where the data of the run is now."""
    split: Literal["train", "val", "test"] | None = None
    """Part of the data; by default the usual one."""
    json: Path | None = None
    """Write the metrics to this file, too (``-``: print them in place of the headline)."""


def main(arguments: Sequence[str]) -> int:
    """Run ``sparse3d eval``."""
    given = parse(Arguments, "eval", arguments)
    from sparse3d.train.allocator import keep_freed_memory
    from sparse3d.train.evaluation import evaluate_run
    from sparse3d.train.run import Run

    keep_freed_memory()
    metrics = evaluate_run(Run.open(given.run), given.data, given.split)
    if given.json is not None:
        write_json(given.json, metrics.values)
    if given.json != Path("-"):
        print(metrics.headline)
    return 0
