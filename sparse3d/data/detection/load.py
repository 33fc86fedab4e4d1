"""Frames from disk as samples for detectors."""

from dataclasses import replace
from pathlib import Path

from sparse3d.data.detection.classes import ClassMap
from sparse3d.data.detection.config import DataConfig, View
from sparse3d.data.detection.crop import boxes_in_view, crop_to_range, points_in_view
from sparse3d.data.detection.sample import Sample
from sparse3d.data.intensities import unit_intensities
from sparse3d.errors import DataError
from sparse3d.geometry.boxes import in_range
from sparse3d.scene import Boxes3D, Camera, Frame, PointCloud, Scene
from sparse3d.scene.stored import Stored

__all__ = ["load_points", "load_sample", "resolve_view"]


def resolve_view(scene: Scene, config: DataConfig) -> View:
    """The part of the surroundings that counts: ``auto`` is the camera's for KITTI's format."""
    if config.view != "auto":
        return config.view
    return "camera" if scene.format == "kitti" else "all"


def load_points(frame: Frame, config: DataConfig, view: View) -> PointCloud:
    """The sweep of a frame as detectors see it, possibly without any point.

    Args:
        frame: With points, and with a camera where the view is the camera's.
        config: Range and intensities.
        view: See :func:`resolve_view`.

    Returns:
        The finite points within range and view, float32, with intensities in [0, 1] (0 where the
        file has none) and no other attribute.

    Raises:
        DataError: If the frame has no points, or no camera where one is needed.
    """
    cloud = frame.read_points()
    if cloud is None:
        raise DataError(_file(frame, frame.boxes), "a frame with points expected, it has none")
    positions = cloud.positions.float()
    intensities = unit_intensities(cloud, config.intensity, config.intensity_scale)
    kept = in_range(positions, config.low, config.high) & intensities.isfinite()
    points = PointCloud(positions[kept], intensities=intensities[kept])
    if view == "all":
        return points
    return points.select(points_in_view(points.positions, _main_camera(frame), frame.pose()))


def load_sample(frame: Frame, config: DataConfig, view: View) -> Sample:
    """A frame with its annotations, for training and evaluation.

    Args:
        frame: With points and boxes, and with a camera where the view is the camera's.
        config: Range, classes and intensities.
        view: See :func:`resolve_view`; boxes outside are dropped as well.

    Raises:
        DataError: If points or boxes are missing, a box is not finite, or no point is in range
            and view; the message names the file.
    """
    boxes = _finite_boxes(frame)
    points = load_points(frame, config, view)
    if not len(points):
        raise DataError(_file(frame, frame.points), _no_points(config, view))
    if view == "camera":
        boxes = boxes.select(boxes_in_view(boxes, _main_camera(frame), frame.pose()))
    wanted, ignored = ClassMap.of(config).apply(boxes)
    return crop_to_range(Sample(frame.name, points, wanted, ignored), config)


def _finite_boxes(frame: Frame) -> Boxes3D:
    boxes = frame.read_boxes()
    if boxes is None:
        raise DataError(_file(frame, frame.points), "a frame with boxes expected, it has none")
    bad = (~boxes.rows().isfinite().all(1)).nonzero()[:, 0].tolist()
    if bad:
        row = boxes.rows()[bad[0]].tolist()
        problem = f"box {bad[0] + 1} ({boxes.names[bad[0]]}) has values that are not finite: {row}"
        raise DataError(_file(frame, frame.boxes), problem)
    return replace(
        boxes,
        centers=boxes.centers.float(),
        sizes=boxes.sizes.float(),
        yaws=boxes.yaws.float(),
    )


def _main_camera(frame: Frame) -> Camera:
    if not frame.cameras:
        problem = "the view is that of the main camera, but the frame has none; set view to all"
        raise DataError(_file(frame, frame.points), problem)
    return frame.cameras[0]


def _no_points(config: DataConfig, view: View) -> str:
    where = f"in the range {list(config.low)} to {list(config.high)} metres"
    seen = " and in the camera's image" if view == "camera" else ""
    return f"finite points {where}{seen} expected, there are none"


def _file(frame: Frame, value: object) -> Path | str:
    """The file that holds a part of a frame, else the frame's name."""
    return value.path if isinstance(value, Stored) else f"frame {frame.name}"
