"""How well detections agree with annotations."""

from sparse3d.detect.scores.files import frames_of_files
from sparse3d.detect.scores.frames import FrameObjects, frame_of_labels, frame_of_scene
from sparse3d.detect.scores.kitti import evaluate_objects
from sparse3d.detect.scores.result import DetectionScores

__all__ = [
    "DetectionScores",
    "FrameObjects",
    "evaluate_objects",
    "frame_of_labels",
    "frame_of_scene",
    "frames_of_files",
]
