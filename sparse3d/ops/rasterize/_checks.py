"""What a call of ``rasterize`` must fulfil."""

import torch
from jaxtyping import Float
from torch import Tensor

from sparse3d.geometry.views import Views
from sparse3d.scene.gaussians import Gaussians

__all__ = ["background", "mean_gradients", "parameters", "views"]


def parameters(
    gaussians: Gaussians, sh_degree: int | None
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Means, quaternions, log scales, logit opacities and the SH coefficients in use."""
    degree = gaussians.sh_degree if sh_degree is None else sh_degree
    if not 0 <= degree <= gaussians.sh_degree:
        raise ValueError(
            f"sh_degree must be between 0 and the Gaussians' {gaussians.sh_degree}, got {degree}"
        )
    if gaussians.sh_degree > 3:
        raise ValueError(f"spherical harmonics up to degree 3 expected, got {gaussians.sh_degree}")
    shapes = {
        "means": (3,),
        "quaternions": (4,),
        "log_scales": (3,),
        "logit_opacities": (),
        "sh": (gaussians.sh.shape[1], 3),
    }
    for name, shape in shapes.items():
        _check(
            f"gaussians.{name}", getattr(gaussians, name), (len(gaussians), *shape), gaussians.means
        )
    if bool((gaussians.quaternions.detach() == 0).all(-1).any()):
        raise ValueError("gaussians.quaternions must not be zero")
    return (
        gaussians.means,
        gaussians.quaternions,
        gaussians.log_scales,
        gaussians.logit_opacities,
        gaussians.sh[:, : (degree + 1) ** 2],
    )


def views(views: Views, like: Tensor) -> None:
    """Raise unless the cameras are finite pinholes of at least one pixel."""
    if views.width < 1 or views.height < 1:
        raise ValueError(f"image size must be positive, got {views.width}x{views.height}")
    _check("views.world_from_camera", views.world_from_camera, (len(views), 4, 4), like)
    _check("views.matrices", views.matrices, (len(views), 3, 3), like)
    for matrix in views.matrices.detach().tolist():
        (fx, skew, _), (skew_y, fy, _), last = matrix
        if not (fx > 0 and fy > 0 and skew == skew_y == 0 and last == [0, 0, 1]):
            raise ValueError(f"views.matrices must be of pinholes without skew, got {matrix}")


def background(
    color: Float[Tensor, " 3"] | Float[Tensor, "c 3"] | None, count: int, like: Tensor
) -> Float[Tensor, "c 3"]:
    """The background of every view; black for None."""
    if color is None:
        return like.new_zeros(count, 3)
    shape = (3,) if color.ndim == 1 else (count, 3)
    _check("background", color, shape, like)
    return color.expand(count, 3)


def mean_gradients(zeros: Float[Tensor, "c n 2"] | None, count: int, like: Tensor) -> None:
    """Raise unless there is a place for the gradient of every projected centre."""
    if zeros is None:
        return
    _check("mean_gradients", zeros, (count, len(like), 2), like)
    if bool(zeros.detach().any()):
        raise ValueError("mean_gradients must be zero; it only receives gradients")


def _check(name: str, tensor: Tensor, shape: tuple[int, ...], like: Tensor) -> None:
    if tensor.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, got {tuple(tensor.shape)}")
    if tensor.dtype != like.dtype or tensor.device != like.device:
        raise ValueError(
            f"{name} must be {like.dtype} on {like.device} as gaussians.means,"
            f" got {tensor.dtype} on {tensor.device}"
        )
    if not _all_finite(tensor.detach()):
        raise ValueError(f"{name} must be finite, got nan or infinity")


def _all_finite(tensor: Tensor) -> bool:
    # A sum is cheaper than a mask, and finite unless values are not or it overflows.
    return bool(torch.isfinite(tensor.sum())) or bool(torch.isfinite(tensor).all())
