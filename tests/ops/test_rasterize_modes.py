"""Projections, antialiasing, surfels, other rules and regions, against brute force."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from sparse3d.geometry.transforms import look_at
from sparse3d.geometry.views import Projection, Views
from sparse3d.ops.backend import has_native
from sparse3d.ops.rasterize import RasterBackend, RasterOptions, RasterOutputs, Render, rasterize
from sparse3d.scene.gaussians import Gaussians

FAST: list[RasterBackend] = ["torch", "native"] if has_native() else ["torch"]
SIZE = (37, 29)
FORWARD = 1e-5
BACKWARD = 1e-4
FIELDS = Gaussians.__slots__


def cameras(projection: Projection, size: tuple[int, int] = SIZE, count: int = 1) -> Views:
    """Cameras off the axes; a scene of about four units fills an orthographic picture."""
    eyes = torch.tensor([[3.0, -4.0, 1.0], [-1.0, -5.0, 0.5]]).double()[:count]
    origin, up = torch.tensor([[0.2, 0.0, -0.1], [0.1, 0.0, 1.0]]).double()
    poses = torch.stack([look_at(eye, origin, up) for eye in eyes])
    width, height = size
    scale = 1.0 if projection == "perspective" else 0.22
    matrix = torch.tensor(
        [[1.1 * width, 0, width / 2 + 1.3], [0, 1.2 * width, height / 2 - 0.7], [0, 0, 1]]
    ).double()
    matrix[0, 0], matrix[1, 1] = matrix[0, 0] * scale, matrix[1, 1] * scale
    return Views(poses, matrix.expand(count, 3, 3), width, height, projection)


def cloud(n: int = 30, seed: int = 0, smaller: float = 0.0) -> Gaussians:
    rng = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=rng, dtype=torch.float64)

    return Gaussians(
        normal(n, 3) * 1.5,
        normal(n, 4),
        normal(n, 3) * 0.6 - 1.8 - smaller,
        normal(n) * 2,
        normal(n, 4, 3) * 0.3,
    )


def drawn(
    scene: Gaussians,
    views: Views,
    options: RasterOptions,
    backend: RasterBackend,
    dtype: torch.dtype = torch.float32,
) -> tuple[Render, list[Tensor]]:
    """A render, and gradients for a random cotangent."""
    rng = torch.Generator().manual_seed(5)
    fields = [*(getattr(scene, f) for f in FIELDS), views.world_from_camera]
    leaves = [field.to(dtype).clone().requires_grad_() for field in fields]
    seen = replace(views, world_from_camera=leaves[5], matrices=views.matrices.to(dtype))
    receivers = torch.zeros(2, len(views), len(scene), 2, dtype=dtype).unbind()
    receivers = [receiver.clone().requires_grad_() for receiver in receivers]
    render = rasterize(
        Gaussians(*leaves[:5]),
        seen,
        background=torch.tensor([0.1, 0.5, 0.9], dtype=dtype),
        options=options,
        mean_gradients=receivers[0],
        absolute_gradients=receivers[1],
        backend=backend,
    )
    images = (render.colors, render.alphas, render.depths)
    total = [(i * torch.randn(i.shape, generator=rng).to(dtype)).sum() for i in images]
    torch.stack(total).sum().backward()
    gradients = [leaf.grad for leaf in (*leaves, *receivers)]
    return render, [torch.zeros(()) if g is None else g for g in gradients]


def assert_equals_brute_force(
    scene: Gaussians, views: Views, options: RasterOptions, backend: RasterBackend
) -> None:
    actual, gradients = drawn(scene, views, options, backend)
    expected, truths = drawn(scene, views, options, "reference", torch.float64)
    assert expected.alphas.max() > min(0.3, 2 * options.max_alpha)
    for name in ("colors", "alphas", "depths"):
        torch.testing.assert_close(
            getattr(actual, name).double(), getattr(expected, name), rtol=FORWARD, atol=FORWARD
        )
    if options.surfels:  # radii are those of the box, which is wider than what shows
        assert (actual.radii[expected.radii > 0] == expected.radii[expected.radii > 0]).all()
    else:
        assert torch.equal(actual.radii, expected.radii)
    for number, (a, e) in enumerate(zip(gradients, truths, strict=True)):
        error = (a.double() - e).norm()
        assert error <= BACKWARD * e.norm() + 1e-7, f"gradient {number}: {error} of {e.norm()}"


@pytest.mark.parametrize("backend", FAST)
@pytest.mark.parametrize(
    "options",
    [
        RasterOptions(),
        RasterOptions(antialiased=True),
        RasterOptions(blur=0.1),
        RasterOptions(blur=1.5, antialiased=True),
    ],
    ids=["plain", "antialiased", "sharp", "blurred"],
)
@pytest.mark.parametrize("projection", ["perspective", "orthographic"])
def test_every_mode_equals_brute_force(
    projection: Projection, options: RasterOptions, backend: RasterBackend
) -> None:
    assert_equals_brute_force(cloud(), cameras(projection), options, backend)


@pytest.mark.parametrize("backend", FAST)
def test_antialiased_small_gaussians_equal_brute_force(backend: RasterBackend) -> None:
    small = replace(cloud(smaller=1.0), logit_opacities=torch.full((30,), 6.0).double())
    assert_equals_brute_force(
        small, cameras("perspective"), RasterOptions(antialiased=True), backend
    )


@pytest.mark.parametrize("backend", FAST)
@pytest.mark.parametrize("projection", ["perspective", "orthographic"])
def test_surfels_equal_brute_force(projection: Projection, backend: RasterBackend) -> None:
    assert_equals_brute_force(cloud(), cameras(projection), RasterOptions(surfels=True), backend)


@pytest.mark.parametrize("backend", FAST)
def test_surfels_around_the_camera_equal_brute_force(backend: RasterBackend) -> None:
    scene, views = cloud(12, seed=2), cameras("perspective")
    eye = views.world_from_camera[0, :3, 3]
    around = replace(scene, means=eye + 0.4 * scene.means, log_scales=scene.log_scales + 1)
    assert_equals_brute_force(around, views, RasterOptions(surfels=True, near=0.05), backend)


@pytest.mark.parametrize("backend", FAST)
def test_sub_pixel_surfels_are_seen_by_the_low_pass_filter(backend: RasterBackend) -> None:
    tiny = replace(cloud(smaller=4.0), logit_opacities=torch.full((30,), 3.0).double())
    assert_equals_brute_force(tiny, cameras("perspective"), RasterOptions(surfels=True), backend)


@pytest.mark.parametrize("backend", FAST)
def test_the_third_scale_of_a_surfel_is_ignored(backend: RasterBackend) -> None:
    scene, views = cloud(), cameras("perspective")
    scales = scene.log_scales + torch.tensor([0.0, 0.0, 3.0])
    options = RasterOptions(surfels=True)
    thin = drawn(scene, views, options, backend)[0]
    thick = drawn(replace(scene, log_scales=scales), views, options, backend)[0]
    assert torch.equal(thin.colors, thick.colors)


@pytest.mark.parametrize("backend", FAST)
@pytest.mark.parametrize("surfels", [False, True])
@pytest.mark.parametrize("max_alpha", [0.99, 0.7, 0.005])
def test_max_alpha_equals_brute_force(
    max_alpha: float, surfels: bool, backend: RasterBackend
) -> None:
    opaque = replace(cloud(), logit_opacities=torch.full((30,), 8.0).double())
    options = RasterOptions(max_alpha=max_alpha, surfels=surfels)
    assert_equals_brute_force(opaque, cameras("perspective"), options, backend)


@pytest.mark.parametrize("options", [RasterOptions(antialiased=True), RasterOptions(surfels=True)])
@pytest.mark.parametrize("projection", ["perspective", "orthographic"])
@pytest.mark.parametrize("backend", ["reference", "torch"])
def test_gradients_equal_finite_differences(
    backend: RasterBackend, projection: Projection, options: RasterOptions
) -> None:
    scene, views = cloud(4, seed=5, smaller=-1.0), cameras(projection, (6, 5))

    def draw(*leaves: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        seen = replace(views, world_from_camera=leaves[5])
        out = rasterize(Gaussians(*leaves[:5]), seen, options=options, backend=backend)
        return out.colors, out.alphas, out.depths

    fields = [*(getattr(scene, f) for f in FIELDS), views.world_from_camera]
    leaves = [field.clone().requires_grad_() for field in fields]
    assert torch.autograd.gradcheck(draw, leaves, eps=1e-7, fast_mode=True)


def test_an_orthographic_picture_does_not_depend_on_the_distance() -> None:
    scene = replace(cloud(), sh=cloud().sh[:, :1])  # colours of no direction
    near = cameras("orthographic")
    far = near.world_from_camera.clone()
    far[:, :3, 3] -= 5 * far[:, :3, 2]
    a = drawn(scene, near, RasterOptions(near=1e-6), "torch", torch.float64)[0]
    b = drawn(
        scene, replace(near, world_from_camera=far), RasterOptions(near=5.0), "torch", torch.float64
    )[0]
    torch.testing.assert_close(a.colors, b.colors)


@pytest.mark.parametrize("options", [RasterOptions(), RasterOptions(surfels=True)])
@pytest.mark.parametrize("region", [(0, 0, 37, 29), (5, 3, 20, 20), (16, 16, 1, 1), (33, 0, 4, 29)])
@pytest.mark.parametrize("backend", FAST)
def test_a_region_is_the_crop_of_the_picture(
    backend: RasterBackend, region: tuple[int, int, int, int], options: RasterOptions
) -> None:
    scene, views = single(cloud(60)), narrow(cameras("perspective", count=2))
    x, y, width, height = region
    whole = rasterize(scene, views, options=options, backend=backend)
    part = rasterize(
        scene, views, options=options, outputs=RasterOutputs(region=region), backend=backend
    )
    assert part.colors.shape == (2, height, width, 3)
    for name in ("colors", "alphas", "depths"):
        cut = getattr(whole, name)[:, y : y + height, x : x + width]
        assert torch.equal(getattr(part, name), cut)
    assert torch.equal(part.radii, whole.radii)


@pytest.mark.parametrize("backend", [*FAST, "reference"])
def test_tiles_that_are_not_wanted_show_the_background(backend: RasterBackend) -> None:
    scene, views = single(cloud(30)), narrow(cameras("perspective"))
    tiles = torch.tensor([[True, False, True], [False, True, False]])
    background = torch.tensor([0.2, 0.4, 0.6])
    whole = rasterize(scene, views, background=background, backend=backend)
    some = rasterize(
        scene, views, background=background, outputs=RasterOutputs(region=tiles), backend=backend
    )
    pixels = tiles.repeat_interleave(16, 0).repeat_interleave(16, 1)[:29, :37]
    assert torch.equal(some.colors[0][pixels], whole.colors[0][pixels])
    assert (some.colors[0][~pixels] == background).all()
    assert not some.alphas[0][~pixels].any()


@pytest.mark.parametrize("backend", FAST)
def test_the_gradient_of_a_region_is_that_of_its_pixels(backend: RasterBackend) -> None:
    views = narrow(cameras("perspective"))
    found = []
    for region in (None, (5, 3, 20, 20)):
        scene = single(cloud(30))
        leaf = scene.means.clone().requires_grad_()
        render = rasterize(
            replace(scene, means=leaf), views, outputs=RasterOutputs(region=region), backend=backend
        )
        image = render.colors[:, 3:23, 5:25] if region is None else render.colors
        (image**2).sum().backward()
        found.append(leaf.grad)
    torch.testing.assert_close(found[1], found[0])


def single(scene: Gaussians) -> Gaussians:
    return Gaussians(*(getattr(scene, f).float() for f in FIELDS))


def narrow(views: Views) -> Views:
    return replace(
        views,
        world_from_camera=views.world_from_camera.float(),
        matrices=views.matrices.float(),
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (RasterOptions(blur=0.0), "blur must be positive and finite"),
        (RasterOptions(blur=float("nan")), "blur must be positive and finite"),
        (RasterOptions(max_alpha=1.0), "max_alpha must be between"),
        (RasterOptions(surfels=True, antialiased=True), "antialiased is not defined for surfels"),
    ],
)
def test_rules_that_make_no_sense_are_refused(options: RasterOptions, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        rasterize(single(cloud(3)), narrow(cameras("perspective")), options=options)


@pytest.mark.parametrize("region", [(0, 0, 0, 5), (-1, 0, 5, 5), (30, 0, 8, 5), (0, 0, 5, -5)])
def test_a_region_outside_the_image_is_refused(region: tuple[int, int, int, int]) -> None:
    with pytest.raises(ValueError, match="region must be x, y, width, height within 37x29"):
        rasterize(
            single(cloud(3)), narrow(cameras("perspective")), outputs=RasterOutputs(region=region)
        )


def test_tiles_must_fit_the_image() -> None:
    with pytest.raises(ValueError, match="region must hold one bool a tile"):
        rasterize(
            single(cloud(3)),
            narrow(cameras("perspective")),
            outputs=RasterOutputs(region=torch.ones(3, 3, dtype=torch.bool)),
        )


def test_an_unknown_projection_is_refused() -> None:
    views = narrow(cameras("perspective"))
    object.__setattr__(views, "projection", "fisheye")
    with pytest.raises(ValueError, match="projection must be perspective or orthographic"):
        rasterize(single(cloud(3)), views)
