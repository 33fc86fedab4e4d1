"""Which annotated frames are trained on and which are held out."""

from collections import Counter
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from sparse3d.data.detection.classes import ClassMap
from sparse3d.data.detection.config import DataConfig
from sparse3d.data.frame_split import FrameSplit, split_by_name_or_spread
from sparse3d.errors import DataError
from sparse3d.geometry.boxes import in_range
from sparse3d.scene import Boxes3D, Frame, Scene
from sparse3d.scene.stored import Stored

__all__ = ["labelled_frames", "require_objects", "split_frames"]

_MOST_NAMES = 12  # class names that an error lists


def split_frames(scene: Scene, config: DataConfig) -> FrameSplit:
    """Split the labelled frames of a scene.

    By :func:`~sparse3d.data.frame_split.split_by_name_or_spread`.

    Raises:
        DataError: If no frame has points and boxes, or there are training frames and none has an
            object of a wanted class.
    """
    split = split_by_name_or_spread(labelled_frames(scene), config.val_fraction)
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
