"""Draw 3D Gaussians into views: colour, alpha, depth and more, differentiable."""

from jaxtyping import Float
from torch import Tensor

from sparse3d.geometry.views import Views
from sparse3d.ops.rasterize import _checks, _gsplat, _native, _reference, _torch
from sparse3d.ops.rasterize._dispatch import RasterBackend, choose
from sparse3d.ops.rasterize._extras import channels_for, render_of
from sparse3d.ops.rasterize._job import Job, Rules
from sparse3d.ops.rasterize._options import (
    RasterOptions,
    RasterOutputs,
    Region,
    Render,
    SparseCodes,
    StageSeconds,
)
from sparse3d.scene.gaussians import Gaussians

__all__ = [
    "RasterBackend",
    "RasterOptions",
    "RasterOutputs",
    "Region",
    "Render",
    "SparseCodes",
    "StageSeconds",
    "rasterize",
]

_BACKENDS = {
    "reference": _reference.rasterize,
    "torch": _torch.rasterize,
    "native": _native.rasterize,
    "gsplat": _gsplat.rasterize,
}
_DEFAULTS = RasterOptions()
_NOTHING_MORE = RasterOutputs()


def rasterize(
    gaussians: Gaussians,
    views: Views,
    *,
    background: Float[Tensor, " 3"] | Float[Tensor, "c 3"] | None = None,
    options: RasterOptions = _DEFAULTS,
    outputs: RasterOutputs = _NOTHING_MORE,
    mean_gradients: Float[Tensor, "c n 2"] | None = None,
    absolute_gradients: Float[Tensor, "c n 2"] | None = None,
    backend: RasterBackend = "auto",
) -> Render:
    r"""Draw Gaussians front to back, by the rules of 3D Gaussian splatting (gsplat 1.4.0).

    A Gaussian is projected by the Jacobian at its centre (EWA splatting, Zwicker et al. 2001), the
    centre moved to within 15 % of the image size past the border; ``blur`` is added to the
    diagonal of its covariance in pixels. At a pixel centre it covers
    ``min(max_alpha, o exp(-d^T C d / 2))``; less than 1/255 is not drawn. A pixel ends before the
    Gaussian that would leave 1e-4 or less of the background visible. Colour is
    ``max(0, SH(direction) + 0.5)``, the direction leading from the camera's centre also where the
    projection is orthographic. Gaussians are ordered by the depth of their centres, ties by row.

    Differentiable with respect to all parameters, the poses, the background, features and weights
    of codes. Poses count as rigid: their inverse is the transpose. On the CPU the result does not
    depend on the number of threads.

    Args:
        gaussians: Splat in the world, float32, or float64 for the torch backend.
        views: Cameras that share an image size, same dtype and device as ``gaussians``.
        background: RGB behind everything, for all views or one a view; black if None.
        options: The rules of drawing.
        outputs: What to draw besides colours, alphas, depths and radii, and which part of it.
        mean_gradients: Zeros that require a gradient; ``backward`` leaves the gradient with
            respect to the projected centres there, in units of loss a pixel.
        absolute_gradients: The same for the sum over pixels of the absolute value of each pixel's
            gradient (AbsGS, Ye et al. 2024).
        backend: ``auto`` takes the C++ kernels on the CPU where they were built, gsplat on CUDA
            where it is installed, and torch where they cannot draw what is asked for (float64,
            surfels on CUDA); ``reference`` is the loop that tests compare with. With ``gsplat``
            only shapes are checked, values are not looked at.

    Returns:
        Pictures of ``c`` views of ``h`` by ``w`` pixels and the radii of ``n`` Gaussians in them.

    Raises:
        ValueError: If shapes, dtypes or devices do not fit together, a value is not finite, a
            quaternion is zero, a camera matrix is not a pinhole's, an option is out of range, or
            the named backend cannot draw what is asked for.
        MissingDependencyError: If the named backend is not there.
    """
    chosen = choose(backend, gaussians.means.device, gaussians.means.dtype, options)
    checks = _checks.Checks(gaussians.means, values=chosen != "gsplat")
    _checks.options(options)
    parameters = checks.parameters(gaussians, options.sh_degree)
    checks.views(views)
    checks.outputs(outputs)
    checks.receiver("mean_gradients", mean_gradients, len(views))
    checks.receiver("absolute_gradients", absolute_gradients, len(views))
    job = Job(
        parameters,
        views.world_from_camera,
        views.matrices,
        checks.background(background, len(views)),
        _rules(options, views, outputs.region),
        channels_for(outputs, options, parameters, views.world_from_camera),
        rows=outputs.median_depths or outputs.dominant,
        weights=outputs.weights,
        mean_gradients=mean_gradients,
        absolute_gradients=absolute_gradients,
    )
    crop = outputs.region if isinstance(outputs.region, tuple) else None
    return render_of(job, _BACKENDS[chosen](job), outputs, crop)


def _rules(options: RasterOptions, views: Views, region: Region | None) -> Rules:
    return Rules(
        (views.width, views.height),
        options.near,
        options.blur,
        options.max_alpha,
        options.antialiased,
        options.surfels,
        views.projection == "orthographic",
        _checks.region(region, views),
    )
