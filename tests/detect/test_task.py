"""The second method as a whole, on a tiny data set."""

import dataclasses
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from sparse3d.data.detection.config import AugmentConfig
from sparse3d.data.detection.sample import Sample
from sparse3d.detect.config import NetworkConfig, SecondConfig
from sparse3d.detect.detector import Detector
from sparse3d.detect.task import DetectBatch, DetectTask
from sparse3d.errors import ConfigError, DataError, UserError
from sparse3d.scene import Boxes3D, Frame, PointCloud, Scene
from sparse3d.train.abilities import Describes, Splits
from sparse3d.train.checkpoint import CheckpointFolder
from sparse3d.train.loop import train_task
from sparse3d.train.task import Task, total_loss

NOTHING = Boxes3D(torch.zeros(0, 3), torch.zeros(0, 3), torch.zeros(0), ())


def test_it_is_a_task(scene: Scene, config: SecondConfig) -> None:
    assert isinstance(DetectTask.from_scene(scene, config), Task)


def test_a_short_training_finds_the_objects(scene: Scene, config: SecondConfig) -> None:
    task = DetectTask.from_scene(scene, dataclasses.replace(config, iterations=150))
    train_task(task)
    scores = task.evaluate()
    assert scores.difficulties == ("all",)
    found = scores.metric("Car", "detection_ground", loose=True).levels[0]
    assert found.counted == 6
    assert found.all_point is not None
    assert found.all_point > 90
    assert "on the same frames" in scores.headline()


def test_a_short_training_tells_front_from_back(nosed: Scene, config: SecondConfig) -> None:
    loss = dataclasses.replace(config.loss, direction=4.0)
    task = DetectTask.from_scene(nosed, dataclasses.replace(config, iterations=200, loss=loss))
    train_task(task)
    (errors,) = [one for one in task.evaluate().errors if one.name == "Car"]
    (level,) = errors.levels
    assert level.count == 8
    assert level.turned == 0


def test_every_parameter_gets_a_gradient(scene: Scene, config: SecondConfig) -> None:
    task = DetectTask.from_scene(scene, config)
    total_loss(task.losses(task.batch(0), 0)).backward()
    for name, parameter in task.detector.network.named_parameters():
        assert parameter.grad is not None, name
        assert bool(parameter.grad.any()), name


def test_the_same_seed_gives_the_same_bits_and_another_does_not(
    scene: Scene, config: SecondConfig
) -> None:
    changed = dataclasses.replace(config, iterations=3, augment=AugmentConfig())
    states = []
    for seed in (0, 0, 1):
        task = DetectTask.from_scene(scene, changed, seed)
        train_task(task)
        states.append(task.state_dict()["network"])
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert not torch.equal(states[0]["heat.weight"], states[2]["heat.weight"])


def test_making_a_task_leaves_the_global_random_numbers_alone(
    scene: Scene, config: SecondConfig
) -> None:
    torch.manual_seed(5)
    wanted = torch.rand(3)
    torch.manual_seed(5)
    DetectTask.from_scene(scene, config)
    assert torch.equal(torch.rand(3), wanted)


def test_every_frame_comes_once_before_any_comes_again(scene: Scene, config: SecondConfig) -> None:
    task = DetectTask.from_scene(scene, config)
    names = [sample.name for step in range(3) for sample in task.batch(step).samples]
    assert sorted(names[:3]) == sorted(names[3:]) == ["000000", "000001", "000002"]


def test_processes_share_the_frames_of_an_epoch(scene: Scene, config: SecondConfig) -> None:
    one = dataclasses.replace(config, batch_size=1)
    task = DetectTask.from_scene(scene, one)
    names = [task.batch(0, rank, 3).samples[0].name for rank in range(3)]
    assert sorted(names) == ["000000", "000001", "000002"]


def test_batches_name_their_frames() -> None:
    nobody = PointCloud(torch.zeros(0, 3))
    batch = DetectBatch(tuple(Sample(n, nobody, NOTHING, NOTHING) for n in ("000003", "000001")))
    assert batch.name == "frames 000003, 000001"


def test_a_batch_without_any_object_trains(scene: Scene, config: SecondConfig) -> None:
    task = DetectTask.from_scene(scene, config)
    batch = task.batch(0)
    bare = DetectBatch(tuple(dataclasses.replace(s, boxes=NOTHING) for s in batch.samples))
    loss = total_loss(task.losses(bare, 0))
    loss.backward()
    assert bool(loss.isfinite())
    assert [term.value.item() for term in task.losses(bare, 0) if term.name == "box"] == [0.0]


def test_a_loss_that_is_not_finite_names_the_frames_and_leaves_a_dump(
    scene: Scene, config: SecondConfig, tmp_path: Path
) -> None:
    task = DetectTask.from_scene(scene, config)
    with torch.no_grad():
        task.detector.network.boxes.weight[0, 0] = math.nan
    with pytest.raises(
        UserError, match=r"not finite at step 0 on frames 00000\d, 00000\d: heatmap"
    ):
        train_task(task, checkpoints=CheckpointFolder(tmp_path, "config"))
    assert [path.name for path in tmp_path.iterdir()] == ["not-finite-step-0000000-rank-0.pt"]


def test_data_to_be_judged_by_only_cannot_be_trained_on(scene: Scene, config: SecondConfig) -> None:
    frames = tuple(dataclasses.replace(frame, split="val") for frame in scene.frames)
    task = DetectTask.from_scene(dataclasses.replace(scene, frames=frames), config)
    assert len(task.split.val) == 3
    with pytest.raises(DataError, match="blocks: training frames expected"):
        task.batch(0)


def test_a_class_that_no_frame_has_is_an_error(scene: Scene, config: SecondConfig) -> None:
    trams = dataclasses.replace(config.dataset, classes=("Bus",))
    with pytest.raises(DataError, match=r"objects of Bus expected.*Car \(6\)"):
        DetectTask.from_scene(scene, dataclasses.replace(config, dataset=trams))


def test_objects_outside_the_range_are_not_asked_for(scene: Scene, config: SecondConfig) -> None:
    near = dataclasses.replace(config.dataset, high=(8.0, 8.0, 1.0))
    task = DetectTask.from_scene(scene, dataclasses.replace(config, dataset=near))
    assert all(len(sample.boxes) == 1 for sample in task.batch(0).samples)
    assert task.evaluate().metric("Car", "detection_3d").levels[0].counted == 3


def test_renamed_classes_are_judged_under_our_names(scene: Scene, config: SecondConfig) -> None:
    frames = tuple(
        dataclasses.replace(f, boxes=dataclasses.replace(_boxes(f), names=("Sedan", "Car")))
        for f in scene.frames
    )
    renamed = dataclasses.replace(config.dataset, renamed=("Sedan=Car",))
    task = DetectTask.from_scene(
        dataclasses.replace(scene, frames=frames), dataclasses.replace(config, dataset=renamed)
    )
    assert task.evaluate().metric("Car", "detection_3d").levels[0].counted == 6


def _boxes(frame: Frame) -> Boxes3D:
    boxes = frame.read_boxes()
    assert boxes is not None
    return boxes


def test_a_state_comes_back(scene: Scene, config: SecondConfig) -> None:
    first, second = (DetectTask.from_scene(scene, config, seed) for seed in (0, 1))
    second.load_state_dict(first.state_dict())
    maps = [
        task.detector.maps([s.points for s in first.batch(0).samples]) for task in (first, second)
    ]
    assert torch.equal(maps[0].heat, maps[1].heat)


@pytest.mark.parametrize(
    "change", [{"head_channels": 24}, {"encoder_channels": (8, 12)}, {"neck_layers": (1, 2)}]
)
def test_a_state_of_other_sizes_is_refused(
    scene: Scene, config: SecondConfig, change: dict[str, Any]
) -> None:
    network = dataclasses.replace(config.network, **change)
    other = DetectTask.from_scene(scene, dataclasses.replace(config, network=network))
    with pytest.raises(ConfigError, match="does not fit the configuration"):
        DetectTask.from_scene(scene, config).load_state_dict(other.state_dict())


@pytest.mark.parametrize(
    "change",
    [{"classes": ("Pedestrian", "Car")}, {"low": (0.0, -8.0, -3.5), "high": (16.0, 8.0, 0.5)}],
)
def test_a_state_that_means_something_else_is_refused(
    scene: Scene, config: SecondConfig, change: dict[str, Any]
) -> None:
    dataset = dataclasses.replace(config.dataset, **change)
    other = DetectTask.from_scene(scene, dataclasses.replace(config, dataset=dataset))
    with pytest.raises(ConfigError, match=r"the checkpoint is for .*; the configuration says"):
        DetectTask.from_scene(scene, config).load_state_dict(other.state_dict())


def test_named_splits_are_evaluated(scene: Scene, config: SecondConfig) -> None:
    splits = ("train", "val", "test")
    frames = tuple(
        dataclasses.replace(f, split=s) for f, s in zip(scene.frames, splits, strict=True)
    )
    task = DetectTask.from_scene(dataclasses.replace(scene, frames=frames), config)
    assert isinstance(task, Splits)
    assert [task.evaluate_split(split).frames for split in splits] == [1, 1, 1]
    bare = DetectTask.from_scene(scene, config)
    with pytest.raises(DataError, match="blocks: labelled frames named val expected"):
        bare.evaluate_split("val")


def test_detections_on_ignored_objects_are_no_false_alarms(
    scene: Scene, config: SecondConfig
) -> None:
    changed = dataclasses.replace(config, iterations=150)
    task = DetectTask.from_scene(scene, changed)
    train_task(task)
    frames = tuple(
        dataclasses.replace(f, boxes=dataclasses.replace(_boxes(f), names=("Car", "Truck")))
        for f in scene.frames
    )
    judged = DetectTask.from_scene(dataclasses.replace(scene, frames=frames), changed)
    judged.load_state_dict(task.state_dict())
    level = judged.evaluate().metric("Car", "detection_ground", loose=True).levels[0]
    assert level.counted == 3
    assert level.all_point is not None
    assert level.all_point > 90


def test_all_objects_out_of_range_are_an_error_that_says_where_they_are(
    scene: Scene, config: SecondConfig
) -> None:
    high = dataclasses.replace(config.dataset, low=(0.0, -8.0, 0.0), high=(16.0, 8.0, 4.0))
    with pytest.raises(DataError, match=r"all 6 objects are outside the range .*set low and high"):
        DetectTask.from_scene(scene, dataclasses.replace(config, dataset=high))


def test_it_says_what_it_trains_on(scene: Scene, config: SecondConfig) -> None:
    task = DetectTask.from_scene(scene, config)
    assert isinstance(task, Describes)
    assert task.describe().startswith("3 training and 3 validation frames, all around; ")


def test_a_state_of_another_method_is_refused(scene: Scene, config: SecondConfig) -> None:
    with pytest.raises(ConfigError, match="checkpoint of 'sparse-splat', expected 'second'"):
        DetectTask.from_scene(scene, config).load_state_dict({"method": "sparse-splat"})


def test_a_frame_without_a_point_in_range_has_no_detections(config: SecondConfig) -> None:
    frame = Frame("far", points=PointCloud(torch.full((5, 3), 1000.0)))
    assert len(Detector(config).detect(frame, "all")) == 0


def test_detections_lie_in_the_frame_of_the_points(scene: Scene, config: SecondConfig) -> None:
    detector = Detector(config)
    found = detector.detect(scene.frames[0], "all")
    assert found.scores is not None
    assert bool((found.scores.diff() <= 0).all())
    assert set(found.names) <= {"Car", "Pedestrian"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"iterations": -1}, "iterations must be at least 0"),
        ({"batch_size": 0}, "batch_size must be at least 1"),
        ({"network": NetworkConfig(voxel_size=(0.1, 0.0, 0.1))}, "voxel_size must be positive"),
        ({"network": NetworkConfig(neck_layers=(1,))}, "equally many"),
        ({"network": NetworkConfig(encoder_layers=(1, 1, 0, 1))}, "positive and equally many"),
    ],
)
def test_impossible_configurations_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        SecondConfig(**change)
