"""The ``sparse3d`` command: lists the sub-commands, starts one, and turns errors into one line.

Nothing heavy is imported here, so that ``sparse3d --help`` answers at once; the module of a
sub-command is imported when that sub-command is called.
"""

import difflib
import errno
import importlib
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import NamedTuple

from sparse3d import __version__
from sparse3d.cli.notice import tell_once_if_not_native
from sparse3d.errors import UserError

__all__ = ["COMMANDS", "Command", "main"]

USER_ERROR = 2
INTERRUPTED = 130
OUTPUT_CLOSED = 141
REFUSED = (errno.EACCES, errno.ENAMETOOLONG, errno.EPERM, errno.EROFS)
"""What the system does not let us do with a file that the user has named."""


class Command(NamedTuple):
    """One sub-command."""

    name: str
    """As typed by the user."""
    summary: str
    """The first line of its module's docstring, repeated here so that help imports nothing."""
    module: str
    """Module with ``main(arguments: Sequence[str]) -> int``, under ``sparse3d.cli``."""


COMMANDS = (
    Command(
        "demo",
        "Detect in simulated streets, reconstruct a simulated room, and show both as a web page.",
        "demo",
    ),
    Command("doctor", "Show what is active, what is missing and how to get it.", "doctor"),
    Command("info", "Describe any supported scene, dataset or file.", "info"),
    Command("convert", "Convert a scene from one format to another.", "convert"),
    Command("simulate", "Make a world with known truth: photos, depth and surfaces.", "simulate"),
    Command("train", "Train a method on a scene or data set.", "train"),
    Command("eval", "Evaluate a trained run with the metrics of its data set.", "eval"),
    Command("detect", "Detect objects with a trained run in scenes and sweeps.", "detect"),
    Command("segment", "Name every point of scenes and sweeps with a trained run.", "segment"),
    Command("eval-files", "Score the result files of any detector.", "eval_files"),
    Command("reconstruct", "Make a Gaussian splat of a few posed photos.", "reconstruct"),
    Command("render", "Render a splat from the cameras of a scene.", "render"),
    Command(
        "view", "Look at scenes: points, boxes, cameras, meshes and splats in one picture.", "view"
    ),
    Command("export", "Export the result of a run for other programs.", "export"),
    Command("bench", "Measure speed and memory beside peers and limits of the machine.", "bench"),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``sparse3d ARGUMENTS`` (those of the process by default) and return the exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    try:
        code = _dispatch([word for word in given if word != "--debug"])
        sys.stdout.flush()
    except UserError as error:
        return _fail(str(error), debug)
    except KeyboardInterrupt:
        print("\nsparse3d: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output has left; Python would complain again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OUTPUT_CLOSED
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return _fail(f"{error.filename or 'output'}: no space left on the disk", debug)
        if error.filename is None or error.errno not in REFUSED:
            raise
        return _fail(f"{error.filename}: {error.strerror}", debug)
    return code


def _dispatch(words: list[str]) -> int:
    if not words or words[0] in ("-h", "--help", "help"):
        print(_help())
        return 0 if words else USER_ERROR
    if words[0] == "--version":
        print(f"sparse3d {__version__}")
        return 0
    command = _find(words[0])
    tell_once_if_not_native()
    run: Callable[[Sequence[str]], int] = importlib.import_module(
        f"sparse3d.cli.{command.module}"
    ).main
    return run(words[1:])


def _find(name: str) -> Command:
    by_name = {command.name: command for command in COMMANDS}
    if name in by_name:
        return by_name[name]
    nearest = difflib.get_close_matches(name, by_name, n=1, cutoff=0.5)
    hint = f"did you mean {nearest[0]!r}?" if nearest else "see sparse3d --help"
    raise UserError(f"there is no command {name!r}; {hint}")


def _help() -> str:
    width = max(len(command.name) for command in COMMANDS)
    lines = (f"  {command.name:<{width}}  {command.summary}" for command in COMMANDS)
    return "\n".join(
        (
            "usage: sparse3d COMMAND [--help] [OPTIONS]",
            "",
            "Sparse 3D vision on ordinary machines: detect, reconstruct, view.",
            "",
            *lines,
            "",
            "  --version  print the version",
            "  --debug    with any command: show the traceback of an error",
        )
    )


def _fail(message: str, debug: bool) -> int:
    if debug:
        traceback.print_exc()
    print(f"sparse3d: error: {' '.join(message.split())}", file=sys.stderr)
    return USER_ERROR
