"""What feature channels, sparse codes, normals and weights add to drawing a picture."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from harness import Clock, Row, Timing, run
from harness.machine import use_threads
from raster.render import Passes, leaves
from raster.scenes import Scene, SceneSettings, make_scene
from sparse3d.ops.rasterize import RasterOutputs, Render, SparseCodes, rasterize

SCENE = SceneSettings(50_000, 504, 378)


@dataclass(frozen=True)
class Extra:
    """What to draw besides colours."""

    name: str
    channels: int = 0
    """Features of a Gaussian."""
    codes: int = 0
    """Sparse codes of a Gaussian."""
    normals: bool = False
    weights: bool = False


@dataclass(frozen=True)
class Settings:
    """The scene, and what to draw of it."""

    scene: SceneSettings = SCENE
    extras: tuple[Extra, ...] = (
        Extra("3 channels", channels=3),
        Extra("16 channels", channels=16),
        Extra("64 channels", channels=64),
        Extra("4 codes of 64", codes=4),
        Extra("normals", normals=True),
        Extra("weights", weights=True),
    )
    dictionary: int = 64
    threads: int = 2


def measure(settings: Settings, clock: Clock) -> Iterator[Row]:
    """Both passes with each extra, beside those of colours alone."""
    use_threads(settings.threads)
    scene = make_scene(settings.scene)
    plain = time_extra(scene, Extra("colours alone"), settings.dictionary, clock)
    shown = f"colours alone, {settings.scene}"
    yield _row("forward", shown, plain.forward)
    yield _row("backward", shown, plain.backward)
    for extra in settings.extras:
        passes = time_extra(scene, extra, settings.dictionary, clock)
        yield _row("forward", extra.name, passes.forward, plain.forward)
        yield _row("backward", extra.name, passes.backward, plain.backward)


def time_extra(scene: Scene, extra: Extra, dictionary: int, clock: Clock) -> Passes:
    """Times of drawing colours and an extra, with the gradients of everything."""
    variable, parameters = leaves(scene)
    rng = torch.Generator().manual_seed(3)
    outputs, values = _outputs(extra, len(scene.gaussians), dictionary, rng)
    cotangents = [
        torch.randn(image.shape, generator=rng) for image in _images(_draw(variable, outputs))
    ]

    def once() -> tuple[float, float]:
        begin = time.perf_counter()
        images = _images(_draw(variable, outputs))
        middle = time.perf_counter()
        torch.autograd.grad(images, [*parameters, *values], cotangents)
        return middle - begin, time.perf_counter() - middle

    forward, backward = zip(*clock.repeat(once), strict=True)
    return Passes(Timing.of(forward), Timing.of(backward))


def _outputs(
    extra: Extra, n: int, dictionary: int, rng: torch.Generator
) -> tuple[RasterOutputs, list[Tensor]]:
    """What to ask for, and the values that get gradients."""
    features = codes = None
    values = []
    if extra.channels:
        features = torch.randn(n, extra.channels, generator=rng).requires_grad_()
        values.append(features)
    if extra.codes:
        weights = torch.randn(n, extra.codes, generator=rng).requires_grad_()
        indices = torch.randint(0, dictionary, (n, extra.codes), generator=rng)
        codes = SparseCodes(indices, weights, dictionary)
        values.append(weights)
    outputs = RasterOutputs(features, codes, normals=extra.normals, weights=extra.weights)
    return outputs, values


def _draw(scene: Scene, outputs: RasterOutputs) -> Render:
    return rasterize(scene.gaussians, scene.views, background=scene.background, outputs=outputs)


def _images(drawn: Render) -> list[Tensor]:
    """The pictures that gradients come from."""
    maybe = (drawn.colors, drawn.features, drawn.coefficients, drawn.normals)
    return [image for image in maybe if image is not None]


def _row(direction: str, name: str, timing: Timing, plain: Timing | None = None) -> Row:
    return Row(
        f"{direction}, {name}",
        1e3 * timing.seconds,
        "ms",
        peer="" if plain is None else "colours alone",
        peer_value=None if plain is None else 1e3 * plain.seconds,
        spread=timing.spread,
    )


if __name__ == "__main__":
    run(__file__, measure, Settings(), code=["benchmarks/raster", "sparse3d/ops/rasterize"])
