"""Which labelled sweeps are trained on and which are held out, and how often classes occur."""

from collections.abc import Sequence

import torch
from jaxtyping import Int64
from torch import Tensor

from sparse3d.data.frame_split import FrameSplit, split_by_name_or_spread
from sparse3d.data.segmentation.config import DataConfig
from sparse3d.data.segmentation.load import load_numbers
from sparse3d.errors import DataError
from sparse3d.scene import Frame, Scene
from sparse3d.scene.stored import Stored

__all__ = ["count_classes", "labelled_frames", "split_frames"]

_COUNTED = 100
"""Frames in which classes are counted, spread evenly."""


def split_frames(scene: Scene, config: DataConfig) -> FrameSplit:
    """Split the labelled frames of a scene.

    By :func:`~sparse3d.data.frame_split.split_by_name_or_spread`.

    Raises:
        DataError: If no frame has points with labels.
    """
    return split_by_name_or_spread(labelled_frames(scene), config.val_fraction)


def labelled_frames(scene: Scene) -> tuple[Frame, ...]:
    """The frames whose points have labels; read only where the format does not tell.

    Raises:
        DataError: If there are none.
    """
    frames = tuple(frame for frame in scene.frames if _is_labelled(frame))
    if not frames:
        problem = f"frames with labelled points expected, none of {len(scene.frames)} has labels"
        raise DataError(scene.source or scene.name, problem)
    return frames


def count_classes(frames: Sequence[Frame], config: DataConfig) -> Int64[Tensor, " k"]:
    """Points of each class number, the ignored first, in up to 100 frames spread evenly.

    Raises:
        DataError: If a frame cannot be read, or has a label of no known class.
    """
    total = torch.zeros(len(config.classes) + 1, dtype=torch.int64)
    chosen = min(len(frames), _COUNTED)
    for frame in (frames[i * len(frames) // chosen] for i in range(chosen)):
        total += torch.bincount(load_numbers(frame, config), minlength=len(total))
    return total


def _is_labelled(frame: Frame) -> bool:
    if isinstance(frame.points, Stored) and frame.points.attributes is not None:
        return "labels" in frame.points.attributes
    cloud = frame.read_points()
    return cloud is not None and cloud.labels is not None
