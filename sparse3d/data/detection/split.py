"""Which frames are trained on and which are held out."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from sparse3d.data.detection.classes import ClassMap
from sparse3d.data.detection.config import DataConfig
from sparse3d.data.detection.crop import in_range
from sparse3d.errors import DataError
from sparse3d.scene import Boxes3D, Frame, Scene
from sparse3d.scene.scene import Split
from sparse3d.scene.stored import Stored

__all__ = ["FrameSplit", "labelled_frames", "require_objects", "split_frames"]

_MOST_NAMES = 12  # class names that an error lists
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


def split_frames(scene: Scene, config: DataConfig) -> FrameSplit:
    """Split the labelled frames of a scene.

    Where the files name splits, these are heeded: frames are held out that are named ``val``, else
    those named ``test``. Where they name none, ``config.val_fraction`` of the frames is held out,
    spread evenly, if there are at least 20. Where nothing is held out, the training frames stand
    in, and the note says so.

    Raises:
        DataError: If no frame has points and boxes, or there are training frames and none has an
            object of a wanted class.
    """
    frames = labelled_frames(scene)
    named = any(frame.split is not None for frame in frames)
    split = _by_name(frames) if named else _spread(frames, config.val_fraction)
    if split.train:
        require_objects(scene, split.train, config)
    return split


def labelled_frames(scene: Scene) -> tuple[Frame, ...]:
    """The frames with points and boxes.

    Raises:
        DataError: If there are none.
    """
    frames = tuple(f for f in scene.frames if f.points is not None and f.boxes is not None)
    if not frames:
        problem = f"frames with points and boxes expected, none of {len(scene.frames)} has both"
        raise DataError(scene.source or scene.name, problem)
    return frames


def require_objects(scene: Scene, frames: Sequence[Frame], config: DataConfig) -> None:
    """Make sure that there is something to learn; stops reading at the first wanted object.

    Raises:
        DataError: If no frame has an object of a wanted class, or all of them are out of range; the
            class names that there are, or where the objects are, is told.
    """
    classes, found, outside = ClassMap.of(config), Counter[str](), []
    for frame in frames:
        boxes = _boxes(frame)
        if boxes is None:
            continue
        wanted = classes.apply(boxes)[0].centers
        if bool(in_range(wanted, config.low, config.high).any()):
            return
        outside.append(wanted)
        found.update(boxes.names)
    centers = torch.cat(outside) if outside else torch.zeros(0, 3)
    problem = _where(centers, config) if len(centers) else _nobody(found, config)
    raise DataError(scene.source or scene.name, problem)


def _nobody(found: Counter[str], config: DataConfig) -> str:
    wanted = ", ".join(config.classes)
    problem = f"objects of {wanted} expected, no training frame has any; {_there_are(found)}"
    if found:
        example = f"{found.most_common(1)[0][0]}={config.classes[0]}"
        problem += f"; names that mean the same are mapped with renamed, such as {example}"
    return problem


def _where(centers: Float[Tensor, "n 3"], config: DataConfig) -> str:
    low, high = ([round(v, 1) for v in end.tolist()] for end in (centers.amin(0), centers.amax(0)))
    return (
        f"all {len(centers)} objects are outside the range {list(config.low)} to"
        f" {list(config.high)} metres: their centres lie between {low} and {high}; set low and high"
    )


def _boxes(frame: Frame) -> Boxes3D | None:
    if isinstance(frame.boxes, Stored) and frame.boxes.count == 0:
        return None
    return frame.read_boxes()


def _there_are(found: Counter[str]) -> str:
    if not found:
        return "there are no objects at all"
    listed = [f"{name} ({count})" for name, count in found.most_common(_MOST_NAMES)]
    more = ["..."] if len(found) > _MOST_NAMES else []
    return f"there are {', '.join(listed + more)}"


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
