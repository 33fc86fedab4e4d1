"""Random changes of training samples: mirror, rotation, scale, shift, dropped intensities."""

import math
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from sparse3d.data.detection.config import AugmentConfig
from sparse3d.data.detection.sample import Sample
from sparse3d.geometry.rotations import matrix_from_yaw
from sparse3d.scene import Boxes3D

__all__ = ["augment"]


@dataclass(frozen=True, slots=True)
class _Motion:
    """Mirrors y, then turns by ``angle`` about z, then scales, then shifts."""

    mirrored: bool
    angle: Float64[Tensor, ""]
    scale: float
    shift: Float64[Tensor, " 3"]

    def directions(self, vectors: Float[Tensor, "n 3"]) -> Float[Tensor, "n 3"]:
        """Differences of positions; in the dtype of the input, as all of these are."""
        sign = vectors.new_tensor([1.0, -1.0 if self.mirrored else 1.0, 1.0])
        rotation = matrix_from_yaw(self.angle).to(vectors)
        return self.scale * (vectors * sign) @ rotation.T

    def positions(self, positions: Float[Tensor, "n 3"]) -> Float[Tensor, "n 3"]:
        return self.directions(positions) + self.shift.to(positions)

    def velocities(self, velocities: Float[Tensor, "n 2"]) -> Float[Tensor, "n 2"]:
        flat = torch.cat([velocities, torch.zeros_like(velocities[:, :1])], dim=1)
        return self.directions(flat)[:, :2]

    def boxes(self, boxes: Boxes3D) -> Boxes3D:
        """The boxes moved; what is known of them in an image no longer holds and is dropped."""
        yaws = -boxes.yaws if self.mirrored else boxes.yaws
        velocities = boxes.velocities
        return replace(
            boxes,
            centers=self.positions(boxes.centers),
            sizes=boxes.sizes * self.scale,
            yaws=yaws + self.angle.to(yaws),
            velocities=None if velocities is None else self.velocities(velocities),
            image=None,
        )


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
    motion = _Motion(
        mirrored=config.flip and bool(uniform[0] < 0.5),
        angle=(2 * uniform[1] - 1) * math.radians(config.rotation),
        scale=low + (high - low) * uniform[2].item(),
        shift=normal * torch.tensor(config.translation, dtype=torch.float64),
    )
    points = replace(sample.points, positions=motion.positions(sample.points.positions))
    if uniform[3] < config.drop_intensity and points.intensities is not None:
        points = replace(points, intensities=torch.zeros_like(points.intensities))
    boxes, ignored = motion.boxes(sample.boxes), motion.boxes(sample.ignored)
    return Sample(sample.name, points, boxes, ignored)
