"""What stands in the simulated room."""

import math
from collections.abc import Iterator
from random import Random

from sparse3d.data.simulate.primitives import box_mesh, cylinder_mesh, moved, sphere_mesh
from sparse3d.data.simulate.textures import Material, Texture
from sparse3d.data.simulate.world import Part

__all__ = ["LAMPS", "TABLE_TOP", "furnish"]

LENGTH, WIDTH, HEIGHT = 6.0, 5.0, 2.8
TABLE_TOP = (0.6, 0.0, 0.75)
"""Middle of the table top, metres."""
LAMPS = ((-0.8, -0.9, 2.6), (-0.8, 0.9, 2.6), (1.4, -0.9, 2.6), (1.4, 0.9, 2.6))
"""Places of the lamps under the ceiling, metres."""

_TEXTURES: tuple[Texture, ...] = ("mosaic", "marble", "fabric", "wood", "checker", "brick")


def furnish(seed: int) -> list[Part]:
    """A room of 6 m x 5 m x 2.8 m around the origin, its floor at z = 0, and its furniture.

    Walls, the table, a shelf and a rug are always there; colours, patterns and the things on the
    table, in the shelf and on the floor depend on the seed.
    """
    rng = Random(seed)
    return [
        *_shell(rng),
        *_posters(rng),
        *_table(),
        *_things_on_the_table(rng),
        *_shelf(rng),
        *_things_on_the_floor(rng),
    ]


def _shell(rng: Random) -> Iterator[Part]:
    thick = 0.1
    oak = Material("wood", (0.72, 0.52, 0.33), (0.35, 0.22, 0.12), 0.22)
    plaster = Material("plaster", _pale(rng), _pale(rng), 0.5)
    brick = Material("brick", (0.62, 0.30, 0.22), (0.75, 0.72, 0.68), 0.24)
    white = Material("plaster", (0.95, 0.95, 0.93), (0.80, 0.80, 0.80), 0.4)
    floor = box_mesh(LENGTH, WIDTH, thick)
    yield Part("floor", moved(floor, 0.0, 0.0, -thick / 2), oak)
    yield Part("ceiling", moved(floor, 0.0, 0.0, HEIGHT + thick / 2), white)
    end, side = box_mesh(thick, WIDTH, HEIGHT), box_mesh(LENGTH, thick, HEIGHT)
    yield Part("wall", moved(end, LENGTH / 2 + thick / 2, 0.0, HEIGHT / 2), brick)
    yield Part("wall", moved(end, -LENGTH / 2 - thick / 2, 0.0, HEIGHT / 2), plaster)
    yield Part("wall", moved(side, 0.0, WIDTH / 2 + thick / 2, HEIGHT / 2), plaster)
    yield Part("wall", moved(side, 0.0, -WIDTH / 2 - thick / 2, HEIGHT / 2), plaster)


def _posters(rng: Random) -> Iterator[Part]:
    for y in (-1.3, 0.2):
        width, height = rng.uniform(0.7, 1.0), rng.uniform(0.6, 0.9)
        frame = moved(box_mesh(0.03, width, height), LENGTH / 2 - 0.02, y, 1.7)
        yield Part("poster", frame, Material("mosaic", (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), 0.16))
    for y, side in ((WIDTH / 2 - 0.02, 1), (-WIDTH / 2 + 0.02, -1)):
        frame = moved(box_mesh(1.1, 0.03, 0.8), 1.2 + 0.3 * side, y, 1.6)
        yield Part("poster", frame, Material("mosaic", (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), 0.2))


def _table() -> Iterator[Part]:
    x, y, top = TABLE_TOP
    walnut = Material("wood", (0.45, 0.28, 0.16), (0.20, 0.12, 0.07), 0.16)
    cloth = Material("checker", (0.85, 0.83, 0.78), (0.55, 0.12, 0.14), 0.12)
    yield Part("table", moved(box_mesh(0.9, 1.5, 0.05), x, y, top - 0.025), walnut)
    yield Part("cloth", moved(box_mesh(0.6, 1.0, 0.006), x, y, top + 0.003, 0.1), cloth)
    for dx in (-0.4, 0.4):
        for dy in (-0.68, 0.68):
            leg = moved(cylinder_mesh(0.035, top - 0.05), x + dx, y + dy, (top - 0.05) / 2)
            yield Part("table leg", leg, walnut)


def _things_on_the_table(rng: Random) -> Iterator[Part]:
    x, y, top = TABLE_TOP
    top += 0.006
    for i, dy in enumerate((-0.55, -0.3, -0.05, 0.22, 0.5)):
        place = x + rng.uniform(-0.25, 0.2), y + dy
        size = rng.uniform(0.07, 0.13)
        material = _lively(rng)
        if i % 3 == 0:
            thing = moved(sphere_mesh(size), *place, top + size)
        elif i % 3 == 1:
            thing = moved(cylinder_mesh(0.6 * size, 2.6 * size), *place, top + 1.3 * size)
        else:
            thing = moved(
                box_mesh(2 * size, 1.6 * size, size), *place, top + size / 2, rng.random()
            )
        yield Part(("ball", "vase", "book")[i % 3], thing, material)


def _shelf(rng: Random) -> Iterator[Part]:
    x, y = LENGTH / 2 - 0.2, 1.65
    pine = Material("wood", (0.80, 0.66, 0.45), (0.50, 0.36, 0.20), 0.2)
    for level in range(4):
        z = 0.1 + 0.48 * level
        yield Part("shelf", moved(box_mesh(0.32, 1.3, 0.03), x, y, z), pine)
        if level < 3:
            yield from _books(rng, x, y - 0.6, z + 0.015)
    for dy in (-0.65, 0.65):
        yield Part("shelf", moved(box_mesh(0.32, 0.03, 1.6), x, y + dy, 0.8), pine)


def _books(rng: Random, x: float, y: float, z: float) -> Iterator[Part]:
    end = y + 1.2
    while (thick := rng.uniform(0.03, 0.09)) and y + thick < end:
        height = rng.uniform(0.22, 0.38)
        spine = moved(box_mesh(0.22, thick - 0.004, height), x, y + thick / 2, z + height / 2)
        yield Part("book", spine, _lively(rng))
        y += thick


def _things_on_the_floor(rng: Random) -> Iterator[Part]:
    rug = Material("fabric", _bright(rng), _pale(rng), 0.35)
    yield Part("rug", moved(box_mesh(2.4, 3.0, 0.01), 0.6, 0.0, 0.005), rug)
    yield Part("crate", moved(box_mesh(0.5, 0.5, 0.5), 2.3, -1.9, 0.25, 0.4), _lively(rng))
    yield Part("crate", moved(box_mesh(0.36, 0.36, 0.36), 2.25, -1.85, 0.68, 0.9), _lively(rng))
    yield Part("barrel", moved(cylinder_mesh(0.22, 0.6), 1.7, 2.0, 0.3), _lively(rng))
    for angle in (0.4, 2.2, 4.0):
        where = 0.6 + 1.1 * math.cos(angle), 1.2 * math.sin(angle)
        yield Part("stool", moved(cylinder_mesh(0.17, 0.42), *where, 0.21), _lively(rng))


def _lively(rng: Random) -> Material:
    return Material(rng.choice(_TEXTURES), _bright(rng), _bright(rng), rng.uniform(0.05, 0.12))


def _bright(rng: Random) -> tuple[float, float, float]:
    return rng.uniform(0.25, 0.95), rng.uniform(0.25, 0.95), rng.uniform(0.2, 0.9)


def _pale(rng: Random) -> tuple[float, float, float]:
    return rng.uniform(0.75, 0.95), rng.uniform(0.75, 0.92), rng.uniform(0.7, 0.9)
