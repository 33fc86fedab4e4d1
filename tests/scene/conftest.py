"""A small scene of posed photos on disk, for the formats that hold such."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sparse3d.geometry.intrinsics import Intrinsics
from sparse3d.geometry.rotations import matrix_from_axis_angle
from sparse3d.geometry.transforms import rigid
from sparse3d.scene import Camera, Frame, PointCloud, Scene

LENS = Intrinsics(12, 8, 10.0, 11.0, 6.5, 3.5, "opencv", (0.1, -0.02, 0.003, -0.004))


def save_image(path: Path, width: int, height: int, seed: int = 0) -> Path:
    """Write a noisy RGB image."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def photo_scene(tmp_path: Path) -> Scene:
    """Three photos of two lenses with random poses, and coloured points."""
    rng = torch.Generator().manual_seed(5)
    other = replace(LENS, width=10, cx=5.0)
    frames = []
    for number, lens in enumerate((LENS, other, LENS)):
        name = f"images/{number}.png"
        image = save_image(tmp_path / "source" / name, lens.width, lens.height, number)
        rotation = matrix_from_axis_angle(torch.randn(3, generator=rng, dtype=torch.float64))
        pose = rigid(rotation, torch.randn(3, generator=rng, dtype=torch.float64))
        frames.append(Frame(name, (Camera(name, lens, pose, image),)))
    points = PointCloud(
        torch.randn(7, 3, generator=rng, dtype=torch.float64),
        colors=torch.randint(0, 256, (7, 3), generator=rng) / 255,
    )
    return Scene("source", tuple(frames), points=points)
