"""Features, codes, normals, medians, dominant Gaussians, weights and absolute gradients."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from time import perf_counter

import pytest
import torch
from torch import Tensor

from sparse3d.geometry.transforms import look_at
from sparse3d.geometry.views import Views
from sparse3d.ops.backend import has_native, native_module
from sparse3d.ops.rasterize import RasterBackend, RasterOutputs, Render, SparseCodes, rasterize
from sparse3d.scene.gaussians import Gaussians

FAST: list[RasterBackend] = ["torch", "native"] if has_native() else ["torch"]
ISAS = native_module().available_isas() if has_native() else []
SIZE = (37, 29)
N = 30
CODES = 7
IMAGES = ("colors", "alphas", "depths", "features", "coefficients", "normals", "median_depths")
FIELDS = Gaussians.__slots__


@pytest.fixture
def restored() -> Iterator[None]:
    """Thread count and instruction set as they were."""
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    if has_native():
        native_module().set_isa("auto")


def cameras(count: int = 2, size: tuple[int, int] = SIZE) -> Views:
    eyes = torch.tensor([[3.0, -4.0, 1.0], [-1.0, -5.0, 0.5]]).double()[:count]
    origin, up = torch.tensor([[0.2, 0.0, -0.1], [0.1, 0.0, 1.0]]).double()
    poses = torch.stack([look_at(eye, origin, up) for eye in eyes])
    width, height = size
    matrix = torch.tensor(
        [[1.1 * width, 0, width / 2 + 1.3], [0, 1.2 * width, height / 2 - 0.7], [0, 0, 1]]
    ).double()
    return Views(poses, matrix.expand(count, 3, 3), width, height)


def cloud(n: int = N, opacity: float = 0.0) -> Gaussians:
    rng = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=rng, dtype=torch.float64)

    return Gaussians(
        normal(n, 3) * 1.5,
        normal(n, 4),
        normal(n, 3) * 0.6 - 1.6,
        normal(n) * 2 + opacity,
        normal(n, 4, 3) * 0.3,
    )


def stacked(n: int = 150) -> Gaussians:
    """Many faint Gaussians behind each other, all on one pixel."""
    base, pose = cloud(n), cameras().world_from_camera[0]
    behind = torch.linspace(0, 1, n, dtype=torch.float64)[:, None]
    faint = torch.linspace(-5.0, -3.0, n, dtype=torch.float64)
    return replace(base, means=pose[:3, 3] + (4 + behind) * pose[:3, 2], logit_opacities=faint)


def drawn(
    scene: Gaussians,
    views: Views,
    backend: RasterBackend,
    dtype: torch.dtype = torch.float32,
    extent: int = 5,
) -> tuple[Render, list[Tensor]]:
    """Everything at once, and gradients of all inputs for a random cotangent."""
    rng, n = torch.Generator().manual_seed(5), len(scene)
    features = torch.randn(n, extent, generator=rng)
    weights = torch.randn(n, 3, generator=rng)
    indices = torch.randint(0, CODES, (n, 3), generator=rng)  # some codes come twice
    fields = [*(getattr(scene, f) for f in FIELDS), views.world_from_camera, features, weights]
    fields += [torch.tensor([0.1, 0.5, 0.9]), *torch.zeros(2, len(views), n, 2)]
    leaves = [field.to(dtype).clone().requires_grad_() for field in fields]
    outputs = RasterOutputs(
        features=leaves[6],
        codes=SparseCodes(indices, leaves[7], CODES),
        normals=True,
        median_depths=True,
        dominant=True,
        weights=True,
    )
    render = rasterize(
        Gaussians(*leaves[:5]),
        replace(views, world_from_camera=leaves[5], matrices=views.matrices.to(dtype)),
        background=leaves[8],
        outputs=outputs,
        mean_gradients=leaves[9],
        absolute_gradients=leaves[10],
        backend=backend,
    )
    images = [getattr(render, name) for name in IMAGES]
    total = [(i * torch.randn(i.shape, generator=rng).to(dtype)).sum() for i in images]
    torch.stack(total).sum().backward()
    return render, [torch.zeros(()) if leaf.grad is None else leaf.grad for leaf in leaves]


def assert_equals_brute_force(
    scene: Gaussians, views: Views, backend: RasterBackend, extent: int = 5
) -> None:
    actual, gradients = drawn(scene, views, backend, extent=extent)
    expected, truths = drawn(scene, views, "reference", torch.float64, extent)
    for name in (*IMAGES, "weights"):
        a, e = getattr(actual, name).detach().double(), getattr(expected, name).detach()
        error = (a - e).abs().max()
        assert error <= 1e-5 * max(1.0, float(e.abs().max())), f"{name}: {error}"
    assert actual.dominant is not None
    assert expected.dominant is not None
    assert torch.equal(actual.dominant, expected.dominant)
    for number, (a, e) in enumerate(zip(gradients, truths, strict=True)):
        error = (a.double() - e).norm()
        assert error <= 1e-4 * e.norm() + 1e-7, f"gradient {number}: {error} of {e.norm()}"


@pytest.mark.parametrize("backend", FAST)
@pytest.mark.parametrize("opacity", [-2.0, 0.0, 6.0])
def test_everything_at_once_equals_brute_force(backend: RasterBackend, opacity: float) -> None:
    assert_equals_brute_force(cloud(opacity=opacity), cameras(), backend)


@pytest.mark.parametrize("backend", FAST)
@pytest.mark.parametrize("extent", [1, 64])
def test_few_and_many_features_equal_brute_force(backend: RasterBackend, extent: int) -> None:
    assert_equals_brute_force(cloud(12), cameras(1, (19, 17)), backend, extent)


@pytest.mark.parametrize("backend", FAST)
@pytest.mark.parametrize("size", [(1, 1), (16, 33)])
def test_any_image_size_will_do(backend: RasterBackend, size: tuple[int, int]) -> None:
    assert_equals_brute_force(cloud(12), cameras(1, size), backend)


@pytest.mark.parametrize("backend", FAST)
def test_hundreds_on_one_pixel_equal_brute_force(backend: RasterBackend) -> None:
    assert_equals_brute_force(stacked(), cameras(1, (9, 7)), backend)


@pytest.mark.parametrize("isa", ISAS)
def test_every_instruction_set_equals_brute_force(isa: str, restored: None) -> None:
    native_module().set_isa(isa)
    assert_equals_brute_force(cloud(), cameras(), "native")


@pytest.mark.parametrize("backend", [*FAST, "reference"])
def test_without_gaussians_or_views_there_is_nothing(backend: RasterBackend) -> None:
    empty, _ = drawn(cloud(0), cameras(), backend)
    assert empty.dominant is not None
    assert (empty.dominant == -1).all()
    for name in IMAGES[1:]:
        assert not getattr(empty, name).any(), name
    outputs = RasterOutputs(
        torch.ones(3, 5), normals=True, median_depths=True, dominant=True, weights=True
    )
    unseen = Views(torch.zeros(0, 4, 4), torch.zeros(0, 3, 3), *SIZE)
    none = rasterize(single(cloud(3)), unseen, outputs=outputs, backend=backend)
    assert none.features is not None
    assert none.features.shape == (0, 29, 37, 5)
    assert none.weights is not None
    assert none.weights.shape == (0, 3)


@pytest.mark.parametrize("backend", FAST)
def test_what_is_asked_for_besides_changes_no_colour_and_no_gradient(
    backend: RasterBackend,
) -> None:
    scene, views = single(cloud()), narrow(cameras())
    everything = RasterOutputs(
        torch.ones(N, 2), None, normals=True, median_depths=True, dominant=True, weights=True
    )
    results = []
    for outputs in (RasterOutputs(), everything):
        means = scene.means.clone().requires_grad_()
        render = rasterize(replace(scene, means=means), views, outputs=outputs, backend=backend)
        render.colors.square().sum().backward()
        results.append((render.colors, means.grad))
    if backend == "native":  # torch sums in another order if there is more to sum
        assert torch.equal(results[0][0], results[1][0])
    torch.testing.assert_close(results[0][0], results[1][0])
    torch.testing.assert_close(results[0][1], results[1][1])
    plain = rasterize(scene, views, backend=backend)
    assert plain.features is plain.normals is plain.median_depths is plain.weights is None


@pytest.mark.parametrize("backend", FAST)
def test_features_of_ones_are_alphas_and_weights_sum_to_them(backend: RasterBackend) -> None:
    outputs = RasterOutputs(torch.ones(N, 1), weights=True)
    render = rasterize(single(cloud()), narrow(cameras()), outputs=outputs, backend=backend)
    assert render.features is not None
    assert render.weights is not None
    torch.testing.assert_close(render.features[..., 0], render.alphas)
    torch.testing.assert_close(render.weights.sum(1), render.alphas.sum((1, 2)))
    assert (render.visible <= (render.radii > 0)).all()


@pytest.mark.parametrize("backend", FAST)
def test_coefficients_times_dictionary_are_the_features_of_codes(backend: RasterBackend) -> None:
    rng = torch.Generator().manual_seed(1)
    dictionary = torch.randn(CODES, 4, generator=rng)
    indices = torch.randint(0, CODES, (N, 2), generator=rng).int()
    weights = torch.rand(N, 2, generator=rng)
    features = torch.einsum("nk,nkf->nf", weights, dictionary[indices.long()])
    outputs = RasterOutputs(features, SparseCodes(indices, weights, CODES))
    render = rasterize(single(cloud()), narrow(cameras()), outputs=outputs, backend=backend)
    assert render.coefficients is not None
    torch.testing.assert_close(
        render.coefficients @ dictionary, render.features, rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("backend", FAST)
def test_a_wall_shows_its_normal_its_depth_and_its_row(backend: RasterBackend) -> None:
    """One broad flat Gaussian five units ahead, thin along the view."""
    wall = Gaussians(
        torch.tensor([[9.0, 9.0, -9.0], [0.0, 0.0, 5.0]]),
        torch.tensor([[1.0, 0.0, 0.0, 0.0]] * 2),
        torch.tensor([[2.0, 2.0, -4.0]] * 2),
        torch.tensor([9.0, 9.0]),
        torch.zeros(2, 1, 3),
    )
    matrix = torch.tensor([[[20.0, 0.0, 8.0], [0.0, 20.0, 8.0], [0.0, 0.0, 1.0]]])
    views = Views(torch.eye(4)[None], matrix, 16, 16)
    outputs = RasterOutputs(normals=True, median_depths=True, dominant=True)
    render = rasterize(wall, views, outputs=outputs, backend=backend)
    assert render.normals is not None
    assert (render.dominant == 1).all()
    assert (render.median_depths == 5).all()
    expected = -render.alphas[..., None] * torch.tensor([0.0, 0.0, 1.0])  # towards the camera
    torch.testing.assert_close(render.normals, expected)


@pytest.mark.parametrize("backend", FAST)
def test_absolute_gradients_bound_the_signed_ones(backend: RasterBackend) -> None:
    _, gradients = drawn(cloud(), cameras(), backend)
    signed, absolute = gradients[9], gradients[10]
    assert (absolute >= signed.abs() - 1e-4 * absolute.max()).all()
    assert absolute.sum() > 1.5 * signed.abs().sum()


@pytest.mark.parametrize("backend", FAST)
def test_an_absolute_gradient_of_one_pixel_is_the_signed_one(backend: RasterBackend) -> None:
    _, gradients = drawn(cloud(), cameras(2, (1, 1)), backend)
    assert gradients[10].any()
    torch.testing.assert_close(gradients[10], gradients[9].abs(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("backend", FAST)
def test_order_of_rows_does_not_matter(backend: RasterBackend) -> None:
    scene, order = cloud(), torch.randperm(N, generator=torch.Generator().manual_seed(2))
    features = torch.arange(N, dtype=torch.float32)[:, None]
    outputs = RasterOutputs(features, dominant=True)
    straight = rasterize(single(scene), narrow(cameras()), outputs=outputs, backend=backend)
    mixed = rasterize(
        single(scene.select(order)),
        narrow(cameras()),
        outputs=replace(outputs, features=features[order]),
        backend=backend,
    )
    assert straight.features is not None
    assert straight.dominant is not None
    assert mixed.dominant is not None
    torch.testing.assert_close(mixed.features, straight.features)
    hit = straight.dominant >= 0
    assert torch.equal(order[mixed.dominant[hit].long()].int(), straight.dominant[hit])


@pytest.mark.parametrize("backend", FAST)
def test_a_batch_of_views_equals_its_views_and_a_region_the_crop(backend: RasterBackend) -> None:
    scene, views = single(cloud()), narrow(cameras())
    outputs = RasterOutputs(torch.rand(N, 3), normals=True, median_depths=True, dominant=True)
    whole = rasterize(scene, views, outputs=outputs, backend=backend)
    for view in range(2):
        one = replace(
            views,
            world_from_camera=views.world_from_camera[view : view + 1],
            matrices=views.matrices[view : view + 1],
        )
        region = replace(outputs, region=(3, 7, 20, 15))
        part = rasterize(scene, one, outputs=region, backend=backend)
        for name in ("features", "normals", "median_depths", "dominant"):
            expected = getattr(whole, name)[view : view + 1, 7:22, 3:23]
            assert torch.equal(getattr(part, name), expected), name


@pytest.mark.skipif(not has_native(), reason="the C++ kernels were not built")
def test_bits_do_not_depend_on_the_number_of_threads(restored: None) -> None:
    outcomes = []
    for threads in (1, 2, 5):
        torch.set_num_threads(threads)
        outcomes.append(drawn(cloud(3000), cameras(2, (70, 50)), "native"))
    first, gradients = outcomes[0]
    for other, others in outcomes[1:]:
        for name in (*IMAGES, "dominant", "weights", "radii"):
            assert torch.equal(getattr(other, name), getattr(first, name)), name
        for number, (a, e) in enumerate(zip(others, gradients, strict=True)):
            assert torch.equal(a, e), number


@pytest.mark.parametrize("backend", ["reference", "torch"])
def test_gradients_equal_finite_differences(backend: RasterBackend) -> None:
    scene, views = cloud(4, opacity=1.0), cameras(1, (6, 5))
    indices = torch.tensor([[0, 2], [1, 1], [2, 0], [0, 1]])

    def draw(*leaves: Tensor) -> list[Tensor]:
        seen = replace(views, world_from_camera=leaves[5])
        codes = SparseCodes(indices, leaves[7], 3)
        outputs = RasterOutputs(leaves[6], codes, normals=True, median_depths=True)
        out = rasterize(Gaussians(*leaves[:5]), seen, outputs=outputs, backend=backend)
        images = (out.features, out.coefficients, out.normals, out.median_depths)
        return [image for image in images if image is not None]

    rng = torch.Generator().manual_seed(3)
    extra = [torch.randn(4, k, generator=rng, dtype=torch.float64) for k in (3, 2)]
    fields = [*(getattr(scene, f) for f in FIELDS), views.world_from_camera, *extra]
    leaves = [field.clone().requires_grad_() for field in fields]
    assert torch.autograd.gradcheck(
        lambda *given: tuple(draw(*given)), leaves, eps=1e-7, fast_mode=True
    )


def single(scene: Gaussians) -> Gaussians:
    return Gaussians(*(getattr(scene, f).float() for f in FIELDS))


def narrow(views: Views) -> Views:
    return replace(
        views,
        world_from_camera=views.world_from_camera.float(),
        matrices=views.matrices.float(),
    )


def codes(
    shape: tuple[int, int] = (N, 2), count: int = CODES, value: int = 0, weight: float = 1.0
) -> RasterOutputs:
    indices = torch.full(shape, value)
    return RasterOutputs(codes=SparseCodes(indices, torch.full(shape, weight), count))


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        (lambda: RasterOutputs(torch.ones(N, 0)), "features must be"),
        (lambda: RasterOutputs(torch.ones(N, 65)), "features must be"),
        (lambda: RasterOutputs(torch.ones(N - 1, 3)), "features must have shape"),
        (lambda: RasterOutputs(torch.ones(N, 3).double()), r"features must be torch\.float32"),
        (lambda: RasterOutputs(torch.full((N, 3), float("nan"))), "features must be finite"),
        (lambda: codes(count=0), r"codes\.count must be 1 to"),
        (lambda: codes(value=CODES), "indices must be 0 to 6"),
        (lambda: codes(value=-1), "indices must be 0 to 6"),
        (lambda: codes(shape=(N - 1, 2)), "must be of one shape"),
        (lambda: codes(shape=(N, 0)), "must be of one shape"),
        (lambda: codes(weight=float("inf")), "weights must be finite"),
    ],
)
def test_what_does_not_fit_is_named(outputs: Callable[[], RasterOutputs], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        rasterize(single(cloud()), narrow(cameras()), outputs=outputs())


@pytest.mark.parametrize("backend", [*FAST, "reference"])
def test_the_native_backend_tells_where_the_time_went(backend: RasterBackend) -> None:
    begin = perf_counter()
    render, _ = drawn(cloud(), cameras(), backend)
    seconds = perf_counter() - begin
    if backend != "native":
        assert render.stages is None
        return
    assert render.stages is not None
    parts = (render.stages.project, render.stages.sort, render.stages.blend)
    assert min(parts) > 0
    assert sum(parts) < seconds
