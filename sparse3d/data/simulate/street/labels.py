"""Labels of what a frame shows: tight boxes, and KITTI's truncation and occlusion."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, Int
from torch import Tensor

from sparse3d.data.simulate.street.stage import Stage
from sparse3d.data.simulate.street.things import Thing
from sparse3d.geometry.rotations import matrix_from_yaw, wrap_angle
from sparse3d.geometry.transforms import invert_rigid, transform_points
from sparse3d.scene import Boxes3D, Camera, ImageBoxes, PointCloud
from sparse3d.scene.formats.kitti_calibration import KittiCalibration
from sparse3d.scene.formats.kitti_labels import labels_from_boxes

__all__ = ["hidden_shares", "image_boxes", "in_view", "occlusion_levels", "tight_boxes"]

_SAMPLES = 160
_PARTLY, _LARGELY = 0.12, 0.5  # shares hidden from which an object counts as occluded
_FEW = 5  # points; with fewer the occlusion is unknown
_LEAST_INSIDE = 0.05  # share of an object's rectangle that must lie in the image


def tight_boxes(things: Sequence[Thing], world_from_ego: Float64[Tensor, "4 4"]) -> Boxes3D:
    """The smallest boxes around placed things that are upright in the frame of the sensor."""
    ego_from_world = invert_rigid(world_from_ego)
    turn = float(torch.atan2(ego_from_world[1, 0], ego_from_world[0, 0]))
    yaws = wrap_angle(torch.tensor([thing.yaw + turn for thing in things], dtype=torch.float64))
    rotations = matrix_from_yaw(yaws)
    rows = []
    for thing, rotation in zip(things, rotations, strict=True):
        vertices = np.concatenate([surface.shape.vertices for surface in thing.surfaces])
        local = transform_points(ego_from_world, torch.from_numpy(vertices)) @ rotation
        low, high = local.amin(0), local.amax(0)
        rows.append(torch.cat([rotation @ ((low + high) / 2), high - low]))
    table = torch.stack(rows) if rows else torch.zeros(0, 6, dtype=torch.float64)
    names = tuple(thing.name for thing in things)
    return Boxes3D(table[:, :3].float(), table[:, 3:].float(), yaws.float(), names)


def image_boxes(boxes: Boxes3D, camera: Camera, occlusions: Int[Tensor, " n"]) -> ImageBoxes:
    """Rectangles cut to the image (-1 outside of it), alphas, and the shares cut away."""
    identity = torch.eye(4, dtype=torch.float64)
    calibration = KittiCalibration.of_camera(camera, identity)
    size = camera.intrinsics.width, camera.intrinsics.height
    rows = labels_from_boxes(replace(boxes, image=None), calibration, size)
    whole = calibration.rectangles(boxes.rows())
    inside = calibration.rectangles(boxes.rows(), size)
    share = _area(inside) / _area(whole).clamp_min(1e-9)
    return ImageBoxes(
        rectangles=inside.float(),
        alphas=torch.tensor([row.alpha for row in rows], dtype=torch.float32),
        truncations=(1 - share).clamp(0, 1).float(),
        occlusions=occlusions.to(torch.int32),
    )


def in_view(
    image: ImageBoxes, points: PointCloud, owners: Int[Tensor, " n"], camera: Camera
) -> Bool[Tensor, " b"]:
    """Which objects are labelled as KITTI does: in the image, with a point that is, too."""
    mine = owners >= 0
    places = points.positions[mine].double()
    local = transform_points(invert_rigid(camera.world_from_camera), places)
    pixels, front = camera.intrinsics.project(local)
    size = pixels.new_tensor([camera.intrinsics.width, camera.intrinsics.height])
    seen = front & ((pixels >= 0) & (pixels < size)).all(1)
    counts = count_by_owner(owners[mine][seen], len(image.alphas))
    return (counts > 0) & (image.truncations <= 1 - _LEAST_INSIDE)


def occlusion_levels(hidden: Float[Tensor, " b"], points: Int[Tensor, " b"]) -> Int[Tensor, " b"]:
    """KITTI's levels: 0 visible, 1 partly, 2 largely hidden, 3 unknown for lack of points."""
    levels = (hidden >= _PARTLY).int() + (hidden >= _LARGELY).int()
    return torch.where(points < _FEW, 3, levels)


def count_by_owner(owners: Int[Tensor, " n"], count: int) -> Int[Tensor, " b"]:
    """Number of points of each object; background (-1) is not counted."""
    return torch.bincount(owners[owners >= 0], minlength=count)


def hidden_shares(
    stage: Stage,
    eye: Float64[Tensor, " 3"],
    wanted: Bool[Tensor, " b"],
    rng: np.random.Generator,
) -> Float[Tensor, " b"]:
    """Share of each object's surface towards the eye that other things hide.

    Rays go to places spread evenly over what would be seen of each object if it stood alone; those
    that meet something else first are hidden.

    Args:
        stage: The street.
        eye: Place of the camera in the world.
        wanted: Which objects are looked at; the others get 1.
        rng: Draws the places.
    """
    shares, numbers = torch.ones(len(stage.objects)), wanted.nonzero()[:, 0]
    if len(numbers) == 0:
        return shares
    looked_at = [stage.objects[i] for i in numbers.tolist()]
    targets = np.concatenate([_facing_places(thing, eye.numpy(), rng) for thing in looked_at])
    aim = torch.from_numpy((targets - eye.numpy()).astype(np.float32))
    hits = stage.caster.cast(eye.float()[None], aim)
    other = stage.owners(hits.parts).reshape(-1, _SAMPLES) != numbers[:, None]
    before = (hits.distances < 0.995).reshape(-1, _SAMPLES)
    shares[numbers] = (other & before).float().mean(1)
    return shares


def _facing_places(thing: Thing, eye: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Places [_SAMPLES, 3] on the triangles that face the eye, even in solid angle."""
    corners = np.concatenate([s.shape.vertices[s.shape.triangles] for s in thing.surfaces])
    first, edges = corners[:, 0], corners[:, 1:] - corners[:, :1]
    towards = eye - corners.mean(1)
    facing = (np.cross(edges[:, 0], edges[:, 1]) * towards).sum(1).clip(0)
    weights = facing / np.linalg.norm(towards, axis=1) ** 3
    ends = np.cumsum(weights)
    picked = np.searchsorted(ends, rng.random(_SAMPLES) * ends[-1]).clip(max=len(ends) - 1)
    along = rng.random((_SAMPLES, 2))
    along = np.where(along.sum(1, keepdims=True) > 1, 1 - along, along)
    return first[picked] + (edges[picked] * along[..., None]).sum(1)


def _area(rectangles: Float64[Tensor, "n 4"]) -> Float64[Tensor, " n"]:
    return (rectangles[:, 2] - rectangles[:, 0]) * (rectangles[:, 3] - rectangles[:, 1])
