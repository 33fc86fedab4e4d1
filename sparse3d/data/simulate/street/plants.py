"""Hedges, bushes and trees as clouds of leaves that a laser enters."""

import numpy as np

from sparse3d.data.simulate.street.shapes import leaves, tube
from sparse3d.data.simulate.street.things import Color, Finish, Surface, Thing, varied

__all__ = ["bush", "hedge", "tree", "tree_row"]

_GREEN: Color = (0.22, 0.36, 0.12)
_BARK = Finish((0.3, 0.24, 0.18), 0.3, 130.0, 0.3)


def hedge(length: float, depth: float, height: float, rng: np.random.Generator) -> Thing:
    """A clipped hedge along x: leaves over a box, denser near its surface."""
    count = int(70 * (2 * length * height + length * depth) ** 0.8)
    places = rng.uniform(-1, 1, (count, 3))
    axis = rng.choice(2, count, p=(0.6, 0.4)) + 1  # push most leaves to the sides and the top
    rows = np.arange(count)
    places[rows, axis] = np.sign(places[rows, axis]) * (1 - 0.15 * rng.random(count) ** 2)
    places[:, 2] = np.abs(places[:, 2])
    size = np.array([length / 2, depth / 2, height])
    return Thing((Surface(leaves(places * size, 0.16, rng), _foliage(rng)),))


def bush(radius: float, height: float, rng: np.random.Generator) -> Thing:
    """A round bush of lumpy outline."""
    places = _lumps(int(160 * max(radius, 0.4) * max(height, 0.5)) + 80, rng)
    places[:, 2] = np.abs(places[:, 2])
    scaled = places * np.array([radius, radius * rng.uniform(0.6, 1.2), height])
    return Thing((Surface(leaves(scaled, 0.15, rng), _foliage(rng)),))


def tree(height: float, rng: np.random.Generator) -> Thing:
    """A trunk under a crown."""
    crown, radius = height * rng.uniform(0.55, 0.75), height * rng.uniform(0.18, 0.32)
    thick = 0.012 * height + 0.06
    trunk = tube([(0, 0, -0.2), (0.1, 0, height * 0.7)], (thick, 0.5 * thick), 8)
    places = _lumps(int(90 * radius**1.5) + 120, rng) * np.array([radius, radius, crown / 2])
    crown_mesh = leaves(places + np.array([0, 0, height - crown / 2]), 0.3, rng)
    return Thing((Surface(trunk, _BARK), Surface(crown_mesh, _foliage(rng))))


def tree_row(length: float, height: float, rng: np.random.Generator) -> Thing:
    """The edge of a wood along x, for the far ground."""
    count = int(1.1 * length * height)
    places = rng.uniform((-length / 2, -1, 0), (length / 2, 1, 1), (count, 3))
    outline = 0.75 + 0.25 * np.sin(places[:, 0] * 0.9 + rng.uniform(0, 6))
    places[:, 2] = height * outline * places[:, 2] ** 1.5  # denser where a laser looks
    return Thing((Surface(leaves(places, 1.6, rng), _foliage(rng)),))


def _foliage(rng: np.random.Generator) -> Finish:
    color = varied(_GREEN, rng, 0.05)
    return Finish(color, float(rng.uniform(0.15, 0.6)), 110.0, 0.15)


def _lumps(count: int, rng: np.random.Generator) -> np.ndarray:
    """Places about the unit ball, in lumps, thinner inside."""
    centers = rng.normal(0, 1, (9, 3))
    centers *= 0.55 / np.linalg.norm(centers, axis=1, keepdims=True)
    offsets = rng.normal(0, 1, (count, 3))
    offsets *= (0.5 * rng.random(count) ** 0.25 / np.linalg.norm(offsets, axis=1))[:, None]
    return centers[rng.integers(9, size=count)] + offsets
