"""SSIM and the photometric loss against the direct convolution, torchmetrics and themselves."""

import pytest
import torch
from torch import Tensor

from sparse3d.ops.backend import Backend, has_native, native_module
from sparse3d.ops.ssim import photometric_loss, ssim

needs_native = pytest.mark.skipif(not has_native(), reason="the C++ kernels were not built")
BACKENDS = ["torch", pytest.param("native", marks=needs_native)]
# Height, width, channels; native cuts rows into tiles of 128 columns.
SIZES = [(1, 1, 1), (3, 2, 3), (11, 11, 1), (7, 31, 2), (29, 18, 3), (16, 131, 3), (13, 385, 1)]


def images(*shape: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Correlated random images in [0, 1], float32."""
    generator = torch.Generator().manual_seed(seed)
    image = torch.rand(shape, generator=generator)
    return image, 0.7 * image + 0.3 * torch.rand(shape, generator=generator)


def gradients(value: Tensor, inputs: list[Tensor], seed: int = 1) -> list[Tensor]:
    cotangent = torch.randn(value.shape, generator=torch.Generator().manual_seed(seed))
    return list(torch.autograd.grad(value, inputs, cotangent.to(value)))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_ssim_equals_the_definition(backend: Backend, size: tuple[int, int, int]) -> None:
    pair = [x.requires_grad_() for x in images(2, 2, *size)]
    exact = [x.detach().double().requires_grad_() for x in pair]
    value, expected = ssim(*pair, backend=backend), ssim(*exact, backend="reference")
    assert value.shape == (2, 2)
    torch.testing.assert_close(value.double(), expected, rtol=0, atol=5e-6)
    for got, wanted in zip(gradients(value, pair), gradients(expected, exact), strict=True):
        scale = wanted.abs().max()  # float32 cancels in the variances, C2 keeps that harmless
        torch.testing.assert_close(got.double(), wanted, rtol=1e-4, atol=float(2e-5 * scale))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_photometric_loss_equals_the_definition(
    backend: Backend, masked: bool, size: tuple[int, int, int]
) -> None:
    image, target = images(*size)
    generator = torch.Generator().manual_seed(2)
    mask = torch.rand(size[:2], generator=generator) < 0.7 if masked else None
    image.requires_grad_()
    exact = image.detach().double().requires_grad_()
    loss = photometric_loss(image, target, mask=mask, ssim_weight=0.3, backend=backend)
    expected = photometric_loss(
        exact, target.double(), mask=mask, ssim_weight=0.3, backend="reference"
    )
    torch.testing.assert_close(loss.double(), expected, rtol=0, atol=2e-6)
    (got,), (wanted,) = gradients(loss, [image]), gradients(expected, [exact])
    scale = float(wanted.abs().max())
    torch.testing.assert_close(got.double(), wanted, rtol=1e-4, atol=2e-5 * scale)
    if mask is not None:
        assert not got[~mask].any()


def test_torch_backend_has_exact_gradients() -> None:
    pair = [x.double().requires_grad_() for x in images(6, 9, 2)]
    assert torch.autograd.gradcheck(lambda x, y: ssim(x, y, backend="torch"), pair)


def test_float64_takes_torch() -> None:
    pair = [x.double() for x in images(13, 9, 3)]
    torch.testing.assert_close(ssim(*pair), ssim(*pair, backend="reference"), rtol=0, atol=1e-13)


@pytest.mark.parametrize("backend", BACKENDS)
def test_equals_torchmetrics_where_reflection_and_zeros_pad_alike(backend: Backend) -> None:
    functional = pytest.importorskip("torchmetrics.functional.image")
    frame = (0, 0, 6, 6, 6, 6)  # within a frame of zeros, wider than the window's radius
    image, target = (torch.nn.functional.pad(x, frame) for x in images(24, 17, 3))
    _, full = functional.structural_similarity_index_measure(
        image.permute(2, 0, 1)[None],
        target.permute(2, 0, 1)[None],
        data_range=1.0,
        return_full_image=True,
    )
    torch.testing.assert_close(ssim(image, target, backend=backend), full.mean(), rtol=0, atol=5e-6)


@pytest.mark.parametrize("backend", BACKENDS)
def test_equal_images_give_one_and_no_loss(backend: Backend) -> None:
    image, _ = images(20, 14, 3)
    assert float(ssim(image, image, backend=backend)) == pytest.approx(1, abs=1e-6)
    assert float(photometric_loss(image, image, backend=backend)) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("backend", BACKENDS)
def test_constant_images_compare_by_luminance(backend: Backend) -> None:
    dark, bright = torch.full((40, 40, 1), 0.2), torch.full((40, 40, 1), 0.8)
    exact = ssim(dark.double(), bright.double(), backend="reference")
    # Variances of zero are differences of equal float32 numbers, to be compared with C2 = 9e-4.
    assert float(ssim(dark, bright, backend=backend)) == pytest.approx(float(exact), abs=2e-4)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_single_pixel_sees_the_centre_of_the_window(backend: Backend) -> None:
    taps = torch.exp(-(torch.arange(-5.0, 6.0) ** 2) / 4.5)
    weight, x, y = float((taps[5] / taps.sum()) ** 2), 0.3, 0.9
    rest = weight - weight**2  # of a variance or covariance, after the squared mean
    luminance = (2 * weight**2 * x * y + 1e-4) / (weight**2 * (x * x + y * y) + 1e-4)
    wanted = luminance * (2 * rest * x * y + 9e-4) / (rest * (x * x + y * y) + 9e-4)
    got = ssim(torch.full((1, 1, 1), x), torch.full((1, 1, 1), y), backend=backend)
    assert float(got) == pytest.approx(wanted, abs=1e-6)


@pytest.mark.parametrize("backend", BACKENDS)
def test_masked_pixels_may_hold_anything(backend: Backend) -> None:
    image, target = images(21, 15, 3)
    mask = torch.ones(21, 15, dtype=torch.bool)
    mask[4:9, 3:12] = False
    expected = photometric_loss(image, target, mask=mask, backend=backend)
    image[5, 5], target[6, 7] = torch.nan, torch.inf
    image.requires_grad_()
    loss = photometric_loss(image, target, mask=mask, backend=backend)
    assert torch.equal(loss, expected)
    assert bool(gradients(loss, [image])[0].isfinite().all())


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_empty_mask_gives_no_loss(backend: Backend) -> None:
    image, target = images(8, 9, 3)
    mask = torch.zeros(8, 9, dtype=torch.bool)
    loss = photometric_loss(image.requires_grad_(), target, mask=mask, backend=backend)
    assert float(loss.detach()) == pytest.approx(0, abs=1e-6)
    assert not gradients(loss, [image])[0].any()


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_target_gets_no_gradient_from_the_loss(backend: Backend) -> None:
    image, target = images(8, 9, 3)
    photometric_loss(image.requires_grad_(), target.requires_grad_(), backend=backend).backward()
    assert image.grad is not None
    assert target.grad is None


@pytest.mark.parametrize("backend", BACKENDS)
def test_strided_images_are_read_right(backend: Backend) -> None:
    image, target = images(12, 10, 3)
    planes = image.permute(2, 0, 1).contiguous().permute(1, 2, 0).requires_grad_()
    dense = image.clone().requires_grad_()
    results = [photometric_loss(x, target, backend=backend) for x in (planes, dense)]
    torch.testing.assert_close(*results)
    torch.testing.assert_close(
        gradients(results[0], [planes])[0], gradients(results[1], [dense])[0]
    )


@needs_native
@pytest.mark.parametrize("size", [(45, 33, 3), (45, 260, 3), (2, 140, 1)], ids=str)
def test_native_gives_the_same_bits_for_any_number_of_threads(size: tuple[int, int, int]) -> None:
    image, target = images(*size)
    threads, results = torch.get_num_threads(), []
    try:
        for count in (1, 2, 5):
            torch.set_num_threads(count)
            loss = photometric_loss(image.requires_grad_(), target)
            results.append((loss.detach(), gradients(loss, [image])[0]))
    finally:
        torch.set_num_threads(threads)
    assert all(
        torch.equal(*pair) for one in results[1:] for pair in zip(one, results[0], strict=True)
    )


@needs_native
@pytest.mark.parametrize("isa", ["baseline", "avx2", "avx512"])
def test_native_agrees_on_every_instruction_set(isa: str) -> None:
    native = native_module()
    if isa not in native.available_isas():
        pytest.skip(f"this machine or build has no {isa}")
    image, target = images(19, 23, 3)
    loss = photometric_loss(image.requires_grad_(), target, backend="torch")
    expected = loss.detach(), gradients(loss, [image])[0]
    try:
        native.set_isa(isa)
        loss = photometric_loss(image, target, backend="native")
        torch.testing.assert_close((loss.detach(), gradients(loss, [image])[0]), expected)
    finally:
        native.set_isa("auto")


@needs_native
def test_native_refuses_to_differentiate_twice() -> None:
    image, target = images(5, 6, 3)
    loss = photometric_loss(image.requires_grad_(), target, backend="native")
    (gradient,) = torch.autograd.grad(loss**2, image, create_graph=True)
    with pytest.raises(RuntimeError, match=r"once_differentiable"):
        gradient.sum().backward()


@needs_native
def test_native_refuses_other_dtypes() -> None:
    image, target = images(5, 6, 3)
    with pytest.raises(ValueError, match=r"takes float32 images, got torch.float64"):
        ssim(image.double(), target.double(), backend="native")


def test_a_batch_of_none_gives_none() -> None:
    assert ssim(torch.zeros(0, 4, 4, 3), torch.zeros(0, 4, 4, 3)).shape == (0,)


@pytest.mark.parametrize("function", [ssim, photometric_loss])
@pytest.mark.parametrize("backend", BACKENDS)
def test_mistakes_are_named(function, backend: Backend) -> None:
    image, target = images(4, 5, 3)
    with pytest.raises(ValueError, match=r"same shape, got \(4, 5, 3\) and \(5, 4, 3\)"):
        function(image, target.transpose(0, 1), backend=backend)
    with pytest.raises(ValueError, match=r"needs pixels and channels, got shape \(4, 0, 3\)"):
        function(image[:, :0], target[:, :0], backend=backend)
    broken = target.clone()
    broken[1, 2, 0], broken[3, 3, 1] = torch.nan, torch.inf
    with pytest.raises(ValueError, match=r"^target must hold finite values"):
        function(image, broken, backend=backend)
    with pytest.raises(ValueError, match=r"^image must hold finite values"):
        function(broken, target, backend=backend)
    with pytest.raises(ValueError, match=r"^image and target must hold finite values"):
        function(image * 1e30, target, backend=backend)  # the squares overflow


@pytest.mark.parametrize("weight", [-0.1, 1.1, float("nan")])
def test_a_weight_outside_its_range_is_named(weight: float) -> None:
    with pytest.raises(ValueError, match=r"ssim_weight must lie in \[0, 1\]"):
        photometric_loss(*images(4, 5, 3), ssim_weight=weight)
