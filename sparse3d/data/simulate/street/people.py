"""Pedestrians, and cyclists on their bicycles."""

import math

import numpy as np

from sparse3d.data.simulate.street.shapes import Shape, Vector, ball, boxes, joined, ring, tube
from sparse3d.data.simulate.street.things import Color, Finish, Surface, Thing

__all__ = ["bicycle", "cyclist", "pedestrian"]

_SKIN = Finish((0.75, 0.55, 0.45), 0.35, 60.0, 0.2)
_METAL = Finish((0.25, 0.25, 0.28), 0.2, 45.0, 0.3)
_CLOTHES: tuple[Color, ...] = (
    *((0.12, 0.13, 0.2), (0.5, 0.1, 0.1), (0.75, 0.74, 0.7), (0.2, 0.35, 0.5)),
    *((0.3, 0.3, 0.3), (0.55, 0.45, 0.25)),
)


def pedestrian(rng: np.random.Generator) -> Thing:
    """Somebody who stands or walks along x, labelled ``Pedestrian``."""
    height = float(np.clip(rng.normal(1.74, 0.1), 1.3, 2.0))
    stride = float(rng.uniform(0.02, 0.38)) * height / 1.74
    lead = 1 if rng.random() < 0.5 else -1
    hip, shoulder = 0.5 * height, 0.8 * height
    lean = float(rng.uniform(0, 0.06))
    legs = [_leg(s * 0.09, s * lead * stride, hip) for s in (1, -1)]
    swing, out = 0.6 * stride + 0.05, float(rng.uniform(1.0, 1.4))
    arms = [_arm(s * 0.21, lean, shoulder, -s * lead * swing, out) for s in (1, -1)]
    build = float(rng.uniform(0.85, 1.2))
    trunk = _trunk((0, 0, hip - 0.05), (lean, 0, shoulder + 0.04), build)
    head = ball(6).scaled(0.1, 0.085, 0.115).moved(lean + 0.02, 0.0, height - 0.115)
    bag = [boxes([(lean - 0.22, 0, shoulder - 0.25)], [(0.16, 0.3, 0.42)])] * (rng.random() < 0.2)
    upper = _dressed(joined([trunk, *arms, *bag]), rng)
    return Thing((upper, _dressed(joined(legs), rng), Surface(head, _SKIN)), "Pedestrian")


def cyclist(rng: np.random.Generator) -> Thing:
    """Somebody who rides a bicycle along x, labelled ``Cyclist``."""
    saddle, reach = float(rng.uniform(0.9, 1.0)), float(rng.uniform(0.25, 0.5))
    shoulder = (-0.2 + reach, 0.0, saddle + float(rng.uniform(0.42, 0.52)))
    pedal = float(rng.uniform(0, 2 * math.pi))
    legs = [_pedalling(s * 0.1, saddle, pedal + (0 if s > 0 else math.pi)) for s in (1, -1)]
    grip = (0.42, 1.02)
    arms = [
        tube([(shoulder[0], s * 0.2, shoulder[2]), (grip[0], s * 0.24, grip[1])], (0.055, 0.04))
        for s in (1, -1)
    ]
    trunk = _trunk((-0.2, 0.0, saddle), shoulder, float(rng.uniform(0.85, 1.1)))
    head = ball(6).scaled(0.12, 0.1, 0.13).moved(shoulder[0] + 0.08, 0.0, shoulder[2] + 0.24)
    rider = (_dressed(joined([trunk, *arms]), rng), _dressed(joined(legs), rng))
    return Thing((*rider, Surface(head, _SKIN), *bicycle(rng).surfaces), "Cyclist")


def bicycle(rng: np.random.Generator) -> Thing:
    """A bicycle along x, not labelled."""
    wheels = [ring(x, 0.34, 0.34, 0.05) for x in (0.53, -0.53)]
    front, crank, seat = (0.35, 0.0, 0.85), (-0.08, 0.0, 0.3), (-0.22, 0.0, 0.9)
    spans = [(front, crank), (crank, seat), (front, seat), (crank, (-0.53, 0.0, 0.34))]
    spans += [(seat, (-0.53, 0.0, 0.34)), (front, (0.53, 0.0, 0.34))]
    grip = float(rng.uniform(0.24, 0.34))
    spans += [((0.42, grip, 1.02), (0.42, -grip, 1.02)), (front, (0.42, 0.0, 1.02))]
    tubes = [tube(span, (0.025, 0.025), 5) for span in spans]
    return Thing((Surface(joined([*wheels, *tubes]), _METAL),))


def _dressed(shape: Shape, rng: np.random.Generator) -> Surface:
    color = _CLOTHES[rng.integers(len(_CLOTHES))]
    return Surface(shape, Finish(color, float(rng.uniform(0.15, 0.6)), 75.0, 0.2))


def _leg(y: float, forward: float, hip: float) -> Shape:
    knee = (0.55 * forward + 0.03, y, 0.52 * hip)
    path: list[Vector] = [(0.0, y, hip), knee, (forward, y, 0.06)]
    shoe = boxes([(forward + 0.06, y, 0.045)], [(0.27, 0.1, 0.09)])
    return joined([tube(path, (0.09, 0.065, 0.05)), shoe])


def _arm(y: float, lean: float, shoulder: float, swing: float, out: float) -> Shape:
    hand = 0.53 * shoulder
    elbow = (lean + 0.4 * swing, y * out, (shoulder + hand) / 2)
    return tube([(lean, y, shoulder), elbow, (lean + swing, y * out, hand)], (0.06, 0.05, 0.04))


def _trunk(low: Vector, high: Vector, build: float) -> Shape:
    """A body of oval section between hips and neck."""
    middle = tuple(0.45 * a + 0.55 * b for a, b in zip(low, high, strict=True))
    path = [low, (middle[0], middle[1], middle[2]), high]
    return tube(path, (0.15 * build, 0.145 * build, 0.09 * build), 10).scaled(1, 1.35, 1)


def _pedalling(y: float, saddle: float, angle: float) -> Shape:
    foot = (-0.08 + 0.17 * math.cos(angle), y, 0.32 + 0.17 * math.sin(angle))
    knee = (0.16 + 0.06 * math.cos(angle), y, (saddle + foot[2]) / 2 + 0.1)
    leg = tube([(-0.2, y, saddle), knee, foot], (0.085, 0.065, 0.05))
    return joined([leg, boxes([(foot[0] + 0.05, y, foot[2] - 0.04)], [(0.26, 0.1, 0.08)])])
