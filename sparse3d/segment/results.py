"""Predicted labels on disk, in the layout of SemanticKITTI's benchmark."""

import re
from pathlib import Path

from jaxtyping import Int
from torch import Tensor

from sparse3d.scene import Frame
from sparse3d.scene.formats.semantic_kitti import write_labels

__all__ = ["prediction_file", "write_prediction"]

_UNSAFE = re.compile(r"^\.+|[^\w.-]")  # what file names are spared


def prediction_file(frame: Frame) -> Path:
    """Where the labels of a frame go, from the folder of the results.

    ``sequences/XX/predictions/N.label`` for frames named ``XX/N``, else ``predictions/NAME.label``.
    """
    sequence, _, name = frame.name.rpartition("/")
    file = f"{_UNSAFE.sub('_', name)}.label"
    if not sequence:
        return Path("predictions") / file
    return Path("sequences") / _UNSAFE.sub("_", sequence) / "predictions" / file


def write_prediction(folder: Path, frame: Frame, ids: Int[Tensor, " n"]) -> Path:
    """Write the labels of a frame.

    Args:
        folder: Of the results.
        frame: The frame.
        ids: One a point, as label files have them.

    Returns:
        The file.

    Raises:
        DataError: If the disk is full or not writable.
    """
    path = folder / prediction_file(frame)
    write_labels(path, ids)
    return path
