"""Frames to learn from and frames to be judged by."""

from collections.abc import Sequence
from dataclasses import dataclass

from sparse3d.scene import Frame
from sparse3d.scene.scene import Split

__all__ = ["FrameSplit", "split_by_name_or_spread"]

_ENOUGH = 20
"""Of fewer frames none is held out unasked: both parts would be too small to mean anything."""


@dataclass(frozen=True, slots=True)
class FrameSplit:
    """Frames to learn from and frames to be judged by, in the order of the data set."""

    train: tuple[Frame, ...]
    """Training frames; none where all labelled frames are named ``val`` or ``test``."""
    val: tuple[Frame, ...]
    """Validation frames, at least one; see ``note`` where these are not held out."""
    note: str | None = None
    """One line on the choice where it is not that of the data set."""


def split_by_name_or_spread(frames: Sequence[Frame], val_fraction: float) -> FrameSplit:
    """Split labelled frames.

    Where the files name splits, these are heeded: frames are held out that are named ``val``, else
    those named ``test``. Where they name none, ``val_fraction`` of the frames is held out, spread
    evenly, if there are at least 20. Where nothing is held out, the training frames stand in, and
    the note says so.

    Args:
        frames: All with labels, at least one.
        val_fraction: From 0 to less than 1.
    """
    named = any(frame.split is not None for frame in frames)
    return _by_name(frames) if named else _spread(frames, val_fraction)


def _by_name(frames: Sequence[Frame]) -> FrameSplit:
    train = _named(frames, "train") or _named(frames, None)
    held_out = _named(frames, "val") or _named(frames, "test")
    if held_out:
        return FrameSplit(train, held_out)
    return _nothing_held_out(train, "no labelled frame is named val or test")


def _named(frames: Sequence[Frame], split: Split | None) -> tuple[Frame, ...]:
    return tuple(frame for frame in frames if frame.split == split)


def _spread(frames: Sequence[Frame], fraction: float) -> FrameSplit:
    total = len(frames)
    if fraction == 0 or total < _ENOUGH:
        few = f"there are fewer than {_ENOUGH} labelled frames, and no list of splits"
        return _nothing_held_out(tuple(frames), "val_fraction is 0" if fraction == 0 else few)
    count = min(max(round(total * fraction), 1), total - 1)
    chosen = {(2 * i + 1) * total // (2 * count) for i in range(count)}
    return FrameSplit(
        tuple(frame for i, frame in enumerate(frames) if i not in chosen),
        tuple(frame for i, frame in enumerate(frames) if i in chosen),
        f"no split is named: {count} of {total} frames are held out, spread evenly",
    )


def _nothing_held_out(frames: tuple[Frame, ...], reason: str) -> FrameSplit:
    note = f"{reason}: none is held out, training and validation are on the same frames"
    return FrameSplit(frames, frames, note)
