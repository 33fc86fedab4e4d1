"""What else stands about: poles, signs, bins, containers, trailers, shelters, boxes."""

import numpy as np

from sparse3d.data.simulate.street.shapes import boxes, cylinder, tube
from sparse3d.data.simulate.street.things import Color, Finish, Surface, Thing, varied

__all__ = ["bin_on_wheels", "cabinet", "container", "pillar", "pole", "shelter"]

_STEEL = Finish((0.45, 0.46, 0.47), 0.35, 120.0, 0.3)
_SIGN = Finish((0.8, 0.1, 0.1), 1.0, 250.0, 0.2)
_PANE = Finish((0.5, 0.55, 0.6), 0.1, 60.0, 0.8, glass=True)
_PAINTS: tuple[Color, ...] = ((0.1, 0.3, 0.15), (0.55, 0.3, 0.1), (0.2, 0.25, 0.4), (0.4, 0.4, 0.4))


def pole(rng: np.random.Generator) -> Thing:
    """A lamp post, or a sign on a post."""
    tall = rng.random() < 0.5
    height = float(rng.uniform(5, 9) if tall else rng.uniform(2.1, 2.8))
    radius = 0.09 if tall else 0.035
    post = Surface(tube([(0, 0, -0.1), (0, 0, height)], (radius, radius * 0.7)), _STEEL)
    if tall:
        arm = boxes([(0, -0.7, height)], [(0.2, 1.5, 0.12)])
        return Thing((post, Surface(arm, _STEEL)))
    plate = boxes([(-0.05, 0, height - 0.3)], [(0.02, 0.6, 0.6)])
    return Thing((post, Surface(plate, _SIGN)))


def bin_on_wheels(rng: np.random.Generator) -> Thing:
    """A dustbin."""
    scale = float(rng.uniform(0.8, 1.3))
    parts = [(0.0, 0.0, 0.5 * scale), (0.0, 0.03, 1.0 * scale)]
    sizes = [(0.5 * scale, 0.55 * scale, 0.98 * scale), (0.56 * scale, 0.62 * scale, 0.06)]
    return Thing((Surface(boxes(parts, sizes), _painted(rng)),))


def container(rng: np.random.Generator) -> Thing:
    """A skip, crate, trailer or stack about as large as a car."""
    length, width = float(rng.uniform(2.0, 4.8)), float(rng.uniform(1.2, 2.0))
    height, lift = float(rng.uniform(0.9, 2.2)), float(rng.uniform(0, 0.5))
    parts = [(0.0, 0.0, lift + (height - lift) / 2)]
    sizes = [(length, width, height - lift)]
    feet = [(x * length * 0.4, y * width * 0.4, lift / 2 + 0.02) for x in (-1, 1) for y in (-1, 1)]
    sizes += [(0.25, 0.15, lift + 0.04)] * 4
    return Thing((Surface(boxes([*parts, *feet], sizes), _painted(rng)),))


def cabinet(rng: np.random.Generator) -> Thing:
    """A switch cabinet or a parcel box."""
    size = (
        float(rng.uniform(0.6, 1.8)),
        float(rng.uniform(0.35, 0.7)),
        float(rng.uniform(0.9, 1.7)),
    )
    return Thing((Surface(boxes([(0, 0, size[2] / 2)], [size]), _painted(rng)),))


def pillar(rng: np.random.Generator) -> Thing:
    """A bollard, or a column for advertising."""
    large = rng.random() < 0.3
    radius, height = (0.65, 2.6) if large else (0.09, 0.95)
    return Thing((Surface(cylinder(14).scaled(radius, radius, height), _painted(rng)),))


def shelter(rng: np.random.Generator) -> Thing:
    """A bus shelter: posts and a roof, panes behind and at one side."""
    length, height = float(rng.uniform(2.5, 4.2)), 2.4
    posts = [(x, y, height / 2) for x in (-length / 2, length / 2) for y in (0.0, 1.4)]
    sizes = [*[(0.08, 0.08, height)] * 4, (length + 0.3, 1.7, 0.12), (length * 0.7, 0.35, 0.05)]
    frame = boxes([*posts, (0, 0.7, height + 0.06), (0, 1.1, 0.5)], sizes)
    panes = boxes(
        [(0, 1.4, 1.2), (length / 2, 0.7, 1.2)], [(length - 0.1, 0.02, 1.9), (0.02, 1.3, 1.9)]
    )
    return Thing((Surface(frame, _STEEL), Surface(panes, _PANE)))


def _painted(rng: np.random.Generator) -> Finish:
    color = varied(_PAINTS[rng.integers(len(_PAINTS))], rng)
    return Finish(color, float(rng.uniform(0.05, 0.5)), float(rng.uniform(50, 120)), 0.35)
