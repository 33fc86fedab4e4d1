"""Frames from disk as samples for segmentation."""

from pathlib import Path
from typing import NamedTuple

from jaxtyping import Bool, Int64
from torch import Tensor

from sparse3d.data.intensities import unit_intensities
from sparse3d.data.segmentation.classes import ClassMap
from sparse3d.data.segmentation.config import DataConfig
from sparse3d.data.segmentation.sample import Sample
from sparse3d.errors import DataError
from sparse3d.geometry.boxes import in_range
from sparse3d.scene import Frame, PointCloud
from sparse3d.scene.stored import Stored

__all__ = ["Sweep", "load_numbers", "load_sample", "load_sweep"]


class Sweep(NamedTuple):
    """A whole sweep, and the part of it that a network sees."""

    points: PointCloud
    """The points seen: finite positions within the range, float32, with intensities in [0, 1]."""
    seen: Bool[Tensor, " n"]
    """Which points of the whole sweep these are."""
    numbers: Int64[Tensor, " n"] | None
    """Class of every point of the whole sweep; None without labels."""


def load_sweep(frame: Frame, config: DataConfig) -> Sweep:
    """A frame, with labels or without.

    Raises:
        DataError: If it has no points, they cannot be read, or a label is of no known class; the
            message names the file.
    """
    cloud = frame.read_points()
    if cloud is None:
        raise DataError(f"frame {frame.name}", "a frame with points expected, it has none")
    positions = cloud.positions.float()
    intensities = unit_intensities(cloud, config.intensity, config.intensity_scale)
    seen = in_range(positions, config.low, config.high) & intensities.isfinite()
    points = PointCloud(positions[seen], intensities=intensities[seen])
    return Sweep(points, seen, None if cloud.labels is None else _numbers(frame, cloud, config))


def load_sample(frame: Frame, config: DataConfig) -> Sample:
    """A labelled frame for training.

    Raises:
        DataError: As :func:`load_sweep`, or if it has no labels, or no point is in range.
    """
    sweep = load_sweep(frame, config)
    numbers = _required(frame, sweep.numbers)
    if not len(sweep.points):
        where = f"{list(config.low)} to {list(config.high)} metres"
        raise DataError(
            _file(frame), f"finite points in the range {where} expected, there are none"
        )
    return Sample(frame.name, sweep.points, numbers[sweep.seen])


def load_numbers(frame: Frame, config: DataConfig) -> Int64[Tensor, " n"]:
    """Class of every point of a labelled frame; errors as :func:`load_sweep`."""
    cloud = frame.read_points()
    return _required(frame, None if cloud is None else _numbers(frame, cloud, config))


def _numbers(frame: Frame, cloud: PointCloud, config: DataConfig) -> Int64[Tensor, " n"] | None:
    if cloud.labels is None:
        return None
    try:
        return ClassMap.of(config).to_numbers(cloud.labels)
    except ValueError as error:
        raise DataError(_file(frame), f"labels: {error}") from None


def _required(frame: Frame, numbers: Int64[Tensor, " n"] | None) -> Int64[Tensor, " n"]:
    if numbers is None:
        raise DataError(_file(frame), "a frame with labels expected, it has none")
    return numbers


def _file(frame: Frame) -> Path | str:
    """The file that holds the points of a frame, else the frame's name."""
    return frame.points.path if isinstance(frame.points, Stored) else f"frame {frame.name}"
