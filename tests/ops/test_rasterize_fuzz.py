"""Small random calls of the rasteriser: whatever is accepted is finite and as torch draws it."""

from dataclasses import dataclass, replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sparse3d.geometry.views import Projection, Views
from sparse3d.ops.backend import has_native
from sparse3d.ops.rasterize import (
    RasterBackend,
    RasterOptions,
    RasterOutputs,
    Render,
    SparseCodes,
    rasterize,
)
from sparse3d.scene.gaussians import Gaussians


@dataclass(frozen=True)
class Call:
    """What ``rasterize`` is called with."""

    gaussians: Gaussians
    views: Views
    options: RasterOptions
    outputs: RasterOutputs


@st.composite
def calls(draw: st.DrawFn) -> Call:
    """Few Gaussians of any size and place in pictures of few pixels."""
    n, count = draw(st.integers(0, 9)), draw(st.integers(0, 2))
    width, height = draw(st.integers(1, 35)), draw(st.integers(1, 35))
    rng = torch.Generator().manual_seed(draw(st.integers(0, 1 << 20)))
    spread, size = draw(st.sampled_from([0.0, 1.0, 30.0])), draw(st.sampled_from([-9.0, -1.0, 4.0]))
    projection: Projection = draw(st.sampled_from(["perspective", "orthographic"]))

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=rng)

    splat = Gaussians(
        normal(n, 3) * spread + torch.tensor([0.0, 0.0, 3.0]),
        normal(n, 4),
        normal(n, 3) + size,
        normal(n) * draw(st.sampled_from([0.0, 3.0, 30.0])),
        normal(n, draw(st.sampled_from([1, 4, 9, 16])), 3),
    )
    matrix = torch.tensor([[width * 0.9, 0, width / 2], [0, width * 1.1, height / 2], [0, 0, 1]])
    poses = torch.eye(4).repeat(count, 1, 1)
    poses[:, :3, 3] = normal(count, 3) * 0.2
    views = Views(poses, matrix.expand(count, 3, 3), width, height, projection)
    kind = draw(st.sampled_from(["plain", "antialiased", "surfels"]))
    options = RasterOptions(
        max_alpha=draw(st.sampled_from([0.999, 0.99, 0.3])),
        antialiased=kind == "antialiased",
        surfels=kind == "surfels",
    )
    return Call(splat, views, options, draw(outputs_for(n, width, height, rng)))


@st.composite
def outputs_for(
    draw: st.DrawFn, n: int, width: int, height: int, rng: torch.Generator
) -> RasterOutputs:
    """Any mixture of outputs, and perhaps a region."""
    x, y = draw(st.integers(0, width - 1)), draw(st.integers(0, height - 1))
    region = (x, y, draw(st.integers(1, width - x)), draw(st.integers(1, height - y)))
    codes = SparseCodes(
        torch.randint(0, 4, (n, 2), generator=rng), torch.rand(n, 2, generator=rng), 4
    )
    return RasterOutputs(
        features=draw(st.sampled_from([None, torch.rand(n, 3, generator=rng)])),
        codes=draw(st.sampled_from([None, codes])),
        normals=draw(st.booleans()),
        weights=draw(st.booleans()),
        region=draw(st.sampled_from([None, region])),
    )


def drawn(call: Call, backend: RasterBackend) -> tuple[Render, Tensor]:
    means = call.gaussians.means.clone().requires_grad_()
    moved = replace(call.gaussians, means=means)
    render = rasterize(
        moved, call.views, options=call.options, outputs=call.outputs, backend=backend
    )
    total = render.colors.sum() + render.depths.sum()
    if total.requires_grad:  # something is drawn
        total.backward()
    return render, torch.zeros_like(means) if means.grad is None else means.grad


@pytest.mark.skipif(not has_native(), reason="the C++ kernels were not built")
@settings(max_examples=60, deadline=None, derandomize=True)
@given(calls())
def test_native_draws_as_torch_does(call: Call) -> None:
    ours, gradient = drawn(call, "native")
    theirs, _ = drawn(call, "torch")
    assert torch.isfinite(gradient).all()
    # Alphas of 1/255 and radii may round to either side: a pixel, or a splat, more or less.
    assert ((ours.radii > 0) != (theirs.radii > 0)).float().sum() <= 1
    for name in ("colors", "alphas", "features", "coefficients", "normals"):
        a, e = getattr(ours, name), getattr(theirs, name)
        assert (a is None) == (e is None)
        if a is not None and a.numel():
            assert a.shape == e.shape
            assert torch.isfinite(a).all()
            largest = float(e.detach().abs().max())
            assert float((a - e).detach().abs().max()) <= 1e-3 * max(1, largest) + 1 / 128


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.integers(-3, 2), st.integers(-3, 2), st.sampled_from(["means", "sh", "log_scales"]))
def test_negative_sizes_and_bad_numbers_are_named(width: int, height: int, field: str) -> None:
    good = Gaussians(
        torch.zeros(2, 3), torch.ones(2, 4), torch.zeros(2, 3), torch.zeros(2), torch.zeros(2, 1, 3)
    )
    views = Views(torch.eye(4)[None], torch.eye(3)[None], width, height)
    if min(width, height) < 1:
        with pytest.raises(ValueError, match="image size must be positive"):
            rasterize(good, views)
        return
    getattr(good, field).view(-1)[0] = float("nan")
    with pytest.raises(ValueError, match=f"gaussians.{field} must be finite"):
        rasterize(good, views)
