"""Simulated street frames: order, truth, labels, repeatability, and what is written."""

import hashlib
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import torch

from sparse3d.data.simulate.street.config import StreetConfig
from sparse3d.data.simulate.street.frames import SimulatedFrame, front_camera, simulate_frame
from sparse3d.data.simulate.street.write import simulate_street
from sparse3d.errors import ConfigError, DataError
from sparse3d.geometry.boxes import points_in_boxes
from sparse3d.geometry.transforms import invert_rigid, transform_points
from sparse3d.scene import Boxes3D, PointCloud
from sparse3d.scene.formats.registry import open_scene

pytest.importorskip("open3d")

SEED = 3


@lru_cache(maxsize=4)
def frame(index: int) -> SimulatedFrame:
    return simulate_frame(SEED, index)


def digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


def read(folder: Path, index: int) -> tuple[PointCloud, Boxes3D]:
    stored = open_scene(folder).frames[index]
    points, boxes = stored.read_points(), stored.read_boxes()
    assert points is not None
    assert boxes is not None
    return points, boxes


def test_points_lie_ring_by_ring_from_the_top_counter_clockwise_from_ahead() -> None:
    points = frame(0).points
    assert points.rings is not None
    x, y, z = points.positions.double().unbind(1)
    azimuth = torch.remainder(torch.rad2deg(torch.atan2(y, x)), 360)
    wraps = (azimuth.diff() < -180).long().cumsum(0)
    rings = torch.cat([torch.zeros(1).long(), wraps])
    assert torch.equal(rings, points.rings.long())
    assert int(rings[-1]) == 63
    within = azimuth.diff()[points.rings.diff() == 0]
    assert (within > 0).all()
    assert within.median() == pytest.approx(360 / 2005, abs=2e-3)
    elevation = torch.rad2deg(torch.atan2(z, torch.hypot(x, y)))
    means = torch.tensor([elevation[points.rings == ring].mean() for ring in range(64)])
    assert (means.diff() < 0).all()
    assert 100_000 < len(points) <= 64 * 2005


def test_values_are_as_coarse_as_recorded_ones() -> None:
    points = frame(0).points
    assert points.intensities is not None
    millimetres = points.positions.double() * 1000
    assert (millimetres - millimetres.round()).abs().max() < 5e-3  # float32 of 80 m
    hundredths = points.intensities.double() * 100
    assert (hundredths - hundredths.round()).abs().max() < 1e-4
    assert points.intensities.min() >= 0
    assert points.intensities.max() <= 1
    ranges = points.positions.norm(dim=1)
    assert ranges.min() > 1.3
    assert ranges.max() < 80.3


@pytest.mark.parametrize("index", [0, 1])
def test_boxes_hold_the_points_of_their_objects(index: int) -> None:
    made = frame(index)
    positions, rows = made.points.positions, made.boxes.rows()
    grown = rows + torch.tensor([0, 0, 0, 0.1, 0.1, 0.1, 0])  # noise of the range
    inside = points_in_boxes(positions, grown)
    for number in range(len(rows)):
        mine = made.owners == number
        assert mine.any(), "an object without points is labelled"
        assert inside[number, mine].all()
        flush = points_in_boxes(positions[mine], rows[number : number + 1])
        assert int(mine.sum()) < 50 or flush.float().mean() > 0.8
    shrunk = points_in_boxes(positions, rows - torch.tensor([0, 0, 0, 0.2, 0.2, 0.2, 0]))
    strangers = shrunk & (made.owners != torch.arange(len(rows))[:, None])
    assert strangers.sum() <= 0.01 * shrunk.sum()


def test_labels_are_those_in_the_image() -> None:
    camera = front_camera("image_2")
    for made in (frame(0), frame(1)):
        image = made.labelled.image
        assert image is not None
        assert 0 < len(made.labelled) < len(made.boxes)
        left, top, right, bottom = image.rectangles.unbind(1)
        assert (left >= 0).all()
        assert (top >= 0).all()
        assert (right <= 1241).all()
        assert (bottom <= 374).all()
        assert (left < right).all()
        assert (top < bottom).all()
        local = transform_points(
            invert_rigid(camera.world_from_camera), made.labelled.centers.double()
        )
        pixels, front = camera.intrinsics.project(local)
        whole = image.truncations < 1e-6
        assert front.all()
        assert ((pixels[:, 0] > left) & (pixels[:, 0] < right))[whole].all()
        assert ((pixels[:, 1] > top) & (pixels[:, 1] < bottom))[whole].all()
        assert set(image.occlusions.tolist()) <= {0, 1, 2, 3}


def test_few_points_mean_unknown_occlusion() -> None:
    made = frame(1)
    assert made.boxes.image is not None
    counts = torch.bincount(made.owners[made.owners >= 0], minlength=len(made.boxes))
    assert torch.equal(made.boxes.image.occlusions == 3, counts < 5)
    assert (counts < 5).any()


def test_same_seed_same_bytes_for_any_number_of_frames(tmp_path: Path) -> None:
    simulate_street(tmp_path / "a", StreetConfig(frames=1, seed=SEED))
    summary = simulate_street(tmp_path / "b", StreetConfig(frames=2, seed=SEED))
    simulate_street(tmp_path / "c", StreetConfig(frames=1, seed=SEED + 1))
    first, second, other = (digests(tmp_path / name) for name in "abc")
    data = [name for name in first if name.startswith("training")]
    assert len(data) == 3
    assert all(first[name] == second[name] for name in data)
    assert first["training/velodyne/000000.bin"] != other["training/velodyne/000000.bin"]
    assert second["training/velodyne/000000.bin"] != second["training/velodyne/000001.bin"]
    assert (summary.train, summary.val) == (2, 0)
    assert sum(summary.objects.values()) == len(frame(0).labelled) + len(frame(1).labelled)


def test_kitti_folder_reads_back_as_it_was_made(tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    config = StreetConfig(frames=5, seed=SEED)
    simulate_street(tmp_path / "set", config, lambda *count: calls.append(count))
    scene = open_scene(tmp_path / "set")
    assert calls == [(i + 1, 5) for i in range(5)]
    assert scene.format == "kitti"
    splits = [entry.split for entry in scene.frames]
    assert splits == ["train"] * 4 + ["val"]
    lens = scene.cameras[0].intrinsics
    assert (lens.width, lens.height, lens.fx) == (1242, 375, 721.5377)
    pose = scene.cameras[0].world_from_camera
    torch.testing.assert_close(pose[:3, 3], torch.tensor([0.27, 0.0, -0.08]).double())
    for index in (0, 1):
        points, boxes = read(tmp_path / "set", index)
        made = frame(index)
        assert torch.equal(points.positions, made.points.positions)
        torch.testing.assert_close(boxes.rows(), made.labelled.rows(), atol=2e-4, rtol=0)
        assert boxes.names == made.labelled.names
        assert boxes.image is not None
        assert made.labelled.image is not None
        assert torch.equal(boxes.image.occlusions, made.labelled.image.occlusions)
        for got, want in (
            (boxes.image.truncations, made.labelled.image.truncations),
            (boxes.image.alphas, made.labelled.image.alphas),
        ):
            torch.testing.assert_close(got, want, atol=6e-3, rtol=0)


def test_scene_folder_has_all_boxes_rings_and_the_photo(tmp_path: Path) -> None:
    simulate_street(tmp_path / "set", StreetConfig(1, SEED, images=True, to="scene"))
    points, boxes = read(tmp_path / "set", 0)
    made = frame(0)
    assert torch.equal(boxes.rows(), made.boxes.rows())
    assert len(boxes) > len(made.labelled)
    assert points.rings is not None
    assert made.points.rings is not None
    assert torch.equal(points.rings, made.points.rings)
    image = open_scene(tmp_path / "set").cameras[0].read_image()
    assert image.shape == (375, 1242, 3)
    sky, road = image[:20].mean((0, 1)), image[-20:].mean((0, 1))
    assert image.std() > 0.1
    assert sky.mean() > road.mean()


def test_an_occupied_folder_and_impossible_values_are_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(DataError, match="new or empty"):
        simulate_street(tmp_path, StreetConfig(frames=1))
    with pytest.raises(DataError, match="new or empty"):
        simulate_street(tmp_path / "notes.txt", StreetConfig(frames=1))
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
    with pytest.raises(ConfigError, match=r"frames must be from 1 to .*, got 0"):
        StreetConfig(frames=0)
    with pytest.raises(ConfigError, match=r"seed must be from 0 to .*, got -1"):
        StreetConfig(seed=-1)


def test_cars_answer_as_recorded_ones_do() -> None:
    """Shares as measured on recorded frames, within what a few frames can show."""
    made = [frame(0), frame(1)]
    dark, fill = [], []
    for one in made:
        assert one.points.intensities is not None
        assert one.points.rings is not None
        cars = torch.tensor([name == "Car" for name in one.boxes.names] + [False])
        dark.append(one.points.intensities[cars[one.owners]] == 0)
        fill.append(np.bincount(one.points.rings.numpy(), minlength=64) / 2005)
    assert 0.15 < torch.cat(dark).float().mean() < 0.8
    rings = np.mean(fill, axis=0)
    assert rings[20:40].mean() > 0.9, "the road answers"
    assert 0.45 < rings[-1] < 0.7, "the carrying car hides much of the lowest ring"
