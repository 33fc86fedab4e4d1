"""Draw 3D Gaussians into pinhole views: colour, alpha and depth, differentiable."""

from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float, Int32
from torch import Tensor

from sparse3d.geometry.views import Views
from sparse3d.ops.backend import Backend, choose_backend
from sparse3d.ops.rasterize import _checks, _native, _reference, _torch
from sparse3d.scene.gaussians import Gaussians

__all__ = ["Render", "rasterize"]

_BACKENDS = {
    "reference": _reference.rasterize,
    "torch": _torch.rasterize,
    "native": _native.rasterize,
}


@dataclass(frozen=True, slots=True)
class Render:
    """Pictures of Gaussians, one a view."""

    colors: Float[Tensor, "c h w 3"]
    """RGB over the background; not clamped, spherical harmonics may exceed 1."""
    alphas: Float[Tensor, "c h w"]
    """Share of a pixel that Gaussians cover, 0 to 1."""
    depths: Float[Tensor, "c h w"]
    """Mean z-depth of what covers a pixel, ``sum(w z) / alpha``, scene units; 0 where nothing."""
    radii: Int32[Tensor, "c n"]
    """Three standard deviations along the long axis, pixels rounded up; 0 if not in the image."""


def rasterize(
    gaussians: Gaussians,
    views: Views,
    *,
    background: Float[Tensor, " 3"] | Float[Tensor, "c 3"] | None = None,
    sh_degree: int | None = None,
    near: float = 0.01,
    mean_gradients: Float[Tensor, "c n 2"] | None = None,
    backend: Backend = "auto",
) -> Render:
    r"""Draw Gaussians front to back, by the rules of 3D Gaussian splatting (gsplat 1.4.0).

    A Gaussian is projected by the Jacobian at its centre (EWA splatting, Zwicker et al. 2001), the
    centre moved to within 15 % of the image size past the border; 0.3 is added to the diagonal of
    its covariance in pixels. At a pixel centre it covers ``min(0.999, o exp(-d^T C d / 2))``; less
    than 1/255 is not drawn. A pixel ends before the Gaussian that would leave 1e-4 or less
    of the background visible. Colour is ``max(0, SH(direction) + 0.5)``. Gaussians are ordered by
    the depth of their centres, ties by row.

    Differentiable with respect to all parameters, the poses and the background. Poses count as
    rigid: their inverse is the transpose. On the CPU the result does not depend on the number of
    threads.

    Args:
        gaussians: Splat in the world, float32, or float64 for the torch backend.
        views: Cameras that share an image size, same dtype and device as ``gaussians``.
        background: RGB behind everything, for all views or one a view; black if None.
        sh_degree: Use spherical harmonics up to this degree only.
        near: Gaussians whose centre has z-depth ``near`` or less are not drawn, scene units.
        mean_gradients: Zeros that require a gradient; ``backward`` leaves the gradient with
            respect to the projected centres there, in units of loss a pixel.
        backend: ``auto`` takes the C++ kernels for float32 on the CPU where they were built, else
            torch; ``reference`` is the loop that tests compare with.

    Returns:
        Pictures of ``c`` views of ``h`` by ``w`` pixels and the radii of ``n`` Gaussians in them.

    Raises:
        ValueError: If shapes, dtypes or devices do not fit together, a value is not finite, a
            quaternion is zero, a camera matrix is not a pinhole's, or ``sh_degree`` is too high.
        MissingDependencyError: If ``native`` is asked for and was not built.
    """
    parameters = _checks.parameters(gaussians, sh_degree)
    _checks.views(views, gaussians.means)
    if not near > 0:
        raise ValueError(f"near must be positive, got {near}")
    chosen = choose_backend(backend, gaussians.means.device)
    if backend == "auto" and gaussians.means.dtype != torch.float32:
        chosen = "torch"
    draw = partial(_BACKENDS[chosen], parameters, views.world_from_camera, views.matrices)
    size = (views.width, views.height)
    backdrop = _checks.background(background, len(views), gaussians.means)
    _checks.mean_gradients(mean_gradients, len(views), gaussians.means)
    return Render(*draw(size, backdrop, near, mean_gradients))
