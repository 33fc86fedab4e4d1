"""The gsplat backend with a stand-in for its kernels, which needs no GPU."""

import sys
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from sparse3d.errors import MissingDependencyError
from sparse3d.geometry.transforms import look_at
from sparse3d.geometry.views import Views
from sparse3d.ops.rasterize import (
    RasterOptions,
    RasterOutputs,
    Render,
    SparseCodes,
    _dispatch,
    _gsplat,
    _projection,
    rasterize,
)
from sparse3d.scene.gaussians import Gaussians

SIZE = (21, 18)
N = 12
FIELDS = Gaussians.__slots__
WAITS = ("_local_scalar_dense", "item", "nonzero", "is_nonzero", "equal")


class NoWaiting(TorchDispatchMode):
    """Fails where a GPU's host would wait for it."""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> object:
        name = func.overloadpacket.__name__
        copies = name == "_to_copy" and (kwargs or {}).get("device") is not None
        assert name not in WAITS, f"{name} makes the host wait"
        assert not copies, "copying between devices makes the host wait"
        return func(*args, **(kwargs or {}))


def harmonics(degree: int, directions: Tensor, sh: Tensor) -> Tensor:
    unit = torch.nn.functional.normalize(directions, dim=-1)
    return torch.einsum("nk,nkc->nc", _projection._harmonics(unit, (degree + 1) ** 2), sh)


def projection(
    means: Tensor,
    covars: None,
    quats: Tensor,
    scales: Tensor,
    viewmats: Tensor,
    ks: Tensor,
    width: int,
    height: int,
    **rules: Any,
) -> tuple[Tensor | None, ...]:
    """EWA splatting by covariances; what is behind the camera gets radius 0."""
    unit = torch.nn.functional.normalize(quats, dim=-1)
    w, x, y, z = unit.unbind(-1)
    rows = [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)]
    rows += [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)]
    rows += [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)]
    axes = torch.stack(rows, -1).unflatten(-1, (3, 3)) * scales[:, None]
    turn, shift = viewmats[:, None, :3, :3], viewmats[:, None, :3, 3]
    points = (turn @ means[..., None])[..., 0] + shift  # c n 3
    depth = points[..., 2]
    fx, fy = ks[:, None, 0, 0], ks[:, None, 1, 1]
    zero = torch.zeros_like(depth)
    if rules["camera_model"] == "ortho":
        seen = torch.stack([fx * points[..., 0], fy * points[..., 1]], -1) + ks[:, None, :2, 2]
        jacobian = torch.stack([fx + zero, zero, zero, zero, fy + zero, zero], -1)
    else:
        seen = (ks[:, None] @ points[..., None])[..., :2, 0] / depth[..., None]
        slope = points[..., :2] / depth[..., None]
        extent = torch.stack([width + 0 * fx, height + 0 * fx], -1)
        focal, principal = torch.stack([fx, fy], -1), ks[:, None, :2, 2]
        low = (-principal - 0.15 * extent) / focal
        slope = slope.maximum(low).minimum((1.15 * extent - principal) / focal)
        jx, jy = fx / depth, fy / depth
        jacobian = torch.stack([jx, zero, -jx * slope[..., 0], zero, jy, -jy * slope[..., 1]], -1)
    flat = jacobian.unflatten(-1, (2, 3)) @ turn @ axes
    sharp = flat @ flat.mT
    blurred = sharp + rules["eps2d"] * torch.eye(2)
    conics = torch.linalg.inv(blurred)
    upper = torch.stack([conics[..., 0, 0], conics[..., 0, 1], conics[..., 1, 1]], -1)
    kept = (torch.linalg.det(sharp).clamp_min(0) / torch.linalg.det(blurred)).sqrt()
    radii = (depth > rules["near_plane"]).int() * 9
    return radii, seen, depth, upper, kept if rules["calc_compensations"] else None


class Attached(torch.autograd.Function):
    """Passes pixel offsets on, and leaves their absolute gradient where gsplat does."""

    @staticmethod
    def forward(ctx: Any, differences: Tensor, means: Tensor) -> Tensor:
        """Nothing."""
        ctx.means = means
        return differences.view_as(differences)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        """Set ``absgrad``."""
        ctx.means.absgrad = gradients[0].abs().sum((1, 2))
        return gradients[0], None


def pixels(
    means: Tensor,
    conics: Tensor,
    colors: Tensor,
    opacities: Tensor,
    width: int,
    height: int,
    *grid: Any,
    **more: Any,
) -> tuple[Tensor, Tensor]:
    """Every pixel looks at every Gaussian; the stand-in's order is one row of indices a view."""
    tile, _, order = grid
    assert tile == 16
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    differences = torch.stack([x, y], -1)[None, :, :, None] - means[:, None, None]
    if more["absgrad"]:
        differences = Attached.apply(differences, means)
    dx, dy = differences.unbind(-1)
    a, b, c = conics[:, None, None].unbind(-1)
    power = (a * dx * dx + c * dy * dy) / 2 + b * dx * dy
    alpha = (opacities[:, None, None] * torch.exp(-power)).clamp_max(0.999)
    alpha = torch.where((alpha >= 1 / 255) & (order >= 0)[:, None, None], alpha, 0)
    rank = order.abs().argsort(-1)[:, None, None].expand_as(alpha)
    alpha = alpha.gather(-1, rank)
    after = (1 - alpha).cumprod(-1)
    before = torch.cat([torch.ones_like(after[..., :1]), after[..., :-1]], -1)
    alive = (after > 1e-4).int().cumprod(-1)
    weights = alpha * before * alive
    sorted_colors = colors.gather(1, rank[:, 0, 0, :, None].expand_as(colors))
    sums = torch.einsum("chwn,cnv->chwv", weights, sorted_colors)
    total = weights.sum(-1, keepdim=True)
    return sums + (1 - total) * more["backgrounds"][:, None, None], total


def tiles(means: Tensor, radii: Tensor, depths: Tensor, *grid: int) -> tuple[Tensor, ...]:
    """Not lists but ranks: 1 for the nearest, negative where the radius is 0."""
    assert grid == (16, 2, 2)
    assert not means.requires_grad
    rank = depths.argsort(-1).argsort(-1) + 1
    signed = torch.where(radii > 0, rank, -rank)
    return torch.zeros(0), torch.zeros(0), signed


STAND_IN = SimpleNamespace(
    fully_fused_projection=projection,
    spherical_harmonics=harmonics,
    isect_tiles=tiles,
    isect_offset_encode=lambda keys, cameras, columns, lines: torch.zeros(cameras, lines, columns),
    rasterize_to_pixels=pixels,
)


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gsplat", STAND_IN)
    monkeypatch.setattr("sparse3d.ops.rasterize.choose", lambda backend, *_: backend)


def cameras() -> Views:
    eyes = torch.tensor([[3.0, -4.0, 1.0], [-1.0, -5.0, 0.5]]).double()
    origin, up = torch.tensor([[0.2, 0.0, -0.1], [0.1, 0.0, 1.0]]).double()
    poses = torch.stack([look_at(eye, origin, up) for eye in eyes]).float()
    matrix = torch.tensor([[23.0, 0.0, 11.0], [0.0, 21.0, 8.5], [0.0, 0.0, 1.0]])
    return Views(poses, matrix.expand(2, 3, 3), *SIZE)


def cloud() -> Gaussians:
    rng = torch.Generator().manual_seed(4)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=rng)

    scales = normal(N, 3) * 0.4 - 1.2
    return Gaussians(normal(N, 3), normal(N, 4), scales, normal(N), normal(N, 4, 3) * 0.3)


def drawn(
    backend: Any, views: Views, options: RasterOptions, outputs: Callable[[Tensor], RasterOutputs]
) -> tuple[Render, list[Tensor]]:
    rng = torch.Generator().manual_seed(5)
    receivers = torch.zeros(2, 2, N, 2)
    fields = [*(getattr(cloud(), f) for f in FIELDS), views.world_from_camera]
    fields += [torch.tensor([0.1, 0.5, 0.9]), torch.randn(N, 5, generator=rng), *receivers]
    leaves = [field.clone().requires_grad_() for field in fields]
    render = rasterize(
        Gaussians(*leaves[:5]),
        replace(views, world_from_camera=leaves[5]),
        background=leaves[6],
        options=options,
        outputs=outputs(leaves[7]),
        mean_gradients=leaves[8],
        absolute_gradients=leaves[9],
        backend=backend,
    )
    images = [render.colors, render.alphas, render.depths]
    images += [i for i in (render.features, render.normals, render.coefficients) if i is not None]
    total = [(i * torch.randn(i.shape, generator=rng)).sum() for i in images]
    torch.stack(total).sum().backward()
    return render, [torch.zeros(()) if leaf.grad is None else leaf.grad for leaf in leaves]


def everything(features: Tensor) -> RasterOutputs:
    indices = torch.arange(2 * N).reshape(N, 2) % 3
    return RasterOutputs(features, SparseCodes(indices, features[:, :2], 3), normals=True)


@pytest.mark.usefixtures("stand_in")
@pytest.mark.parametrize(
    ("projection", "options"),
    [
        ("perspective", RasterOptions()),
        ("perspective", RasterOptions(antialiased=True, blur=0.2)),
        ("orthographic", RasterOptions()),
    ],
)
def test_pictures_and_gradients_equal_those_of_torch(
    projection: Any, options: RasterOptions
) -> None:
    views = replace(cameras(), projection=projection)
    expected, truths = drawn("torch", views, options, everything)
    actual, gradients = drawn("gsplat", views, options, everything)
    assert expected.alphas.max() > 0.3
    for name in ("colors", "alphas", "depths", "features", "coefficients", "normals"):
        torch.testing.assert_close(
            getattr(actual, name), getattr(expected, name), rtol=1e-4, atol=1e-4
        )
    for number, (a, e) in enumerate(zip(gradients, truths, strict=True)):
        assert (a - e).norm() <= 1e-3 * e.norm(), number


@pytest.mark.usefixtures("stand_in")
@pytest.mark.parametrize("region", [None, (3, 2, 9, 11), torch.eye(2, dtype=torch.bool)])
def test_the_host_never_waits(region: Any) -> None:
    with NoWaiting():
        render, _ = drawn(
            "gsplat",
            cameras(),
            RasterOptions(antialiased=True),
            lambda features: replace(everything(features), region=region),
        )
    assert render.colors.shape[1:3] == ((11, 9) if isinstance(region, tuple) else (18, 21))


def test_the_guard_notices_waiting() -> None:
    with NoWaiting(), pytest.raises(AssertionError, match="host wait"):
        torch.ones(1).item()


@pytest.mark.usefixtures("stand_in")
def test_regions_equal_those_of_torch() -> None:
    for region in ((3, 2, 9, 11), torch.eye(2, dtype=torch.bool)):
        outputs = RasterOutputs(region=region)
        ours = rasterize(cloud(), cameras(), outputs=outputs, backend="torch")
        theirs = rasterize(cloud(), cameras(), outputs=outputs, backend="gsplat")
        torch.testing.assert_close(theirs.colors, ours.colors, rtol=1e-4, atol=1e-4)


@pytest.mark.usefixtures("stand_in")
def test_without_gaussians_there_is_only_background() -> None:
    none = cloud().select(torch.zeros(N, dtype=torch.bool))
    render = rasterize(none, cameras(), background=torch.ones(3), backend="gsplat")
    assert (render.colors == 1).all()
    assert render.radii.shape == (2, 0)


@pytest.mark.usefixtures("stand_in")
@pytest.mark.parametrize(
    "outputs",
    [RasterOutputs(dominant=True), RasterOutputs(median_depths=True), RasterOutputs(weights=True)],
)
def test_what_gsplat_does_not_find_is_refused(outputs: RasterOutputs) -> None:
    with pytest.raises(ValueError, match="'gsplat' finds no median_depths, dominant or weights"):
        rasterize(cloud(), cameras(), outputs=outputs, backend="gsplat")


@pytest.mark.usefixtures("stand_in")
def test_too_many_channels_are_refused() -> None:
    codes = SparseCodes(torch.zeros(N, 1, dtype=torch.long), torch.ones(N, 1), 600)
    with pytest.raises(ValueError, match="up to 509 features, normals and codes, got 600"):
        rasterize(cloud(), cameras(), outputs=RasterOutputs(codes=codes), backend="gsplat")


def test_a_missing_gsplat_is_named_with_the_line_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_gsplat, "is_installed", lambda: False)
    with pytest.raises(MissingDependencyError, match=r"pip install 'sparse3d\[cuda\]'"):
        rasterize(cloud(), cameras(), backend="gsplat")


def test_tensors_on_the_cpu_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_gsplat, "is_installed", lambda: True)
    with pytest.raises(ValueError, match="'gsplat' runs on CUDA, got tensors on cpu"):
        rasterize(cloud(), cameras(), backend="gsplat")


@pytest.mark.parametrize(
    ("version", "options", "dtype", "message"),
    [
        ("1.4.0", RasterOptions(), torch.float64, "takes float32"),
        ("1.4.0", RasterOptions(surfels=True), torch.float32, "does not draw our surfels"),
        ("1.4.0", RasterOptions(max_alpha=0.99), torch.float32, "draws with max_alpha 0.999"),
        ("1.5.3", RasterOptions(), torch.float32, "draws with max_alpha 0.99, got 0.999"),
    ],
)
def test_rules_of_another_kind_are_refused(
    monkeypatch: pytest.MonkeyPatch,
    version: str,
    options: RasterOptions,
    dtype: torch.dtype,
    message: str,
) -> None:
    monkeypatch.setattr(_gsplat, "is_installed", lambda: True)
    monkeypatch.setattr("importlib.metadata.version", lambda _: version)
    with pytest.raises(ValueError, match=message):
        _gsplat.check(torch.device("cuda"), dtype, options)


@pytest.mark.parametrize(
    ("installed", "options", "expected"),
    [
        (True, RasterOptions(), "gsplat"),
        (False, RasterOptions(), "torch"),
        (True, RasterOptions(surfels=True), "torch"),
    ],
)
def test_auto_takes_gsplat_on_cuda_where_it_can_draw(
    monkeypatch: pytest.MonkeyPatch, installed: bool, options: RasterOptions, expected: str
) -> None:
    monkeypatch.setattr(_gsplat, "is_installed", lambda: installed)
    monkeypatch.setattr(_gsplat, "check", lambda *_: None)
    chosen = _dispatch.choose("auto", torch.device("cuda"), torch.float32, options)
    assert chosen == expected
