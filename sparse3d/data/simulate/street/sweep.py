"""One turn of a LiDAR among surfaces: what comes back, from where, how strongly."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float64, Int
from torch import Tensor

from sparse3d.data.simulate.raycast import RayCaster
from sparse3d.data.simulate.street.sensors import LidarModel
from sparse3d.data.simulate.street.things import Finish
from sparse3d.geometry.transforms import transform_points
from sparse3d.scene import PointCloud

__all__ = ["Sweep", "take_sweep"]

_THROUGH = 0.15  # share of the rays that go on behind a pane
_FROM_PANE = 0.16  # share of the rays that a pane itself sends back
_BEHIND_PANE = 0.02  # metres behind a pane at which rays go on
_PATCH = 0.3  # metres; places of this size come back or fail together
_FADING = 110.0  # metres at which the intensity has fallen to nothing
_DARKENING = 0.0014  # of intensity lost a metre
_INTENSITY_NOISE = 0.015


@dataclass(frozen=True, slots=True)
class Sweep:
    """A cloud and what each point lies on."""

    points: PointCloud
    """In the frame of the sensor, with intensities and rings, in the order of the file."""
    parts: Int[Tensor, " n"]
    """Number of the surface that each point lies on."""


@dataclass(frozen=True, slots=True)
class _Finishes:
    """The numbers of all finishes as arrays; the last row is that of the sky."""

    reach: np.ndarray
    grazing: np.ndarray
    reflectance: np.ndarray
    glass: np.ndarray

    @classmethod
    def of(cls, finishes: Sequence[Finish]) -> "_Finishes":
        rows = [(f.reach, f.grazing, f.reflectance, f.glass) for f in finishes]
        columns = np.array([*rows, (1e-3, 1.0, 0.0, False)], np.float32).T
        return cls(columns[0], columns[1], columns[2], columns[3] > 0)


@dataclass(slots=True)
class _Echo:
    """What rays met: range, part (-1: sky) and cosine of the incidence of each."""

    ranges: np.ndarray
    parts: np.ndarray
    cosines: np.ndarray

    @classmethod
    def of(cls, caster: RayCaster, starts: np.ndarray, rays: np.ndarray) -> "_Echo":
        aim = torch.from_numpy(rays)
        hits = caster.cast(torch.from_numpy(starts), aim)
        cosines = (hits.normals * aim).sum(1).abs().clamp(1e-3, 1)
        return cls(hits.distances.numpy().copy(), hits.parts.numpy().copy(), cosines.numpy())


def take_sweep(
    caster: RayCaster,
    finishes: Sequence[Finish],
    lidar: LidarModel,
    world_from_ego: Float64[Tensor, "4 4"],
    rng: np.random.Generator,
) -> Sweep:
    """The returns of one turn.

    A ray comes back with a chance that falls with range over the finish's reach, which shrinks with
    the incidence. Panes let some rays through and mirror most others away.

    Args:
        caster: The surfaces in the world.
        finishes: Of each part of ``caster``.
        lidar: The sensor.
        world_from_ego: Pose of the sensor.
        rng: Source of all noise.
    """
    seen = lidar.seen()
    origins, directions = (array.reshape(-1, 3)[seen] for array in lidar.rays(rng))
    pose = world_from_ego.float()
    starts = transform_points(pose, torch.from_numpy(origins)).numpy()
    rays = (torch.from_numpy(directions) @ pose[:3, :3].T).numpy()
    table = _Finishes.of(finishes)
    echo = _Echo.of(caster, starts, rays)
    back = _pass_panes(caster, echo, starts, rays, table, rng)
    back &= _comes_back(echo, starts + rays * np.minimum(echo.ranges, 1e3)[:, None], table, rng)
    back &= (echo.ranges > lidar.nearest) & (echo.ranges < lidar.farthest)
    rows = back.nonzero()[0]
    rings = seen[rows] // lidar.columns
    return _measured(lidar, echo, table, rows, rings, origins[rows], directions[rows], rng)


def _pass_panes(
    caster: RayCaster,
    echo: _Echo,
    starts: np.ndarray,
    rays: np.ndarray,
    table: _Finishes,
    rng: np.random.Generator,
) -> np.ndarray:
    """Which rays are not lost at a pane; those that pass one get what they meet behind it."""
    chance = rng.random(len(rays), np.float32)
    pane = table.glass[echo.parts]
    through = (pane & (chance < _THROUGH)).nonzero()[0]
    offset = echo.ranges[through] + _BEHIND_PANE
    behind = _Echo.of(caster, starts[through] + rays[through] * offset[:, None], rays[through])
    echo.ranges[through] = behind.ranges + offset
    echo.parts[through] = behind.parts
    echo.cosines[through] = behind.cosines
    lost = pane & (chance < 1 - _FROM_PANE)
    lost[through] = table.glass[behind.parts]
    return ~lost


def _comes_back(
    echo: _Echo, places: np.ndarray, table: _Finishes, rng: np.random.Generator
) -> np.ndarray:
    reach = table.reach[echo.parts] * echo.cosines ** table.grazing[echo.parts]
    ratio = np.minimum(echo.ranges, 1e3) / reach
    ratio *= ratio
    return _patchy(places, rng) * (1 + ratio * ratio) < 1  # the fourth power


def _patchy(places: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Uniform numbers, alike within patches: the mean of one a patch and one a place, evened."""
    cells = np.floor(places * np.float32(1 / _PATCH)).astype(np.int32)
    mixed = cells[:, 0] * 73856093 + cells[:, 1] * 19349663 + cells[:, 2] * 83492791  # wraps
    shared = rng.random(1 << 14, np.float32)[(mixed ^ mixed >> 15) & ((1 << 14) - 1)]
    mean = (shared + rng.random(len(places), np.float32)) / 2
    return np.where(mean < 0.5, 2 * mean**2, 1 - 2 * (1 - mean) ** 2)


def _measured(
    lidar: LidarModel,
    echo: _Echo,
    table: _Finishes,
    rows: np.ndarray,
    rings: np.ndarray,
    origins: np.ndarray,
    directions: np.ndarray,
    rng: np.random.Generator,
) -> Sweep:
    """Points of the rays that came back, to the millimetre, and their intensities, to 1/100."""
    beams, parts = len(lidar.elevations), echo.parts[rows]
    noise = rng.standard_normal((2, len(rows)), np.float32)
    bias = rng.normal(0, lidar.bias, beams).astype(np.float32)
    gain = rng.normal(1, lidar.gain, beams).astype(np.float32)
    ranges = echo.ranges[rows] + noise[0] * np.float32(lidar.noise) + bias[rings]
    positions = origins + directions * ranges[:, None]
    reflectance = table.reflectance[parts]
    strength = reflectance * (0.35 + 0.65 * echo.cosines[rows]) * (1 - ranges / _FADING)
    strength *= gain[rings]
    strength += noise[1] * np.float32(_INTENSITY_NOISE) * (reflectance > 0) - _DARKENING * ranges
    cloud = PointCloud(
        torch.from_numpy(np.round(positions * np.float32(1000)) / np.float32(1000)),
        intensities=torch.from_numpy(
            (np.floor(strength * 100).clip(0, 100) / 100).astype(np.float32)
        ),
        rings=torch.from_numpy(rings.astype(np.int32)),
    )
    return Sweep(cloud, torch.from_numpy(parts))
