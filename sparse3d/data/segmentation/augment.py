"""Random changes of training sweeps: mirror, rotation, scale, shift, noise, dropped intensities."""

import math
from dataclasses import replace

import torch

from sparse3d.data.motion import Motion
from sparse3d.data.segmentation.config import AugmentConfig
from sparse3d.data.segmentation.sample import Sample

__all__ = ["augment"]


def augment(sample: Sample, config: AugmentConfig, generator: torch.Generator) -> Sample:
    """A randomly changed copy of a sample. Points may leave the range that it was cropped to.

    Args:
        sample: In the LiDAR frame; not changed.
        config: What is drawn from where.
        generator: On the CPU. The same numbers of draws are made in the same order whatever the
            configuration, so that the same generator state gives the same sample.
    """
    uniform = torch.rand(4, generator=generator, dtype=torch.float64)
    normal = torch.randn(3, generator=generator, dtype=torch.float64)
    noise = torch.randn(len(sample.points), 3, generator=generator)
    low, high = config.scale
    motion = Motion(
        mirrored=config.flip and bool(uniform[0] < 0.5),
        angle=(2 * uniform[1] - 1) * math.radians(config.rotation),
        scale=low + (high - low) * uniform[2].item(),
        shift=normal * torch.tensor(config.translation, dtype=torch.float64),
    )
    moved = motion.positions(sample.points.positions) + config.jitter * noise
    points = replace(sample.points, positions=moved)
    if uniform[3] < config.drop_intensity and points.intensities is not None:
        points = replace(points, intensities=torch.zeros_like(points.intensities))
    return replace(sample, points=points)
