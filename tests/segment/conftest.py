"""A tiny labelled data set that points alone tell apart, and a network to match."""

import pytest
import torch

from sparse3d.data.segmentation.config import AugmentConfig, DataConfig
from sparse3d.nn.config import RateConfig
from sparse3d.scene import Frame, PointCloud, Scene
from sparse3d.segment.config import NetworkConfig, SegmentConfig

ROAD, POLE, CAR, UNLABELLED = 40, 80, 252, 0


def labelled_frame(number: int) -> Frame:
    """Ground, two thin poles, a block, and noise without label; some ids fall under one class."""
    generator = torch.Generator().manual_seed(number)

    def uniform(count: int, low: list[float], high: list[float]) -> torch.Tensor:
        ends = torch.tensor(low), torch.tensor(high)
        return ends[0] + torch.rand(count, 3, generator=generator) * (ends[1] - ends[0])

    shift = 2.0 * number
    parts = [
        (ROAD, uniform(300, [-8.0, -8.0, -1.8], [8.0, 8.0, -1.7])),
        (POLE, uniform(60, [-4.0, shift, -1.5], [-3.9, shift + 0.1, 2.0])),
        (POLE, uniform(60, [3.0, -shift, -1.5], [3.1, 0.1 - shift, 2.0])),
        (CAR, uniform(120, [shift, -6.0, -1.5], [shift + 3.0, -4.5, -0.5])),
        (UNLABELLED, uniform(20, [-8.0, -8.0, 2.2], [8.0, 8.0, 2.6])),
    ]
    positions = torch.cat([points for _, points in parts])
    labels = torch.cat([torch.full((len(points),), kind) for kind, points in parts])
    order = torch.randperm(len(positions), generator=generator)
    cloud = PointCloud(
        positions[order],
        intensities=torch.rand(len(positions), generator=generator),
        labels=labels[order].to(torch.int32),
    )
    return Frame(f"01/{number:06d}", points=cloud)


@pytest.fixture
def scene() -> Scene:
    """Three frames."""
    return Scene("street", tuple(labelled_frame(i) for i in range(3)), metric=True)


@pytest.fixture
def config() -> SegmentConfig:
    """Trains in seconds."""
    return SegmentConfig(
        iterations=60,
        batch_size=2,
        dataset=DataConfig(low=(-10.0, -10.0, -3.0), high=(10.0, 10.0, 3.0)),
        augment=AugmentConfig(
            flip=False, rotation=0.0, scale=(1.0, 1.0), translation=(0.0, 0.0, 0.0), jitter=0.0
        ),
        network=NetworkConfig(
            voxel_size=(0.5, 0.5, 0.5), voxel_channels=8, channels=(8, 12), layers=(1, 1)
        ),
        rates=RateConfig(peak=1e-2),
    )
