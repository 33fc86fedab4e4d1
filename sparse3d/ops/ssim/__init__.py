"""Structural similarity of images, and the photometric loss of splatting that is built on it.

The definition is the one of the splatting field (Wang et al. 2004 with the choices of 3DGS): an
11 x 11 Gaussian window of sigma 1.5, zero padding, ``C1 = 0.01^2``, ``C2 = 0.03^2`` for values in
[0, 1], every channel on its own, and the mean over all pixels and channels.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sparse3d.ops.backend import Backend, choose_backend
from sparse3d.ops.ssim import _native, _reference, _torch

__all__ = ["photometric_loss", "ssim"]

_BACKENDS = {"reference": _reference, "torch": _torch, "native": _native}


def ssim(
    image: Float[Tensor, "*batch h w c"],
    target: Float[Tensor, "..."],
    *,
    backend: Backend = "auto",
) -> Float[Tensor, "*batch"]:
    """Mean structural similarity of each image with its target.

    Differentiable with respect to both. Images smaller than the window see zeros beyond their
    border, as larger ones do.

    Args:
        image: Images with values in [0, 1], channels last.
        target: What they are compared with, of the same shape.
        backend: ``auto`` takes ``native`` for float32 on the CPU where it was built.

    Returns:
        One value an image, 1 for equal images.

    Raises:
        ValueError: If shapes differ, an image has no pixels or a value is not finite.

    Example:
        >>> image = torch.rand(2, 16, 20, 3)
        >>> ssim(image, image).tolist()
        [1.0, 1.0]
    """
    _check_shapes(image, target)
    if not image.numel():
        return image.new_zeros(image.shape[:-3])
    module = _BACKENDS[_choose(backend, image)]
    flat = (-1, *image.shape[-3:])
    value = module.ssim(image.reshape(flat), target.reshape(flat))
    _check_finite(value, None, image=image, target=target)
    return value.reshape(image.shape[:-3])


def photometric_loss(
    image: Float[Tensor, "h w c"],
    target: Float[Tensor, "..."],
    *,
    mask: Bool[Tensor, "h w"] | None = None,
    ssim_weight: float = 0.2,
    backend: Backend = "auto",
) -> Float[Tensor, ""]:
    """``(1 - w) * L1 + w * (1 - SSIM)`` of a rendered image, the loss of 3DGS.

    The gradient flows to ``image`` only. The native backend computes loss and gradient together.

    Args:
        image: The rendered image, values in [0, 1].
        target: The photo, of the same shape.
        mask: Where it is false, both images are replaced by zeros: these pixels are left out of
            the mean of L1, get no gradient, may hold anything, and count as equal in SSIM (whose
            mean stays over all pixels). With no true pixel the loss is 0.
        ssim_weight: The ``w`` above, in [0, 1].
        backend: ``auto`` takes ``native`` for float32 on the CPU where it was built.

    Raises:
        ValueError: If shapes differ, the image has no pixels, the weight is not in [0, 1] or an
            unmasked value is not finite.

    Example:
        >>> grey, black = torch.full((4, 4, 3), 0.5), torch.zeros(4, 4, 3)
        >>> round(photometric_loss(grey, black, ssim_weight=0.0).item(), 6)
        0.5
    """
    _check_shapes(image, target)
    if not 0 <= ssim_weight <= 1:
        raise ValueError(f"ssim_weight must lie in [0, 1], got {ssim_weight}")
    module = _BACKENDS[_choose(backend, image)]
    value = module.photometric_loss(image, target.detach(), mask, ssim_weight)
    _check_finite(value, mask, image=image, target=target)
    return value


def _choose(backend: Backend, image: Tensor) -> Backend:
    if backend == "auto" and image.dtype != torch.float32:
        return "torch"
    return choose_backend(backend, image.device)


def _check_shapes(image: Tensor, target: Tensor) -> None:
    if image.shape != target.shape:
        raise ValueError(
            f"image and target must have the same shape, got {tuple(image.shape)}"
            f" and {tuple(target.shape)}"
        )
    if 0 in image.shape[-3:]:
        raise ValueError(f"an image needs pixels and channels, got shape {tuple(image.shape)}")


def _check_finite(value: Tensor, mask: Tensor | None, **images: Tensor) -> None:
    """Judge by the result, which any non-finite value spoils: no further pass over the images."""
    if bool(torch.isfinite(value).all()):
        return
    used = {name: x if mask is None else x[mask] for name, x in images.items()}
    wrong = [name for name, x in used.items() if not bool(torch.isfinite(x).all())]
    names = " and ".join(wrong or images)
    raise ValueError(f"{names} must hold finite values in [0, 1]")
