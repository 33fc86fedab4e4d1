"""Surfels that a rasteriser may get wrong, with all outputs and gradients, against brute force."""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache

import pytest
import torch
from torch import Tensor

from sparse3d.geometry.rotations import quaternion_from_matrix
from sparse3d.geometry.transforms import look_at
from sparse3d.geometry.views import Projection, Views
from sparse3d.ops.backend import has_native, native_module
from sparse3d.ops.rasterize import (
    RasterBackend,
    RasterOptions,
    RasterOutputs,
    Render,
    SparseCodes,
    rasterize,
)
from sparse3d.scene.gaussians import Gaussians

FAST: list[RasterBackend] = ["torch", "native"] if has_native() else ["torch"]
ISAS = native_module().available_isas() if has_native() else []
SIZE = (37, 29)
N = 12
CODES = 5
NEAR = 0.05
IMAGES = ("colors", "alphas", "depths", "features", "coefficients", "normals", "median_depths")
FIELDS = Gaussians.__slots__
KINDS = [
    "cloud",
    "edge-on",
    "through near",
    "behind",
    "sub-pixel",
    "huge",
    "needles",
    "border",
    "transparent",
    "opaque",
    "stacked",
]

LARGER = {"sub-pixel": [-4.0], "huge": [3.5], "needles": [1.5, -1.5, 0.0], "border": [1.0]}
"""Added to the logarithms of scales."""


@pytest.fixture
def restored() -> Iterator[None]:
    """Thread count and instruction set as they were."""
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    if has_native():
        native_module().set_isa("auto")


def camera(projection: Projection = "perspective", size: tuple[int, int] = SIZE) -> Views:
    """Off the axes, principal point off the middle, oblong pixels."""
    eye, origin, up = torch.tensor([[3.0, -4.0, 1.0], [0.2, 0.0, -0.1], [0.1, 0.0, 1.0]]).double()
    width, height = size
    zoom = 1.0 if projection == "perspective" else 0.22
    matrix = [
        [1.1 * width * zoom, 0, width / 2 + 1.3],
        [0, 1.2 * width * zoom, height / 2 - 0.7],
        [0, 0, 1],
    ]
    pose = look_at(eye, origin, up).float().double()
    return Views(pose[None], torch.tensor([matrix]).double(), width, height, projection)


def cloud(n: int = N, seed: int = 3) -> Gaussians:
    rng = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=rng)

    fields = (
        normal(n, 3) * 1.5,
        normal(n, 4),
        normal(n, 3) * 0.6 - 1.6,
        normal(n) * 2,
        normal(n, 4, 3) * 0.3,
    )
    return Gaussians(*(field.double() for field in fields))


def grazing(means: Tensor, eye: Tensor) -> Tensor:
    """Quaternions of discs whose planes all but hold the camera."""
    rng = torch.Generator().manual_seed(7)
    ray = torch.nn.functional.normalize(means - eye, dim=-1)
    other = torch.randn(len(means), 3, generator=rng).double()
    normal = torch.linalg.cross(ray, other) + 0.005 * ray
    frame = torch.linalg.qr(torch.stack([normal, ray, other], -1)).Q.flip(-1)
    frame[:, :, 0] *= torch.linalg.det(frame)[:, None]
    return quaternion_from_matrix(frame)


def nasty(kind: str) -> Gaussians:
    base, pose = cloud(), camera().world_from_camera[0]
    means, quaternions = base.means, base.quaternions
    scales = base.log_scales + torch.tensor(LARGER.get(kind, [0.0]))
    logits, eye, ahead = base.logit_opacities, pose[:3, 3], pose[:3, 2]
    if kind == "edge-on":
        quaternions = grazing(means, eye)
    elif kind == "through near":
        means = eye + (NEAR + 0.1) * ahead + 0.05 * means
    elif kind == "behind":
        means = eye + 0.5 * means  # all around the camera, a few closer than near
    elif kind == "border":
        means = eye + 4 * (ahead + 0.45 * pose[:3, 0]) + 0.15 * means
    elif kind == "transparent":
        logits = torch.linspace(-7.0, -4.5, N).double()  # around 1/255
    elif kind == "opaque":
        logits = torch.linspace(4.0, 40.0, N).double()
    elif kind == "stacked":
        means = means[:1].expand(N, 3) - torch.arange(N)[:, None] * 0.01 * ahead
        logits = logits + 2
    fields = (means, quaternions, scales, logits, base.sh)
    return Gaussians(*(field.float().double() for field in fields))


def drawn(
    scene: Gaussians,
    views: Views,
    backend: RasterBackend,
    dtype: torch.dtype = torch.float32,
    max_alpha: float = 0.999,
) -> tuple[Render, list[Tensor]]:
    """Everything at once, and gradients of all inputs for a random cotangent."""
    rng, n = torch.Generator().manual_seed(5), len(scene)
    features, weights = (torch.randn(n, k, generator=rng) for k in (4, 2))
    indices = torch.randint(0, CODES, (n, 2), generator=rng)
    fields = [*(getattr(scene, f) for f in FIELDS), views.world_from_camera, features, weights]
    fields += [torch.tensor([0.1, 0.5, 0.9]), *torch.zeros(2, len(views), n, 2)]
    leaves = [field.to(dtype).clone().requires_grad_() for field in fields]
    render = rasterize(
        Gaussians(*leaves[:5]),
        replace(views, world_from_camera=leaves[5], matrices=views.matrices.to(dtype)),
        background=leaves[8],
        options=RasterOptions(surfels=True, near=NEAR, max_alpha=max_alpha),
        outputs=RasterOutputs(
            leaves[6],
            SparseCodes(indices, leaves[7], CODES),
            normals=True,
            median_depths=True,
            dominant=True,
            weights=True,
        ),
        mean_gradients=leaves[9],
        absolute_gradients=leaves[10],
        backend=backend,
    )
    images = [getattr(render, name) for name in IMAGES]
    total = [(i * torch.randn(i.shape, generator=rng).to(dtype)).sum() for i in images]
    torch.stack(total).sum().backward()
    return render, [torch.zeros(()) if leaf.grad is None else leaf.grad for leaf in leaves]


@cache
def truth(kind: str, projection: Projection) -> tuple[Render, list[Tensor]]:
    return drawn(nasty(kind), camera(projection), "reference", torch.float64)


def assert_close(found: tuple[Render, list[Tensor]], truth: tuple[Render, list[Tensor]]) -> None:
    (actual, gradients), (expected, truths) = found, truth
    for name in (*IMAGES, "weights"):
        a, e = getattr(actual, name).detach().double(), getattr(expected, name).detach()
        error = (a - e).abs().max()
        assert error <= 1e-5 * max(1.0, float(e.abs().max())), f"{name}: {error}"
    assert actual.dominant is not None
    assert expected.dominant is not None
    assert torch.equal(actual.dominant, expected.dominant)
    shown = expected.radii > 0
    assert torch.equal(actual.radii[shown], expected.radii[shown])
    for number, (a, e) in enumerate(zip(gradients, truths, strict=True)):
        error = (a.double() - e).norm()
        assert error <= 1e-4 * e.norm() + 1e-7, f"gradient {number}: {error} of {e.norm()}"


@pytest.mark.parametrize("backend", FAST)
@pytest.mark.parametrize("projection", ["perspective", "orthographic"])
@pytest.mark.parametrize("kind", KINDS)
def test_nasty_surfels_equal_brute_force(
    kind: str, projection: Projection, backend: RasterBackend
) -> None:
    expected = truth(kind, projection)
    assert kind == "sub-pixel" or expected[0].alphas.max() > 0
    assert_close(drawn(nasty(kind), camera(projection), backend), expected)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("kind", ["cloud", "through near"])
def test_every_instruction_set_equals_brute_force(kind: str, isa: str, restored: None) -> None:
    native_module().set_isa(isa)
    assert_close(drawn(nasty(kind), camera(), "native"), truth(kind, "perspective"))


@pytest.mark.parametrize("backend", FAST)
@pytest.mark.parametrize("size", [(1, 1), (1, 40), (33, 16)])
def test_any_image_size_will_do(size: tuple[int, int], backend: RasterBackend) -> None:
    scene, views = nasty("cloud"), camera(size=size)
    assert_close(drawn(scene, views, backend), drawn(scene, views, "reference", torch.float64))


@pytest.mark.parametrize("backend", FAST)
@pytest.mark.parametrize("max_alpha", [0.99, 0.7])
def test_every_output_keeps_to_the_largest_alpha(max_alpha: float, backend: RasterBackend) -> None:
    scene, views = nasty("opaque"), camera()
    expected = drawn(scene, views, "reference", torch.float64, max_alpha)
    assert_close(drawn(scene, views, backend, max_alpha=max_alpha), expected)


@pytest.mark.parametrize("backend", [*FAST, "reference"])
def test_without_surfels_there_is_only_background(backend: RasterBackend) -> None:
    render, gradients = drawn(cloud(0), camera(), backend)
    assert torch.equal(render.colors, torch.tensor([0.1, 0.5, 0.9]).expand(1, 29, 37, 3))
    for name in IMAGES[1:]:
        assert not getattr(render, name).any(), name
    assert gradients[8].any()


@pytest.mark.parametrize("backend", FAST)
def test_a_surfel_whose_plane_holds_the_camera_shows_by_the_filter_alone(
    backend: RasterBackend,
) -> None:
    turned = Gaussians(
        torch.tensor([[0.0, 0.0, 5.0]]),
        torch.tensor([[1.0, 0.0, 1.0, 0.0]]),  # the normal points along x
        torch.zeros(1, 3),
        torch.full((1,), 5.0),
        torch.zeros(1, 1, 3),
    )
    matrix = torch.tensor([[[20.0, 0.0, 8.0], [0.0, 20.0, 8.0], [0.0, 0.0, 1.0]]])
    views = Views(torch.eye(4)[None], matrix, 16, 16)
    render = rasterize(turned, views, options=RasterOptions(surfels=True), backend=backend)
    places = torch.arange(16) + 0.5 - 8
    squared = places[:, None] ** 2 + places**2
    alphas = torch.sigmoid(torch.tensor(5.0)) * torch.exp(-squared)
    expected = torch.where(alphas >= 1 / 255, alphas, 0)
    torch.testing.assert_close(render.alphas[0], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.skipif(not has_native(), reason="the C++ kernels were not built")
def test_bits_do_not_depend_on_the_number_of_threads(restored: None) -> None:
    outcomes = []
    for threads in (1, 2, 5):
        torch.set_num_threads(threads)
        outcomes.append(drawn(cloud(3000), camera(size=(70, 50)), "native"))
    first, gradients = outcomes[0]
    for other, others in outcomes[1:]:
        for name in (*IMAGES, "dominant", "weights", "radii"):
            assert torch.equal(getattr(other, name), getattr(first, name)), name
        for number, (a, e) in enumerate(zip(others, gradients, strict=True)):
            assert torch.equal(a, e), number


@pytest.mark.parametrize("backend", FAST)
@pytest.mark.parametrize("region", [(3, 7, 20, 15), (16, 16, 1, 1)])
def test_a_region_is_the_crop_of_every_output(
    region: tuple[int, int, int, int], backend: RasterBackend
) -> None:
    scene = Gaussians(*(getattr(cloud(60), f).float() for f in FIELDS))
    views = camera()
    views = replace(
        views,
        world_from_camera=views.world_from_camera.float(),
        matrices=views.matrices.float(),
    )
    outputs = RasterOutputs(torch.rand(60, 3), normals=True, median_depths=True, dominant=True)
    options = RasterOptions(surfels=True)
    x, y, width, height = region
    whole = rasterize(scene, views, options=options, outputs=outputs, backend=backend)
    cut = replace(outputs, region=region)
    part = rasterize(scene, views, options=options, outputs=cut, backend=backend)
    for name in ("colors", "alphas", "depths", "features", "normals", "median_depths", "dominant"):
        expected = getattr(whole, name)[:, y : y + height, x : x + width]
        assert torch.equal(getattr(part, name), expected), name
