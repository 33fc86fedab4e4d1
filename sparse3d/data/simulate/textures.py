"""Solid textures: colour as a function of the place, so that surfaces need no coordinates."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["Material", "SolidNoise", "Texture"]

Texture = Literal["plaster", "wood", "brick", "checker", "mosaic", "marble", "fabric"]

_PERIOD = 64


class SolidNoise:
    """Random fields over space that repeat every 64 cells.

    Args:
        seed: Seed of the fields.
    """

    def __init__(self, seed: int) -> None:
        rng = torch.Generator().manual_seed(seed)
        values = torch.rand(_PERIOD, _PERIOD, _PERIOD, generator=rng)
        for dim in range(3):  # the first layer again behind the last, for interpolation
            values = torch.cat([values, values.narrow(dim, 0, 1)], dim)
        self._values = values[None, None]
        self._colors = torch.rand(_PERIOD, _PERIOD, _PERIOD, 3, generator=rng)

    def smooth(self, points: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
        """Trilinear value noise in [0, 1], one random value a unit cell."""
        grid = torch.remainder(points, _PERIOD) * (2 / _PERIOD) - 1
        sampled = torch.nn.functional.grid_sample(
            self._values, grid[None, None, None], align_corners=True, padding_mode="border"
        )
        return sampled.reshape(-1)

    def fractal(self, points: Float[Tensor, "n 3"], octaves: int = 3) -> Float[Tensor, " n"]:
        """Sum of octaves of :meth:`smooth`, each twice as fine and half as strong, in [0, 1]."""
        total = sum(self.smooth(points * 2**i + 17.3 * i) * 0.5**i for i in range(octaves))
        return torch.as_tensor(total) / (2 - 0.5 ** (octaves - 1))

    def cells(self, points: Float[Tensor, "n 3"]) -> Float[Tensor, "n 3"]:
        """A random colour for each unit cell."""
        x, y, z = torch.remainder(points.floor().long(), _PERIOD).unbind(1)
        return self._colors[x, y, z]


@dataclass(frozen=True, slots=True)
class Material:
    """How a surface looks."""

    texture: Texture
    """Kind of pattern."""
    first: tuple[float, float, float]
    """Main colour, RGB in [0, 1]."""
    second: tuple[float, float, float]
    """Colour of joints, grain or the other squares."""
    scale: float
    """Size of the pattern's largest feature, metres."""

    def colors(self, points: Float[Tensor, "n 3"], noise: SolidNoise) -> Float[Tensor, "n 3"]:
        """Albedo at places in the world, RGB in [0, 1]."""
        share, tint = _PATTERNS[self.texture](points / self.scale, noise)
        first, second = torch.tensor(self.first), torch.tensor(self.second)
        mixed = first + (second - first) * share[:, None]
        return (mixed * tint).clamp(0, 1)


Pattern = tuple[Float[Tensor, " n"], Float[Tensor, "n c"]]  # share of the second colour, tint


def _speckle(p: Tensor, noise: SolidNoise, strength: float) -> Tensor:
    return 1 + strength * (noise.fractal(p * 23, 2)[:, None] - 0.5)


def _plaster(p: Tensor, noise: SolidNoise) -> Pattern:
    return noise.fractal(p, 4), _speckle(p, noise, 0.35)


def _wood(p: Tensor, noise: SolidNoise) -> Pattern:
    board = torch.stack([(p[:, 0] / 4).floor(), p[:, 1].floor(), p[:, 2].floor()], 1)
    shade = noise.cells(board * 3 + 5)[:, :1]
    grain = noise.fractal(p * p.new_tensor([2.0, 24.0, 24.0]) + 7 * board, 3)
    joint = ((p[:, 1] - p[:, 1].floor()) < 0.03).float()
    return torch.maximum(0.6 * grain, joint), 0.75 + 0.4 * shade


def _brick(p: Tensor, noise: SolidNoise) -> Pattern:
    row = (p[:, 2] * 3).floor()
    along = p[:, 0] + p[:, 1] + 0.5 * torch.remainder(row, 2)
    column = along.floor()
    mortar = ((along - column) < 0.06) | ((p[:, 2] * 3 - row) < 0.15)
    shade = noise.cells(torch.stack([column, row, torch.zeros_like(row)], 1))
    return mortar.float(), (0.7 + 0.4 * shade[:, :1]) * _speckle(p, noise, 0.5)


def _checker(p: Tensor, noise: SolidNoise) -> Pattern:
    parity = torch.remainder((p + 1e-4).floor().sum(1), 2)
    return parity, _speckle(p, noise, 0.4)


def _mosaic(p: Tensor, noise: SolidNoise) -> Pattern:
    coarse, fine = noise.cells(p), noise.cells(p * 4 + 11)
    pick = (noise.cells(p * 2 + 3)[:, :1] > 0.45).float()
    color = pick * fine + (1 - pick) * coarse
    return torch.zeros(len(p)), 0.12 + 0.5 * color + 0.3 * color.mean(1, keepdim=True)


def _marble(p: Tensor, noise: SolidNoise) -> Pattern:
    vein = torch.sin(9 * (p[:, 0] + p[:, 2]) + 14 * noise.fractal(p * 3, 4))
    return (1 - vein.abs()).clamp_min(0) ** 3, _speckle(p, noise, 0.25)


def _fabric(p: Tensor, noise: SolidNoise) -> Pattern:
    threads = torch.sin(25 * p).prod(1)
    blots = (noise.fractal(p * 2, 3) > 0.52).float()
    return blots, 0.9 + 0.2 * threads[:, None]


_PATTERNS: dict[Texture, Callable[[Tensor, SolidNoise], Pattern]] = {
    "plaster": _plaster,
    "wood": _wood,
    "brick": _brick,
    "checker": _checker,
    "mosaic": _mosaic,
    "marble": _marble,
    "fabric": _fabric,
}
