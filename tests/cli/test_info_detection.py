"""``sparse3d info`` on clouds with boxes: what looks wrong is said, and nothing else."""

import json
from pathlib import Path

import numpy as np
import pytest

from sparse3d.cli.info import describe_path, main
from sparse3d.cli.main import main as sparse3d

CARS = ((10.0, 3.0), (18.0, -6.0), (27.0, 8.0), (35.0, -12.0), (12.0, 14.0), (30.0, 1.0))


def make(folder: Path, z: float = 0.0, frames: int = 2, scale: float = 1.0) -> Path:
    """Cars standing on the ground, as points on their sides; boxes are lifted by ``z``."""
    rng = np.random.default_rng(4)
    for kind in ("points", "labels"):
        (folder / kind).mkdir(parents=True)
    for frame in range(frames):
        points, rows = [rng.uniform((0, -20, 0), (45, 20, 0.02), (6000, 3))], []
        for k, (x, y) in enumerate(CARS):
            yaw = 0.5 * k + 0.2 * frame
            local = rng.uniform(-0.49, 0.49, (300, 3))
            local[np.arange(300), rng.integers(0, 2, 300)] = 0.49
            local *= (4.0, 1.7, 1.5)
            cos, sin = np.cos(yaw), np.sin(yaw)
            turned = local @ np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]])
            points.append(turned + np.array([x, y, 0.75]))
            rows.append(f"{x} {y} {0.75 + z} 4.0 1.7 1.5 {yaw} Car\n")
        cloud = np.concatenate(points)
        cloud = np.c_[cloud, rng.uniform(0, scale, len(cloud))].astype("<f4")
        np.save(folder / f"points/{frame:03}.npy", cloud)
        (folder / f"labels/{frame:03}.txt").write_text("".join(rows))
    return folder


def test_good_data_gets_no_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = make(tmp_path / "mine")
    assert main([str(folder)]) == 0
    shown = capsys.readouterr().out
    assert "nothing looks wrong (2 of 2 frames looked at)" in shown
    assert "clouds" in shown
    result = describe_path(folder)
    assert (result["format"], result["frames"], result["boxes"]) == ("clouds", 2, 12)
    assert (result["checked"], result["warnings"]) == (2, [])
    assert result["extents"]["boxes"] == [[10.0, -12.0, 0.75], [35.0, 14.0, 0.75]]


def test_what_looks_wrong_is_printed_and_in_the_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make(tmp_path / "mine", z=-0.75, scale=255.0)
    assert main([str(folder), "--json", str(tmp_path / "a.json"), "--classes", "Van", "Bus"]) == 0
    shown = capsys.readouterr().out
    below = shown[shown.index("looks wrong (2 of 2 frames looked at):") :]
    assert "z is that of the bottom" in below
    warnings = json.loads((tmp_path / "a.json").read_text())["warnings"]
    assert [warning["kind"] for warning in warnings] == ["z-offset", "unknown-class", "intensity"]
    assert "Car 12" in warnings[1]["message"]
    assert all(f"- {warning['message']}\n" in below for warning in warnings)


def test_large_sets_are_sampled_with_progress(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make(tmp_path / "mine", frames=1)
    for number in range(1, 60):
        for kind, suffix in (("points", "npy"), ("labels", "txt")):
            (folder / f"{kind}/{number:03}.{suffix}").hardlink_to(folder / f"{kind}/000.{suffix}")
    assert main([str(folder)]) == 0
    shown = capsys.readouterr()
    assert "(50 of 60 frames looked at)" in shown.out
    assert "checking 50/50" in shown.err


def test_real_frames_look_right(shared_data: Path) -> None:
    result = describe_path(shared_data / "kitti_mini")
    assert (result["checked"], result["warnings"]) == (9, [])


def test_scenes_without_boxes_are_not_checked(
    shared_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(shared_data / "fox")]) == 0
    assert "look" not in capsys.readouterr().out


def test_a_bad_row_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = make(tmp_path / "mine")
    labels = folder / "labels/001.txt"
    labels.write_text(labels.read_text() + "1 2 3 4 5 6 90 Car\n")
    assert sparse3d(["info", str(folder)]) == 2
    shown = capsys.readouterr().err
    assert shown.count("\n") == 1
    assert "001.txt: line 7: heading 90 looks like degrees" in shown
