"""Spinning LiDARs: beams, order of the returns, which of them come back, noise and intensity.

The table of ``HDL64E`` was measured on recorded sweeps: elevations and heights of the beams'
origins, azimuth step, noise and the car's own shadow (see also Geiger et al., "Vision meets
robotics", 2013, for the sensor).
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

__all__ = ["HDL64E", "LidarModel", "Shadow"]

_UPPER = (
    *(1.94, 1.57, 1.30, 0.87, 0.58, 0.18, -0.09, -0.45, -0.80, -1.20, -1.49, -1.83, -2.21, -2.55),
    *(-2.87, -3.24, -3.54, -3.94, -4.22, -4.59, -4.91, -5.25, -5.61, -5.96, -6.33, -6.68, -7.00),
    *(-7.29, -7.68, -8.06, -8.31, -8.71),
)
_LOWER = (
    *(-9.03, -9.57, -10.06, -10.47, -10.96, -11.60, -12.11, -12.56, -13.04, -13.48, -14.05),
    *(-14.60, -15.19, -15.66, -16.18, -16.55, -17.19, -17.73, -18.32, -18.80, -19.32, -19.74),
    *(-20.22, -20.79, -21.32, -21.94, -22.44, -22.86, -23.32, -23.97, -24.51, -25.00),
)


@dataclass(frozen=True, slots=True)
class Shadow:
    """Azimuths that the carrying car hides from some beams."""

    lowest: float | int
    """Elevation of the lowest beam concerned, degrees."""
    highest: float | int
    """Elevation of the highest, degrees."""
    sectors: tuple[tuple[float | int, float | int], ...]
    """From and to, degrees counter-clockwise from straight ahead; may pass 360."""


@dataclass(frozen=True, slots=True)
class LidarModel:
    """A spinning LiDAR whose axis is z of its frame."""

    elevations: tuple[float, ...]
    """Degrees above the horizon of each beam, from the top."""
    heights: tuple[float, ...]
    """Where each beam starts on the axis, metres above the frame's origin."""
    columns: int
    """Firings in a turn."""
    nearest: float = 1.4
    """Shortest range, metres."""
    farthest: float = 80.0
    """Longest range, metres."""
    noise: float = 0.008
    """Standard deviation of the range of every return, metres."""
    bias: float = 0.005
    """Standard deviation of each beam's own error of the range, metres."""
    jitter: float = 0.01
    """Standard deviation of each beam's elevation about the table, degrees."""
    gain: float = 0.15
    """Standard deviation of each beam's factor of the intensity."""
    shadows: tuple[Shadow, ...] = ()
    """What the carrying car hides."""

    def rays(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Origins and unit directions of one turn in the frame of the sensor, float32.

        Returns:
            Origins [beams, columns, 3] and directions [beams, columns, 3], ring by ring from the
            top, counter-clockwise from straight ahead; shadowed rays are not left out.
        """
        count = len(self.elevations)
        tilt = np.radians(np.asarray(self.elevations) + rng.normal(0, self.jitter, count))
        phase = rng.uniform(0.02, 0.98, (count, 1))
        step = 2 * math.pi / self.columns
        azimuth = ((np.arange(self.columns) + phase) * step).astype(np.float32)
        flat = np.cos(tilt)[:, None]
        directions = np.empty((*azimuth.shape, 3), np.float32)
        directions[..., 0] = flat * np.cos(azimuth)
        directions[..., 1] = flat * np.sin(azimuth)
        directions[..., 2] = np.sin(tilt)[:, None]
        origins = np.zeros_like(directions)
        origins[..., 2] = np.asarray(self.heights)[:, None]
        return origins, directions

    @lru_cache(maxsize=8)  # noqa: B019 - models are few, frozen and small
    def seen(self) -> np.ndarray:
        """Numbers of the rays that the carrying car does not hide; not to be written to."""
        return (~self._shadowed().reshape(-1)).nonzero()[0]

    def _shadowed(self) -> np.ndarray:
        """Which columns each beam does not see for the carrying car, [beams, columns]."""
        azimuth = (np.arange(self.columns) + 0.5) * (360 / self.columns)
        hidden = np.zeros((len(self.elevations), self.columns), bool)
        for shadow in self.shadows:
            low, high = shadow.lowest, shadow.highest
            rows = [low <= elevation < high for elevation in self.elevations]
            for start, end in shadow.sectors:
                hidden[rows] |= (azimuth - start) % 360 < end - start
        return hidden


HDL64E = LidarModel(
    elevations=_UPPER + _LOWER,
    heights=(*np.linspace(0.209, 0.198, 32).tolist(), *np.linspace(0.126, 0.116, 32).tolist()),
    columns=2005,
    shadows=(
        Shadow(
            *(-90, -24.2),
            ((340, 379), (125, 141), (145, 210), (216, 233), (279, 282), (321, 330)),
        ),
        Shadow(-24.2, -21.5, ((344, 377), (129, 137), (154, 209), (229, 237), (284, 296))),
        Shadow(-21.5, -18.0, ((172, 190), (281, 302))),
        Shadow(-18.0, -14.8, ((157, 165), (198, 206), (288, 300))),
    ),
)
"""Velodyne HDL-64E as KITTI carried it: two blocks of 32 beams with origins of their own."""
