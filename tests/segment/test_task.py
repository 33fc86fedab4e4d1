"""The sparse-unet method as a whole, on a tiny data set."""

import dataclasses
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from sparse3d.data.segmentation.config import AugmentConfig
from sparse3d.errors import ConfigError, DataError, UserError
from sparse3d.scene import Frame, PointCloud, Scene
from sparse3d.segment.config import LossConfig, NetworkConfig, SegmentConfig
from sparse3d.segment.segmenter import Segmenter
from sparse3d.segment.task import SegmentBatch, SegmentTask
from sparse3d.train.abilities import Describes, Splits
from sparse3d.train.checkpoint import CheckpointFolder
from sparse3d.train.loop import train_task
from sparse3d.train.task import Task, total_loss


def cloud_of(frame: Frame) -> PointCloud:
    cloud = frame.read_points()
    assert cloud is not None
    return cloud


def relabelled(frame: Frame, labels: torch.Tensor | None) -> Frame:
    return dataclasses.replace(frame, points=dataclasses.replace(cloud_of(frame), labels=labels))


def test_it_is_a_task(scene: Scene, config: SegmentConfig) -> None:
    task = SegmentTask.from_scene(scene, config)
    assert isinstance(task, Task)
    assert isinstance(task, Describes)
    assert task.describe().startswith("3 training and 3 validation frames; ")


def test_a_short_training_names_the_points(scene: Scene, config: SegmentConfig) -> None:
    task = SegmentTask.from_scene(scene, config)
    before = task.evaluate()
    train_task(task)
    scores = task.evaluate()
    assert before.miou is not None
    assert scores.miou is not None
    assert scores.miou > max(0.9, before.miou)
    assert {n for n, t in zip(scores.classes, scores.truths.tolist(), strict=True) if t} == {
        *("car", "road", "pole")
    }
    assert "on the same frames" in scores.headline()


def test_every_parameter_gets_a_gradient(scene: Scene, config: SegmentConfig) -> None:
    task = SegmentTask.from_scene(scene, config)
    total_loss(task.losses(task.batch(0), 0)).backward()
    for name, parameter in task.segmenter.network.named_parameters():
        assert parameter.grad is not None, name
        assert bool(parameter.grad.any()), name


def test_the_same_seed_gives_the_same_bits_and_another_does_not(
    scene: Scene, config: SegmentConfig
) -> None:
    changed = dataclasses.replace(config, iterations=3, augment=AugmentConfig())
    states = []
    for seed in (0, 0, 1):
        task = SegmentTask.from_scene(scene, changed, seed)
        train_task(task)
        states.append(task.state_dict()["network"])
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert not torch.equal(states[0]["head.weight"], states[2]["head.weight"])


def test_a_resumed_training_gives_the_same_bits(
    scene: Scene, config: SegmentConfig, tmp_path: Path
) -> None:
    changed = dataclasses.replace(config, iterations=4, augment=AugmentConfig())
    whole = SegmentTask.from_scene(scene, changed)
    folder = CheckpointFolder(tmp_path, "iterations: 4", keep_all=True)
    train_task(whole, checkpoints=folder, checkpoint_every=2)
    (tmp_path / "step-0000002.pt").replace(folder.last)
    second = SegmentTask.from_scene(scene, changed)
    checkpoint = folder.load("sparse-unet")
    assert checkpoint.step == 2
    train_task(second, resume=checkpoint)
    ours, theirs = (task.state_dict()["network"] for task in (whole, second))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_making_a_task_leaves_the_global_random_numbers_alone(
    scene: Scene, config: SegmentConfig
) -> None:
    torch.manual_seed(5)
    wanted = torch.rand(3)
    torch.manual_seed(5)
    SegmentTask.from_scene(scene, config)
    assert torch.equal(torch.rand(3), wanted)


def test_every_frame_comes_once_before_any_comes_again(scene: Scene, config: SegmentConfig) -> None:
    task = SegmentTask.from_scene(scene, config)
    names = [sample.name for step in range(3) for sample in task.batch(step).samples]
    assert sorted(names[:3]) == sorted(names[3:]) == [f"01/00000{i}" for i in range(3)]


def test_processes_share_the_frames_of_an_epoch(scene: Scene, config: SegmentConfig) -> None:
    task = SegmentTask.from_scene(scene, dataclasses.replace(config, batch_size=1))
    names = [task.batch(0, rank, 3).samples[0].name for rank in range(3)]
    assert sorted(names) == [f"01/00000{i}" for i in range(3)]
    assert task.batch(0).name.startswith("frames 01/00000")


def test_unlabelled_points_have_no_loss(scene: Scene, config: SegmentConfig) -> None:
    task = SegmentTask.from_scene(scene, config)
    batch = task.batch(0)
    blank = [
        dataclasses.replace(sample, numbers=torch.zeros_like(sample.numbers))
        for sample in batch.samples
    ]
    total = total_loss(task.losses(SegmentBatch(tuple(blank)), 0))
    assert total.item() == 0
    total.backward()


def test_losses_are_weighted(scene: Scene, config: SegmentConfig) -> None:
    values = []
    for loss in (
        LossConfig(),
        LossConfig(cross_entropy=3.0, lovasz=0.5),
        LossConfig(class_weights="none"),
    ):
        task = SegmentTask.from_scene(scene, dataclasses.replace(config, loss=loss))
        values.append([term.value.item() for term in task.losses(task.batch(0), 0)])
    assert values[1] == pytest.approx([3 * values[0][0], 0.5 * values[0][1]], rel=1e-5)
    assert values[2][0] != pytest.approx(values[0][0], rel=1e-3)
    assert values[2][1] == values[0][1]


def test_a_loss_that_is_not_finite_names_the_frames_and_leaves_a_dump(
    scene: Scene, config: SegmentConfig, tmp_path: Path
) -> None:
    task = SegmentTask.from_scene(scene, config)
    with torch.no_grad():
        task.segmenter.network.head.weight[0, 0] = math.nan
    with pytest.raises(
        UserError, match=r"not finite at step 0 on frames 01/00000\d, 01/00000\d: cross_entropy"
    ):
        train_task(task, checkpoints=CheckpointFolder(tmp_path, "config"))
    assert [path.name for path in tmp_path.iterdir()] == ["not-finite-step-0000000-rank-0.pt"]


def test_data_without_labels_is_refused(scene: Scene, config: SegmentConfig) -> None:
    bare = dataclasses.replace(scene, frames=tuple(relabelled(f, None) for f in scene.frames))
    message = "street: frames with labelled points expected, none of 3 has labels"
    with pytest.raises(DataError, match=message):
        SegmentTask.from_scene(bare, config)


def test_unlabelled_frames_are_left_out(scene: Scene, config: SegmentConfig) -> None:
    first, *others = scene.frames
    mixed = dataclasses.replace(scene, frames=(relabelled(first, None), *others))
    assert len(SegmentTask.from_scene(mixed, config).split.train) == 2


def test_data_to_be_judged_by_only_cannot_be_trained_on(
    scene: Scene, config: SegmentConfig
) -> None:
    frames = tuple(dataclasses.replace(frame, split="val") for frame in scene.frames)
    task = SegmentTask.from_scene(dataclasses.replace(scene, frames=frames), config)
    with pytest.raises(DataError, match="street: training frames expected"):
        task.batch(0)


def test_named_splits_are_evaluated(scene: Scene, config: SegmentConfig) -> None:
    splits = ("train", "val", "test")
    frames = tuple(
        dataclasses.replace(f, split=s) for f, s in zip(scene.frames, splits, strict=True)
    )
    task = SegmentTask.from_scene(dataclasses.replace(scene, frames=frames), config)
    assert isinstance(task, Splits)
    seen: list[tuple[int, int]] = []
    scores = [task.evaluate_split(split, lambda *now: seen.append(now)) for split in splits]
    assert [one.frames for one in scores] == [1, 1, 1]
    assert seen == [(1, 1)] * 3
    bare = SegmentTask.from_scene(scene, config)
    with pytest.raises(DataError, match="street: labelled frames named val expected"):
        bare.evaluate_split("val")


def test_points_out_of_range_are_missed_not_left_out(scene: Scene, config: SegmentConfig) -> None:
    frame = scene.frames[0]
    cloud = cloud_of(frame)
    assert cloud.labels is not None
    positions = cloud.positions.clone()
    positions[:7] = 1000.0
    positions[7:9] = math.nan
    moved = dataclasses.replace(frame, points=dataclasses.replace(cloud, positions=positions))
    task = SegmentTask.from_scene(dataclasses.replace(scene, frames=(moved,)), config)
    scores = task.evaluate()
    assert int(scores.truths.sum()) == int((cloud.labels > 0).sum())
    ids = task.segmenter.segment(moved)
    assert len(ids) == len(cloud)
    assert not ids[:9].any()
    assert bool((ids[9:] > 0).all())


def test_points_keep_their_order(scene: Scene, config: SegmentConfig) -> None:
    segmenter = Segmenter(config)
    frame = scene.frames[0]
    order = torch.randperm(len(cloud_of(frame)), generator=torch.Generator().manual_seed(1))
    shuffled = dataclasses.replace(frame, points=cloud_of(frame).select(order))
    assert torch.equal(segmenter.segment(frame)[order], segmenter.segment(shuffled))


def test_a_frame_without_a_point_in_range_has_only_unnamed_ones(config: SegmentConfig) -> None:
    frame = Frame("far", points=PointCloud(torch.full((5, 3), 1000.0)))
    assert Segmenter(config).segment(frame).tolist() == [0] * 5


def test_a_state_comes_back(scene: Scene, config: SegmentConfig) -> None:
    first, second = (SegmentTask.from_scene(scene, config, seed) for seed in (0, 1))
    second.load_state_dict(first.state_dict())
    points = [s.points for s in first.batch(0).samples]
    logits = [task.segmenter.logits(points).logits for task in (first, second)]
    assert torch.equal(logits[0], logits[1])


@pytest.mark.parametrize("change", [{"channels": (8, 16)}, {"layers": (1, 2)}])
def test_a_state_of_other_sizes_is_refused(
    scene: Scene, config: SegmentConfig, change: dict[str, Any]
) -> None:
    network = dataclasses.replace(config.network, **change)
    other = SegmentTask.from_scene(scene, dataclasses.replace(config, network=network))
    with pytest.raises(ConfigError, match="does not fit the configuration"):
        SegmentTask.from_scene(scene, config).load_state_dict(other.state_dict())


def test_a_state_that_means_something_else_is_refused(scene: Scene, config: SegmentConfig) -> None:
    names = ("lorry=10,252", *config.dataset.classes[1:])
    dataset = dataclasses.replace(config.dataset, classes=names)
    other = SegmentTask.from_scene(scene, dataclasses.replace(config, dataset=dataset))
    task = SegmentTask.from_scene(scene, config)
    with pytest.raises(ConfigError, match=r"the checkpoint is for lorry.*; the configuration says"):
        task.load_state_dict(other.state_dict())
    with pytest.raises(ConfigError, match="checkpoint of 'second', expected 'sparse-unet'"):
        task.load_state_dict({"method": "second"})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"iterations": -1}, "iterations must be at least 0"),
        ({"batch_size": 0}, "batch_size must be at least 1"),
        ({"loss": LossConfig(lovasz=-0.1)}, "loss.lovasz must be at least 0"),
        ({"network": NetworkConfig(voxel_size=(0.1, 0.0, 0.1))}, "voxel_size must be positive"),
        ({"network": NetworkConfig(voxel_size=(1e-3, 0.1, 0.1))}, "at most 30000 along an axis"),
        ({"network": NetworkConfig(layers=(1,))}, "equally many"),
        ({"network": NetworkConfig(layers=(1, 1, 0, 1))}, "positive and equally many"),
    ],
)
def test_impossible_configurations_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        SegmentConfig(**change)
