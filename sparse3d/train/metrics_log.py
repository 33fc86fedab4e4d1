"""Losses over the steps, for programs (JSON lines) and for TensorBoard."""

import json
from pathlib import Path
from time import time
from typing import TYPE_CHECKING, Any

from sparse3d.errors import MissingDependencyError
from sparse3d.scene.atomic import writing
from sparse3d.train.loop import StepResult

if TYPE_CHECKING:
    from torch.utils.tensorboard.writer import SummaryWriter

__all__ = ["JsonLinesLog", "TensorBoardLog"]


class JsonLinesLog:
    """Appends ``{"step": ..., "loss": ..., terms..., "time": ...}`` to a file.

    Args:
        path: The file. Lines from ``first_step`` on, left by a run that was killed after its last
            checkpoint, are dropped.
        first_step: Where this training starts.
        every: Steps between lines.
    """

    def __init__(self, path: Path, first_step: int = 0, every: int = 10) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        _keep_before(path, first_step)
        self._stream = path.open("a", encoding="utf-8")
        self._every = every

    def on_step(self, result: StepResult) -> None:
        """Write a line if one is due."""
        if result.step % self._every == 0:
            line: dict[str, Any] = {"step": result.step, "loss": result.loss, **result.terms}
            self._stream.write(json.dumps({**line, "time": round(time(), 3)}) + "\n")
            self._stream.flush()

    def close(self) -> None:
        """Close the file."""
        self._stream.close()


class TensorBoardLog:
    """Writes the loss and its terms as TensorBoard scalars.

    Args:
        folder: Of the event files.
        first_step: Where this training starts; later events of an earlier one are hidden.
        every: Steps between scalars.

    Raises:
        MissingDependencyError: If tensorboard is not installed.
    """

    def __init__(self, folder: Path, first_step: int = 0, every: int = 10) -> None:
        self._writer = _summary_writer(folder, first_step)
        self._every = every

    def on_step(self, result: StepResult) -> None:
        """Write the scalars if they are due."""
        if result.step % self._every == 0:
            for name, value in {"total": result.loss, **result.terms}.items():
                self._writer.add_scalar(f"loss/{name}", value, result.step)

    def close(self) -> None:
        """Write what is left and close the files."""
        self._writer.close()


def _summary_writer(folder: Path, first_step: int) -> "SummaryWriter":
    try:
        from torch.utils.tensorboard.writer import SummaryWriter
    except ImportError as error:
        raise MissingDependencyError(
            "TensorBoard logs (left out with --no-tensorboard) need tensorboard",
            "pip install tensorboard",
        ) from error
    return SummaryWriter(folder, purge_step=first_step or None)


def _keep_before(path: Path, step: int) -> None:
    """Drop the lines of a log from a step on, and a last line that was cut off."""
    if not path.is_file():
        return
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    whole = [line for line in lines if line.endswith("\n")]
    with writing(path) as draft:
        kept = (line for line in whole if json.loads(line)["step"] < step)
        draft.write_text("".join(kept), encoding="utf-8")
