"""Projection and colours against the torch code that gsplat tests its CUDA kernels with."""

from types import ModuleType

import pytest
import torch
from torch import Tensor

from sparse3d.geometry.transforms import invert_rigid, look_at
from sparse3d.geometry.views import Views
from sparse3d.ops.backend import Backend, has_native
from sparse3d.ops.rasterize import RasterOptions, _projection, rasterize
from sparse3d.ops.rasterize._job import Rules
from sparse3d.scene.gaussians import Gaussians

WIDTH, HEIGHT, NEAR = 60, 40, 0.3
MATRIX = torch.tensor([[55.0, 0.0, 31.0], [0.0, 48.0, 18.5], [0.0, 0.0, 1.0]]).double()
POSE = look_at(*torch.tensor([[1.0, -2.0, 0.4], [0.2, 0.0, -0.1], [0.1, 0.0, 1.0]]).double())
RULES = Rules((WIDTH, HEIGHT), NEAR, 0.3, 0.999, False, False, False)
FAST: list[Backend] = ["torch", "native"] if has_native() else ["torch"]


@pytest.fixture(scope="module")
def gsplat() -> ModuleType:
    return pytest.importorskip("gsplat.cuda._torch_impl")


def cloud(n: int = 500) -> tuple[Tensor, ...]:
    """Means, quaternions, log scales, logits and SH; a third is behind the camera or beside it."""
    rng = torch.Generator().manual_seed(1)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=rng, dtype=torch.float64)

    return normal(n, 3) * 2, normal(n, 4), normal(n, 3) * 0.7 - 2, normal(n) + 8, normal(n, 16, 3)


def their_projection(gsplat: ModuleType, leaves: tuple[Tensor, ...], pose: Tensor) -> list[Tensor]:
    """Radii, centres, depths and inverse covariances of the one camera."""
    covariances, _ = gsplat._quat_scale_to_covar_preci(leaves[1], leaves[2].exp(), True, False)
    projected = gsplat._fully_fused_projection(
        leaves[0], covariances, invert_rigid(pose)[None], MATRIX[None], WIDTH, HEIGHT, 0.3, NEAR
    )
    return [tensor[0] for tensor in projected[:4]]


def our_projection(leaves: tuple[Tensor, ...], pose: Tensor) -> list[Tensor]:
    splats = _projection.project(leaves, pose, MATRIX, RULES)
    a, k, c = splats.shapes.unbind(-1)
    conics = torch.stack([a * a, a * a * k, a * a * k * k + c * c], -1)
    return [splats.radii, splats.means, splats.depths, conics]


def test_projection_and_its_gradient_equal_gsplat(gsplat: ModuleType) -> None:
    rng = torch.Generator().manual_seed(2)
    results = []
    seen = our_projection(cloud(), POSE)[0] > 0
    assert 50 < int(seen.sum()) < 450
    cotangents = [torch.randn(500, *s, generator=rng).double() for s in ((2,), (), (3,))]
    for project in (our_projection, lambda *args: their_projection(gsplat, *args)):
        leaves = [leaf.clone().requires_grad_() for leaf in (*cloud()[:3], POSE)]
        full = (*leaves[:3], *cloud()[3:])
        values = [value[seen] for value in project(full, leaves[3])]
        total = [(v * c[seen]).sum() for v, c in zip(values[1:], cotangents, strict=True)]
        torch.stack(total).sum().backward()
        results.append((values[1:], [leaf.grad for leaf in leaves]))
    for ours, theirs in zip(*results, strict=True):
        for a, e in zip(ours, theirs, strict=True):
            torch.testing.assert_close(a, e, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("backend", FAST)
def test_radii_equal_gsplat_but_where_no_pixel_is_reached(
    gsplat: ModuleType, backend: Backend
) -> None:
    parameters = cloud()
    single = Gaussians(*(parameter.float() for parameter in parameters))
    camera = Views(POSE[None].float(), MATRIX[None].float(), WIDTH, HEIGHT)
    ours = rasterize(single, camera, options=RasterOptions(near=NEAR), backend=backend).radii[0]
    theirs, means, _, conics = their_projection(gsplat, parameters, POSE)
    both = (ours > 0) & (theirs > 0)
    assert torch.equal(ours[both], theirs[both])
    y, x = torch.meshgrid(torch.arange(HEIGHT) + 0.5, torch.arange(WIDTH) + 0.5, indexing="ij")
    only_theirs = (ours == 0) & (theirs > 0)
    assert only_theirs.any()
    for mean, (a, b, c) in zip(means[only_theirs], conics[only_theirs], strict=True):
        dx, dy = x - mean[0], y - mean[1]
        power = (a * dx * dx + c * dy * dy) / 2 + b * dx * dy
        assert torch.exp(-power).max() < 1 / 255


@pytest.mark.parametrize("degree", [0, 1, 2, 3])
def test_harmonics_equal_gsplat(gsplat: ModuleType, degree: int) -> None:
    rng = torch.Generator().manual_seed(degree)
    directions = torch.randn(50, 3, generator=rng).double()
    sh = torch.randn(50, (degree + 1) ** 2, 3, generator=rng).double()
    unit = torch.nn.functional.normalize(directions, dim=-1)
    ours = torch.einsum("nk,nkc->nc", _projection._harmonics(unit, sh.shape[1]), sh)
    theirs = gsplat._spherical_harmonics(degree, directions, sh)
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)
