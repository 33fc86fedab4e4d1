"""A tiny data set with cars as blocks of points, and a network to match."""

import math

import pytest
import torch

from sparse3d.data.detection.config import AugmentConfig, DataConfig
from sparse3d.detect.config import DecodeConfig, NetworkConfig, SecondConfig
from sparse3d.nn.config import RateConfig
from sparse3d.scene import Boxes3D, Frame, PointCloud, Scene


def street_frame(number: int, nosed: bool = False) -> Frame:
    """Ground, and two cars that only show their sides; or a nose, and every other turned round."""
    generator = torch.Generator().manual_seed(number)
    ground = torch.rand(400, 3, generator=generator) * torch.tensor([16.0, 16.0, 0.05])
    ground -= torch.tensor([0.0, 8.0, 1.75])
    rows = torch.tensor(
        [[4.0, -3.0, -1.0, 3.9, 1.6, 1.5, 0.2], [11.0, 3.0, -1.0, 3.7, 1.7, 1.5, -1.3]]
    )
    rows[:, :2] += torch.rand(2, 2, generator=generator)
    if nosed:
        rows[number % 2, 6] += math.pi if number % 2 == 0 else -math.pi
    parts = [ground]
    for row in rows:
        local = torch.rand(150, 3, generator=generator) - 0.5
        local[:, 1] = local[:, 1].sign() / 2
        if nosed:
            local[:75, 0] = 0.5
        local *= row[3:6]
        cos, sin = math.cos(row[6].item()), math.sin(row[6].item())
        turn = torch.tensor([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])
        parts.append(local @ turn.T + row[:3])
    positions = torch.cat(parts)
    cloud = PointCloud(positions, intensities=torch.rand(len(positions), generator=generator))
    boxes = Boxes3D(rows[:, :3], rows[:, 3:6], rows[:, 6], ("Car", "Car"))
    return Frame(f"{number:06d}", points=cloud, boxes=boxes)


@pytest.fixture
def scene() -> Scene:
    """Three frames without cameras."""
    return Scene("blocks", tuple(street_frame(i) for i in range(3)), metric=True)


@pytest.fixture
def nosed() -> Scene:
    """Four frames whose cars head either way."""
    return Scene("noses", tuple(street_frame(i, nosed=True) for i in range(4)), metric=True)


@pytest.fixture
def config() -> SecondConfig:
    """Trains in a second or two."""
    return SecondConfig(
        iterations=60,
        batch_size=2,
        dataset=DataConfig(
            classes=("Car", "Pedestrian"), low=(0.0, -8.0, -3.0), high=(16.0, 8.0, 1.0)
        ),
        augment=AugmentConfig(
            flip=False, rotation=0.0, scale=(1.0, 1.0), translation=(0.0, 0.0, 0.0)
        ),
        network=NetworkConfig(
            voxel_size=(0.25, 0.25, 0.5),
            voxel_channels=8,
            encoder_channels=(8, 16),
            encoder_layers=(1, 1),
            neck_channels=(16, 16),
            neck_layers=(1, 1),
            neck_outputs=8,
            upsample=1,
            head_channels=16,
            momentum=0.1,
        ),
        rates=RateConfig(peak=1e-2),
        decode=DecodeConfig(score_threshold=0.1),
    )
