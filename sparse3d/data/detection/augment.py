"""Random changes of training samples: mirror, rotation, scale, shift, dropped intensities."""

import math
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from sparse3d.data.detection.config import AugmentConfig
from sparse3d.data.detection.sample import Sample
from sparse3d.data.motion import Motion
from sparse3d.scene import Boxes3D

__all__ = ["augment"]


def augment(sample: Sample, config: AugmentConfig, generator: torch.Generator) -> Sample:
    """A randomly changed copy of a sample; points, boxes and ignored boxes move together.

    Things may leave the range that the sample was cropped to, see
    :func:`~sparse3d.data.detection.crop.crop_to_range`.

    Args:
        sample: In the LiDAR frame; not changed.
        config: What is drawn from where.
        generator: On the CPU. The same numbers of draws are made in the same order whatever the
            configuration, so that the same generator state gives the same sample.
    """
    uniform = torch.rand(4, generator=generator, dtype=torch.float64)
    normal = torch.randn(3, generator=generator, dtype=torch.float64)
    low, high = config.scale
    motion = Motion(
        mirrored=config.flip and bool(uniform[0] < 0.5),
        angle=(2 * uniform[1] - 1) * math.radians(config.rotation),
        scale=low + (high - low) * uniform[2].item(),
        shift=normal * torch.tensor(config.translation, dtype=torch.float64),
    )
    points = replace(sample.points, positions=motion.positions(sample.points.positions))
    if uniform[3] < config.drop_intensity and points.intensities is not None:
        points = replace(points, intensities=torch.zeros_like(points.intensities))
    boxes, ignored = _moved(sample.boxes, motion), _moved(sample.ignored, motion)
    return Sample(sample.name, points, boxes, ignored)


def _moved(boxes: Boxes3D, motion: Motion) -> Boxes3D:
    """The boxes moved; what is known of them in an image no longer holds and is dropped."""
    yaws = -boxes.yaws if motion.mirrored else boxes.yaws
    velocities = boxes.velocities
    return replace(
        boxes,
        centers=motion.positions(boxes.centers),
        sizes=boxes.sizes * motion.scale,
        yaws=yaws + motion.angle.to(yaws),
        velocities=None if velocities is None else _turned(velocities, motion),
        image=None,
    )


def _turned(velocities: Float[Tensor, "n 2"], motion: Motion) -> Float[Tensor, "n 2"]:
    flat = torch.cat([velocities, torch.zeros_like(velocities[:, :1])], dim=1)
    return motion.directions(flat)[:, :2]
