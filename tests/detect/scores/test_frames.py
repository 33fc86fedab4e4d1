"""Frames from label rows and from scenes: nothing moves on the way."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from sparse3d.detect.scores import FrameObjects, frame_of_labels, frame_of_scene
from sparse3d.geometry.boxes import box_corners
from sparse3d.geometry.intrinsics import Intrinsics
from sparse3d.scene.boxes import Boxes3D
from sparse3d.scene.camera import Camera
from sparse3d.scene.formats.kitti_calibration import KittiCalibration
from sparse3d.scene.formats.kitti_labels import (
    boxes_from_labels,
    labels_from_boxes,
    read_labels,
    write_labels,
)
from sparse3d.scene.scene import Frame
from sparse3d.scene.stored import Stored


def camera_corners(row) -> torch.Tensor:
    """Corners in the frame of the labels, as KITTI's own tools work them out."""
    height, width, length = row.size
    u = torch.tensor([1, 1, -1, -1] * 2, dtype=torch.float64) * length / 2
    w = torch.tensor([1, -1, -1, 1] * 2, dtype=torch.float64) * width / 2
    v = torch.tensor([0.0] * 4 + [-height] * 4, dtype=torch.float64)
    c, s = math.cos(row.rotation_y), math.sin(row.rotation_y)
    x, z = c * u + s * w, c * w - s * u
    return torch.stack([x, v, z], 1) + torch.tensor(row.location, dtype=torch.float64)


@pytest.mark.parametrize("turn", [0.0, 0.7, -2.9, 3.3, math.pi / 2])
def test_boxes_keep_their_corners(row, turn: float) -> None:
    label = row(x=-7.0, z=31.0, rotation_y=turn)
    frame = frame_of_labels("a", [label], [])
    x, down, z = camera_corners(label).unbind(1)
    wanted = torch.stack([x, z, -down], 1)
    distances = torch.cdist(box_corners(frame.truth.rows())[0], wanted)
    assert distances.min(0).values.max() < 1e-12
    assert distances.min(1).values.max() < 1e-12
    front = box_corners(frame.truth.rows())[0, :2].mean(0)  # the side that looks forward
    heading = torch.tensor([math.cos(turn), -math.sin(turn)], dtype=torch.float64)
    assert torch.allclose(front[:2] - frame.truth.centers[0, :2], 2 * heading)


def test_rows_keep_every_digit_and_regions_are_set_apart(row) -> None:
    rectangle = (1.25, 2.5, 30.123456789, 40.0)
    truth = [
        row("Van", truncated=0.25, occluded=2, alpha=-1.5),
        row("DontCare", rectangle=rectangle, size=(-1.0, -1.0, -1.0)),
    ]
    frame = frame_of_labels("a", truth, [row(score=0.123456789), row(score=0.5)])
    assert frame.truth.names == ("Van",)
    assert frame.truth.image is not None
    assert frame.truth.image.alphas.tolist() == [-1.5]
    assert frame.truth.image.occlusions.tolist() == [2]
    assert frame.truth.image.truncations.tolist() == [0.25]
    assert frame.dont_care.tolist() == [list(rectangle)]
    assert frame.detections.scores is not None
    assert frame.detections.scores.tolist() == [0.123456789, 0.5]
    assert frame.has_image is True
    assert frame_of_labels("b", [], []).has_image is None


def test_a_detection_without_score_is_named(row) -> None:
    with pytest.raises(ValueError, match=r"frame 17: detections must have scores"):
        frame_of_labels("17", [row()], [row()])


def scene_frame(row) -> Frame:
    calibration = KittiCalibration.nominal()
    lens = Intrinsics(1242, 375, 721.5377, 721.5377, 609.5593, 172.854)
    camera = Camera("c", lens, calibration.lidar_from_camera())
    labels = [row(x=2.0), row("Pedestrian", x=-3.0, z=12.0, size=(1.8, 0.6, 0.7))]
    return Frame("f", (camera,), boxes=boxes_from_labels(labels, calibration))


def test_detections_of_a_scene_are_projected_into_its_camera(row) -> None:
    frame = scene_frame(row)
    truth = frame.read_boxes()
    assert truth is not None
    found = replace(truth, image=None, scores=torch.tensor([0.9, 0.8]))
    scored = frame_of_scene(frame, found)
    wanted = labels_from_boxes(found, KittiCalibration.nominal())
    assert scored.detections.image is not None
    assert torch.allclose(
        scored.detections.image.rectangles,
        torch.tensor([one.rectangle for one in wanted], dtype=torch.float64),
    )
    assert scored.detections.image.alphas.tolist() == pytest.approx([one.alpha for one in wanted])
    assert scored.truth is truth
    assert scored.dont_care.shape == (0, 4)


def test_without_camera_or_image_there_is_no_image(row) -> None:
    frame = scene_frame(row)
    truth = frame.read_boxes()
    assert truth is not None
    found = replace(truth, scores=torch.tensor([0.9, 0.8]))
    blind = frame_of_scene(replace(frame, cameras=()), found)
    assert blind.has_image is False
    assert frame_of_scene(frame, found, replace(truth, image=None)).has_image is False


def test_truth_can_be_given_and_must_be_there(row) -> None:
    frame = scene_frame(row)
    none = Boxes3D(torch.zeros(0, 3), torch.ones(0, 3), torch.zeros(0), (), torch.zeros(0))
    renamed = replace(none, names=())
    assert len(frame_of_scene(frame, none, renamed).truth) == 0
    with pytest.raises(ValueError, match=r"frame f has no annotations"):
        frame_of_scene(replace(frame, boxes=None), none)


def test_regions_without_annotation_are_read_from_the_label_file(row, tmp_path: Path) -> None:
    region = row("DontCare", size=(-1.0,) * 3, location=(-1000.0,) * 3, rotation_y=-10.0)
    path = tmp_path / "label_2" / "000000.txt"
    write_labels(path, [row(), region])
    calibration = KittiCalibration.nominal()
    stored = Stored(path, lambda p: boxes_from_labels(read_labels(p), calibration))
    nothing = boxes_from_labels([], calibration)
    found = frame_of_scene(Frame("000000", boxes=stored), replace(nothing, scores=torch.zeros(0)))
    assert found.dont_care.tolist() == [list(region.rectangle)]


def test_scores_are_required(row) -> None:
    truth = scene_frame(row).read_boxes()
    assert truth is not None
    with pytest.raises(ValueError, match=r"frame x: detections must have scores"):
        FrameObjects("x", truth, truth, torch.zeros(0, 4))
