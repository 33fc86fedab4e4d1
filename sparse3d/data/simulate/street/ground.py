"""The ground: heights along a street, the road's crown, kerbs and raised pavements."""

import math
from dataclasses import dataclass

import numpy as np

from sparse3d.data.simulate.street.shapes import Number, sheet
from sparse3d.data.simulate.street.things import Finish, Surface

__all__ = ["Ground", "Street"]

_EDGE = 95.0  # metres; the ground ends there
_STEP = 6.0


@dataclass(frozen=True, slots=True)
class Street:
    """The plan: x along the road, y to the left, both from the middle of the road, metres."""

    lane: float
    """Width of a lane; there is one each way."""
    parking: tuple[bool, bool]
    """Whether there is a parking lane at the right and at the left."""
    pavement: float
    """Width of the pavements."""
    crossing: float | None
    """Where the middle of a crossing road is along x."""
    cross_half: float = 3.6
    """Half the width of the crossing road."""

    def edge(self, side: int) -> float:
        """Distance of the kerb from the middle; ``side`` is -1 right, 1 left."""
        return self.lane + 2.1 * self.parking[side > 0]

    def front(self, side: int) -> float:
        """Distance of the back of the pavement from the middle."""
        return self.edge(side) + self.pavement

    def crosses(self, x: Number, margin: Number) -> bool:
        """Whether a place is within ``margin`` of the crossing road."""
        return self.crossing is not None and abs(x - self.crossing) < self.cross_half + margin


@dataclass(frozen=True, slots=True)
class Ground:
    """Heights in metres about that under the origin."""

    crest: float
    """Second derivative along the road, 1/m: the road bends down ahead and behind, or up."""
    tilt: float
    """Slope to the left, beyond the road, m/m."""
    crown: float
    """Fall of the road from its middle, m/m."""
    kerb: float
    """Height of the pavement over the road."""
    waves: tuple[float, float, float]
    """Amplitude in metres, and phases of gentle waves."""

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> "Ground":
        """Slopes up to 3 % within 60 m, kerbs of 6 to 16 cm."""
        crest = float(np.clip(rng.normal(0, 2e-4), -5e-4, 5e-4))
        waves = (float(rng.uniform(0, 0.04)), *rng.uniform(0, 2 * math.pi, 2).tolist())
        tilt = float(np.clip(rng.normal(0, 0.01), -0.03, 0.03))
        crown, kerb = float(rng.uniform(0, 0.025)), float(rng.uniform(0.06, 0.16))
        return cls(crest, tilt, crown, kerb, (waves[0], waves[1], waves[2]))

    def heights(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Height of the road, or of what would be road, at places."""
        amplitude, first, second = self.waves
        wavy = np.sin(x / 6 + first) * np.sin(y / 8 + second) - np.sin(first) * np.sin(second)
        far = np.sign(y) * np.maximum(np.abs(y) - 4, 0)
        roof = -self.crown * np.minimum(np.abs(y), 5)
        return np.asarray(0.5 * self.crest * x**2 + self.tilt * far + roof + amplitude * wavy)

    def at(self, x: Number, y: Number, *, raised: bool = False) -> float:
        """Height at a place, of the pavement where ``raised``."""
        return float(self.heights(np.array(x), np.array(y))) + self.kerb * raised

    def surfaces(self, street: Street, rng: np.random.Generator) -> list[Surface]:
        """The road and the raised ground beside it."""
        road = Finish((0.3, 0.3, 0.31), float(rng.uniform(0.35, 0.65)), 190.0, 0.3)
        paving = Finish((0.5, 0.49, 0.46), float(rng.uniform(0.4, 0.7)), 190.0, 0.3)
        lines = np.unique([*np.arange(-_EDGE, _EDGE + 1, _STEP), -8, -4, -2, 0, 2, 4, 8])
        surfaces = [Surface(self._sheet(lines, lines), road)]
        gap = street.crossing
        spans = [(-_EDGE, _EDGE)]
        if gap is not None:
            spans = [(-_EDGE, gap - street.cross_half), (gap + street.cross_half, _EDGE)]
        for side in (-1, 1):
            for start, end in spans:
                near, far = side * street.edge(side), side * _EDGE
                xs, ys = _lines(start, end), _lines(min(near, far), max(near, far))
                surfaces.append(Surface(self._slab(xs, ys), paving))
        return surfaces

    def _sheet(self, xs: np.ndarray, ys: np.ndarray):
        return sheet(xs, ys, self.heights(xs[:, None], ys[None]))

    def _slab(self, xs: np.ndarray, ys: np.ndarray):
        """A raised sheet whose outermost lines are drawn down to form the kerb."""
        xs, ys = (np.concatenate([v[:1], v, v[-1:]]) for v in (xs, ys))
        heights = self.heights(xs[:, None], ys[None]) + self.kerb
        heights[[0, -1]] -= 0.3
        heights[1:-1, [0, -1]] -= 0.3
        return sheet(xs, ys, heights)


def _lines(start: float, end: float) -> np.ndarray:
    """Both ends and places between at which the sheet under the slab has lines, too."""
    inner = np.arange(-_EDGE, _EDGE + 1, _STEP)
    fine = np.concatenate([inner, [-8, -4, -2, 0, 2, 4, 8]])
    return np.unique([start, *fine[(fine > start + 0.05) & (fine < end - 0.05)], end])
