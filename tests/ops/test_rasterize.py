"""The rasteriser against brute force, and what it promises besides."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import pytest
import torch
from torch import Tensor

from sparse3d.geometry.transforms import look_at
from sparse3d.geometry.views import Views
from sparse3d.ops.backend import Backend, has_native, native_module
from sparse3d.ops.rasterize import RasterOptions, Render, rasterize
from sparse3d.scene.gaussians import Gaussians

SIZE = (37, 29)  # no multiple of the tile, not square
FAST: list[Backend] = ["torch", "native"] if has_native() else ["torch"]
ISAS = native_module().available_isas() if has_native() else []
FORWARD = 1e-5  # float32 against float64, colours and alphas in [0, 1], depths of a few units
BACKWARD = 1e-4  # relative to the norm of the gradient


@pytest.fixture
def restored() -> Iterator[None]:
    """Thread count and instruction set as they were."""
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    if has_native():
        native_module().set_isa("auto")


def views(count: int = 1, size: tuple[int, int] = SIZE) -> Views:
    """Cameras around the origin, principal point off the middle, oblong pixels."""
    up = torch.tensor([0.1, 0.0, 1.0], dtype=torch.float64)
    origin = torch.tensor([0.2, 0.0, -0.1], dtype=torch.float64)
    eyes = torch.tensor([[3.0, -4.0, 1.0], [-1.0, -5.0, 0.5], [4.0, 2.0, -2.0]]).double()
    poses = torch.stack([look_at(eye, origin, up) for eye in eyes[:count]])
    width, height = size
    matrix = torch.tensor(
        [[1.1 * width, 0, width / 2 + 1.3], [0, 1.2 * width, height / 2 - 0.7], [0, 0, 1]]
    )
    return Views(poses, matrix.double().expand(count, 3, 3), width, height)


def cloud(n: int, seed: int = 0, degree: int = 3) -> Gaussians:
    """Gaussians around the origin, some of them outside the picture or behind the camera."""
    rng = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=rng, dtype=torch.float64)

    return Gaussians(
        normal(n, 3) * 1.5,
        normal(n, 4),
        normal(n, 3) * 0.6 - 1.8,
        normal(n) * 2,
        normal(n, (degree + 1) ** 2, 3) * 0.3,
    )


def nasty(kind: str) -> Gaussians:
    """Twelve Gaussians that a rasteriser may get wrong."""
    base = cloud(12, seed=3, degree=1)
    means, scales, logits = base.means.clone(), base.log_scales.clone(), base.logit_opacities
    eye = views().world_from_camera[0]
    if kind == "needles":
        scales[:, 0] += 4
        scales[:, 1:] -= 4
    elif kind == "huge":
        scales += 3.5
    elif kind == "sub-pixel":
        scales -= 6
    elif kind == "behind":
        means = eye[:3, 3] + 0.5 * means  # all around the camera, a few closer than near
    elif kind == "border":
        means = eye[:3, 3] + 4 * (eye[:3, 2] + 0.45 * eye[:3, 0]) + 0.15 * means
        scales += 1
    elif kind == "transparent":
        logits = torch.linspace(-7.0, -4.5, 12, dtype=torch.float64)  # around 1/255
    elif kind == "opaque":
        logits = torch.linspace(4.0, 40.0, 12, dtype=torch.float64)  # past the clamp at 0.999
    elif kind == "stacked":
        means = means[:1].expand(12, 3) - torch.arange(12)[:, None] * 0.01 * eye[:3, 2]
        logits = logits + 2
    return Gaussians(means, base.quaternions, scales, logits, base.sh)


KINDS = ["needles", "huge", "sub-pixel", "behind", "border", "transparent", "opaque", "stacked"]


@dataclass
class Outcome:
    """Pictures and gradients of one call."""

    render: Render
    gradients: list[Tensor]
    loss: float


def run(
    gaussians: Gaussians,
    cameras: Views,
    backend: Backend,
    dtype: torch.dtype,
    sh_degree: int | None = None,
    near: float = 0.01,
) -> Outcome:
    """Draw over a coloured background and go back with a random cotangent."""
    rng = torch.Generator().manual_seed(11)
    count, (width, height) = len(cameras), (cameras.width, cameras.height)
    background = torch.rand(count, 3, generator=rng)
    cotangents = [
        torch.randn(count, height, width, *channels, generator=rng).to(dtype)
        for channels in ((3,), (), ())
    ]
    fields = (
        gaussians.means,
        gaussians.quaternions,
        gaussians.log_scales,
        gaussians.logit_opacities,
        gaussians.sh,
        cameras.world_from_camera,
        background,
        torch.zeros(count, len(gaussians), 2),
    )
    leaves = [field.detach().to(dtype).clone().requires_grad_() for field in fields]
    poses = Views(leaves[5], cameras.matrices.to(dtype), width, height)
    render = rasterize(
        Gaussians(*leaves[:5]),
        poses,
        background=leaves[6],
        mean_gradients=leaves[7],
        options=RasterOptions(sh_degree=sh_degree, near=near),
        backend=backend,
    )
    images = (render.colors, render.alphas, render.depths)
    total = torch.stack([(i * c).sum() for i, c in zip(images, cotangents, strict=True)]).sum()
    total.backward()
    return Outcome(
        render, [torch.zeros_like(x) if x.grad is None else x.grad for x in leaves], total.item()
    )


def assert_close(actual: Outcome, expected: Outcome) -> None:
    for name in ("colors", "alphas", "depths"):
        a, e = (getattr(outcome.render, name).detach().double() for outcome in (actual, expected))
        torch.testing.assert_close(a, e, rtol=FORWARD, atol=FORWARD, msg=lambda m, n=name: n + m)
    assert torch.equal(actual.render.radii, expected.render.radii)
    for number, (a, e) in enumerate(zip(actual.gradients, expected.gradients, strict=True)):
        error = (a.double() - e.double()).norm()
        assert error <= BACKWARD * e.double().norm() + 1e-7, f"gradient {number}: {error}"


def assert_same_bits(actual: Outcome, expected: Outcome) -> None:
    for name in ("colors", "alphas", "depths", "radii"):
        assert torch.equal(getattr(actual.render, name), getattr(expected.render, name))
    for a, e in zip(actual.gradients, expected.gradients, strict=True):
        assert torch.equal(a, e)


@cache
def truth(count: int, seed: int, degree: int) -> Outcome:
    """Brute force on a cloud, in double precision."""
    return run(cloud(count, seed, degree), views(), "reference", torch.float64)


@cache
def truth_of_nasty(kind: str) -> Outcome:
    return run(nasty(kind), views(), "reference", torch.float64)


@pytest.mark.parametrize("backend", FAST)
@pytest.mark.parametrize(("count", "degree", "seed"), [(50, 3, 0), (30, 2, 1), (20, 0, 2)])
def test_random_clouds_equal_brute_force(
    backend: Backend, count: int, degree: int, seed: int
) -> None:
    scene, cameras = cloud(count, seed, degree), views()
    expected = truth(count, seed, degree)
    assert expected.render.alphas.mean() > 0.1
    assert_close(run(scene, cameras, backend, torch.float32), expected)


@pytest.mark.parametrize("backend", FAST)
@pytest.mark.parametrize("kind", KINDS)
def test_nasty_gaussians_equal_brute_force(backend: Backend, kind: str) -> None:
    scene, cameras = nasty(kind), views()
    expected = truth_of_nasty(kind)
    assert kind == "sub-pixel" or expected.render.alphas.max() > 0
    assert_close(run(scene, cameras, backend, torch.float32), expected)


@pytest.mark.parametrize("isa", ISAS)
def test_every_instruction_set_equals_brute_force(isa: str, restored: None) -> None:
    native_module().set_isa(isa)
    scene, cameras = cloud(50), views()
    expected = truth(50, 0, 3)
    assert_close(run(scene, cameras, "native", torch.float32), expected)


def test_torch_in_double_precision_equals_brute_force_exactly() -> None:
    scene, cameras = cloud(20, seed=1), views(3)
    expected = run(scene, cameras, "reference", torch.float64)
    actual = run(scene, cameras, "torch", torch.float64)
    for a, e in zip(actual.gradients, expected.gradients, strict=True):
        torch.testing.assert_close(a, e, rtol=1e-9, atol=1e-9)


def test_torch_blends_long_lists_piece_by_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    scene, cameras = cloud(60), views(2)
    whole = run(scene, cameras, "torch", torch.float64)
    monkeypatch.setattr("sparse3d.ops.rasterize._tiles._BUDGET", 16 * 16 * 7)
    assert_close(run(scene, cameras, "torch", torch.float64), whole)


@pytest.mark.parametrize("backend", ["reference", "torch"])
def test_gradients_equal_finite_differences(backend: Backend) -> None:
    scene, cameras = cloud(4, seed=5, degree=1), views(1, (6, 5))

    def draw(*leaves: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        seen = Views(leaves[5], cameras.matrices, cameras.width, cameras.height)
        out = rasterize(Gaussians(*leaves[:5]), seen, background=leaves[6], backend=backend)
        return out.colors, out.alphas, out.depths

    leaves = [
        scene.means,
        scene.quaternions,
        scene.log_scales + 1,
        scene.logit_opacities,
        scene.sh,
        cameras.world_from_camera,
        torch.tensor([0.2, 0.5, 0.9], dtype=torch.float64),
    ]
    assert torch.autograd.gradcheck(
        draw, [leaf.clone().requires_grad_() for leaf in leaves], eps=1e-7, fast_mode=True
    )


@pytest.mark.parametrize("backend", FAST)
def test_mean_gradient_is_what_a_shift_of_the_picture_costs(backend: Backend) -> None:
    """Moving the principal point moves every projected centre alike, and nothing else."""
    scene, cameras = cloud(8, 4, 0), views()
    outcome = run(scene, cameras, backend, torch.float32)
    step = 1e-4
    losses = []
    for sign in (1, -1):
        matrices = cameras.matrices.clone()
        matrices[:, :2, 2] += sign * step * torch.tensor([1.0, 2.0])
        moved = Views(cameras.world_from_camera, matrices, cameras.width, cameras.height)
        losses.append(run(scene, moved, "torch", torch.float64).loss)
    slope = (losses[0] - losses[1]) / (2 * step)
    found = outcome.gradients[7].sum((0, 1)) @ torch.tensor([1.0, 2.0])
    assert float(found) == pytest.approx(slope, rel=1e-3)
    hidden = outcome.render.radii == 0
    assert hidden.any()
    assert not outcome.gradients[7][hidden].any()


@pytest.mark.parametrize("backend", FAST)
def test_order_of_rows_does_not_matter(backend: Backend) -> None:
    scene, cameras = cloud(80), views(1)
    order = torch.randperm(80, generator=torch.Generator().manual_seed(2))
    straight = run(scene, cameras, backend, torch.float32)
    shuffled = run(scene.select(order), cameras, backend, torch.float32)
    torch.testing.assert_close(shuffled.render.colors, straight.render.colors)
    assert torch.equal(shuffled.render.radii, straight.render.radii[:, order])
    for a, e in zip(shuffled.gradients[:5], straight.gradients[:5], strict=True):
        torch.testing.assert_close(a, e[order])


@pytest.mark.parametrize("backend", FAST)
def test_equal_depths_are_drawn_in_the_order_of_rows(backend: Backend) -> None:
    scene, cameras = nasty("opaque"), views(1)
    twins = Gaussians(
        scene.means[:1].expand(2, 3),
        scene.quaternions[:2],
        scene.log_scales[:2],
        scene.logit_opacities[-2:],
        scene.sh[:2],
    )
    swapped = twins.select(torch.tensor([1, 0]))
    for gaussians in (twins, swapped):
        expected = run(gaussians, cameras, "reference", torch.float64)
        assert_close(run(gaussians, cameras, backend, torch.float32), expected)


@pytest.mark.parametrize("backend", FAST)
def test_a_batch_of_views_equals_its_views(backend: Backend) -> None:
    scene, cameras = cloud(60), views(3)
    whole = run(scene, cameras, backend, torch.float32).render
    scene = Gaussians(*(getattr(scene, f).float() for f in Gaussians.__slots__))
    background = torch.rand(3, 3, generator=torch.Generator().manual_seed(11))
    for i in range(3):
        one = Views(
            cameras.world_from_camera[i : i + 1].float(),
            cameras.matrices[i : i + 1].float(),
            cameras.width,
            cameras.height,
        )
        part = rasterize(scene, one, background=background[i], backend=backend)
        assert torch.equal(part.colors[0], whole.colors[i])
        assert torch.equal(part.depths[0], whole.depths[i])
        assert torch.equal(part.radii[0], whole.radii[i])


@pytest.mark.skipif(not has_native(), reason="the C++ kernels were not built")
def test_bits_do_not_depend_on_the_number_of_threads(restored: None) -> None:
    scene, cameras = cloud(9000, degree=1), views(2, (70, 50))
    outcomes = []
    for threads in (1, 2, 5):
        torch.set_num_threads(threads)
        assert native_module().threads() == threads
        outcomes.append(run(scene, cameras, "native", torch.float32))
    assert_same_bits(outcomes[1], outcomes[0])
    assert_same_bits(outcomes[2], outcomes[0])


@pytest.mark.parametrize("backend", FAST)
@pytest.mark.parametrize("degree", [0, 1, 2, 3])
def test_degree_limits_the_harmonics_in_use(backend: Backend, degree: int) -> None:
    scene, cameras = cloud(30), views(1)
    count = (degree + 1) ** 2
    cut = Gaussians(
        scene.means, scene.quaternions, scene.log_scales, scene.logit_opacities, scene.sh[:, :count]
    )
    limited = run(scene, cameras, backend, torch.float32, sh_degree=degree)
    assert torch.equal(
        limited.render.colors, run(cut, cameras, backend, torch.float32).render.colors
    )
    assert not limited.gradients[4][:, count:].any()


@pytest.mark.parametrize("backend", [*FAST, "reference"])
def test_without_gaussians_there_is_only_background(backend: Backend) -> None:
    outcome = run(cloud(0), views(2), backend, torch.float32)
    background = torch.rand(2, 3, generator=torch.Generator().manual_seed(11))
    assert torch.equal(outcome.render.colors, background[:, None, None].expand(2, 29, 37, 3))
    assert not outcome.render.alphas.any()
    assert not outcome.render.depths.any()
    assert outcome.render.radii.shape == (2, 0)
    assert outcome.gradients[6].any()


@pytest.mark.parametrize("backend", [*FAST, "reference"])
def test_without_views_there_are_no_pictures(backend: Backend) -> None:
    none = Views(torch.zeros(0, 4, 4), torch.zeros(0, 3, 3), 5, 4)
    scene = cloud(3)
    scene = Gaussians(*(getattr(scene, f).float() for f in Gaussians.__slots__))
    render = rasterize(scene, none, backend=backend)
    assert render.colors.shape == (0, 4, 5, 3)
    assert render.alphas.shape == render.depths.shape == (0, 4, 5)
    assert render.radii.shape == (0, 3)


@pytest.mark.parametrize("backend", FAST)
@pytest.mark.parametrize("size", [(1, 1), (1, 40), (33, 16), (16, 17)])
def test_any_image_size_will_do(backend: Backend, size: tuple[int, int]) -> None:
    scene, cameras = cloud(20, degree=1), views(1, size)
    expected = run(scene, cameras, "reference", torch.float64)
    assert_close(run(scene, cameras, backend, torch.float32), expected)


@pytest.mark.parametrize("backend", FAST)
def test_near_hides_what_is_too_close(backend: Backend) -> None:
    scene, cameras = cloud(20, seed=1, degree=0), views()
    pose = cameras.world_from_camera[0]
    depths = (scene.means - pose[:3, 3]) @ pose[:3, 2]
    near = float(depths[run(scene, cameras, backend, torch.float32).render.radii[0] > 0].median())
    outcome = run(scene, cameras, backend, torch.float32, near=near + 1e-4)
    beyond = run(scene.select(depths > near + 1e-4), cameras, backend, torch.float32)
    assert torch.equal(outcome.render.colors, beyond.render.colors)
    assert not outcome.render.radii[0, depths <= near + 1e-4].any()


@pytest.mark.parametrize("backend", FAST)
def test_a_gaussian_too_large_for_its_number_type_is_left_out(backend: Backend) -> None:
    scene, cameras = cloud(20, degree=0), views(1)
    scales = scene.log_scales.clone()
    scales[3] = 60.0
    blown = Gaussians(scene.means, scene.quaternions, scales, scene.logit_opacities, scene.sh)
    rest = torch.arange(20) != 3
    outcome = run(blown, cameras, backend, torch.float32)
    without = run(scene.select(rest), cameras, backend, torch.float32)
    assert torch.equal(outcome.render.colors, without.render.colors)
    assert all(bool(torch.isfinite(gradient).all()) for gradient in outcome.gradients)
