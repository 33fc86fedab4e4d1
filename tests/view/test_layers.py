"""Composition against a loop over samples."""

import math

import pytest
import torch

from sparse3d.view.layers import Layer, SplatLayer, compose


def random_layers(samples: int, seed: int = 0) -> tuple[Layer, SplatLayer]:
    rng = torch.Generator().manual_seed(seed)
    high, wide = 5, 7
    depths = torch.rand(high * samples, wide * samples, generator=rng) * 4
    depths[torch.rand(depths.shape, generator=rng) < 0.4] = math.inf
    colors = torch.rand(*depths.shape, 3, generator=rng)
    alphas = torch.rand(high, wide, generator=rng)
    alphas[0] = 0.0
    over_black = torch.rand(high, wide, 3, generator=rng) * alphas[..., None]
    behind = torch.where(alphas > 0, torch.rand(high, wide, generator=rng) * 4, 0.0)
    return Layer(colors, depths), SplatLayer(over_black, alphas, behind)


@pytest.mark.parametrize("samples", [1, 2, 3])
def test_composition_equals_the_loop(samples: int) -> None:
    layer, splat = random_layers(samples)
    background = (0.9, 0.2, 0.4)
    actual = compose(layer, splat, background, samples)
    expected = torch.zeros(5, 7, 3)
    for y in range(5 * samples):
        for x in range(7 * samples):
            depth, row, column = float(layer.depths[y, x]), y // samples, x // samples
            opaque = layer.colors[y, x] if depth < math.inf else torch.tensor(background)
            through = 1 - splat.alphas[row, column]
            mixed = splat.colors[row, column] + through * opaque
            front = depth < float(splat.depths[row, column])
            expected[row, column] += (opaque if front else mixed) / samples**2
    torch.testing.assert_close(actual, expected, atol=1e-6, rtol=0)


def test_without_a_splat_colours_are_exact() -> None:
    layer, _ = random_layers(1)
    image = compose(layer, None, (1.0, 1.0, 1.0), 1)
    nothing = torch.isinf(layer.depths)
    assert torch.equal(image[nothing], torch.ones(int(nothing.sum()), 3))
    assert torch.equal(image[~nothing], layer.colors[~nothing])


def test_an_opaque_splat_hides_what_is_behind_it_only() -> None:
    layer = Layer(torch.zeros(1, 2, 3), torch.tensor([[1.0, 3.0]]))
    splat = SplatLayer(torch.full((1, 2, 3), 0.8), torch.ones(1, 2), torch.full((1, 2), 2.0))
    image = compose(layer, splat, (0.0, 0.0, 0.0), 1)
    torch.testing.assert_close(image[0, :, 0], torch.tensor([0.0, 0.8]))
