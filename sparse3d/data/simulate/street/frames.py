"""One frame: a street of its own, the sweep of the LiDAR, labels, and the photo if wanted."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from sparse3d.data.simulate.street.labels import (
    count_by_owner,
    hidden_shares,
    image_boxes,
    in_view,
    occlusion_levels,
    tight_boxes,
)
from sparse3d.data.simulate.street.layout import lay_out
from sparse3d.data.simulate.street.picture import photograph
from sparse3d.data.simulate.street.sensors import HDL64E, LidarModel
from sparse3d.data.simulate.street.stage import Stage
from sparse3d.data.simulate.street.sweep import take_sweep
from sparse3d.geometry.intrinsics import Intrinsics
from sparse3d.geometry.transforms import rigid, transform_points
from sparse3d.scene import Boxes3D, Camera, PointCloud

__all__ = ["SimulatedFrame", "front_camera", "simulate_frame"]


@dataclass(frozen=True, slots=True)
class SimulatedFrame:
    """What was seen of a street, all in the frame of the LiDAR."""

    points: PointCloud
    """The sweep, in the order of KITTI's files."""
    owners: Int[Tensor, " n"]
    """Row of ``boxes`` that each point belongs to, -1 for background."""
    boxes: Boxes3D
    """All objects around that have a point, with their appearance in the camera."""
    labelled: Boxes3D
    """Those that KITTI would label: in the image."""
    image: Float[Tensor, "h w 3"] | None
    """The photo in [0, 1], where wanted."""


def front_camera(name: str, image: Path | None = None) -> Camera:
    """KITTI's left colour camera, posed in the frame of the LiDAR."""
    axes = torch.tensor([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]], dtype=torch.float64)
    place = torch.tensor([0.27, 0.0, -0.08], dtype=torch.float64)
    lens = Intrinsics(1242, 375, 721.5377, 721.5377, 609.5593, 172.854)
    return Camera(name, lens, rigid(axes, place), image_path=image)


def simulate_frame(
    seed: int, index: int, *, with_image: bool = False, lidar: LidarModel = HDL64E
) -> SimulatedFrame:
    """The frame of a seed and a number, which no other frame has a part in.

    Args:
        seed: Of the whole set.
        index: Number of the frame.
        with_image: Whether the photo is rendered.
        lidar: The sensor.

    Raises:
        MissingDependencyError: If Open3D is not installed.
    """
    layout, noise, light = (
        np.random.default_rng(s) for s in np.random.SeedSequence((seed, index)).spawn(3)
    )
    world = lay_out(layout)
    stage, camera = Stage(world.things, world.ground), front_camera("image_2")
    sweep = take_sweep(stage.caster, stage.finishes, lidar, world.world_from_ego, noise)
    owners = stage.owners(sweep.parts)
    counts = count_by_owner(owners, len(stage.objects))
    eye = transform_points(world.world_from_ego, camera.world_from_camera[:3, 3])
    levels = occlusion_levels(hidden_shares(stage, eye, counts > 0, noise), counts)
    boxes = tight_boxes(stage.objects, world.world_from_ego)
    boxes = replace(boxes, image=image_boxes(boxes, camera, levels))
    pose = world.world_from_ego @ camera.world_from_camera
    image = photograph(stage, camera.intrinsics, pose, light) if with_image else None
    return _packed(sweep.points, owners, boxes, camera, image)


def _packed(
    points: PointCloud,
    owners: Int[Tensor, " n"],
    boxes: Boxes3D,
    camera: Camera,
    image: Float[Tensor, "h w 3"] | None,
) -> SimulatedFrame:
    """Leave out the objects that no ray reached, and number the owners anew."""
    met = count_by_owner(owners, len(boxes)) > 0
    numbers = torch.cat([met.long().cumsum(0) - 1, torch.tensor([-1])])  # the last: background
    owners, boxes = numbers[owners], boxes.select(met)
    assert boxes.image is not None
    labelled = boxes.select(in_view(boxes.image, points, owners, camera))
    return SimulatedFrame(points, owners, boxes, labelled, image)
