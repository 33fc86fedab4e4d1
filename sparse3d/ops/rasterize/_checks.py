"""What a call of ``rasterize`` must fulfil."""

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sparse3d.geometry.views import Views
from sparse3d.ops.rasterize._job import Parameters
from sparse3d.ops.rasterize._options import RasterOptions, RasterOutputs, Region, SparseCodes
from sparse3d.scene.gaussians import Gaussians

__all__ = ["Checks", "options", "region"]

_MAX_FEATURES = 64
_MAX_CODES = 4096


class Checks:
    """Checks of one call.

    Args:
        like: Sets dtype and device.
        values: Whether to look at values, not at shapes only. On a GPU, looking would make the
            host wait for all that is queued there.
    """

    def __init__(self, like: Tensor, values: bool) -> None:
        self._like = like
        self._values = values

    def parameters(self, gaussians: Gaussians, sh_degree: int | None) -> Parameters:
        """Means, quaternions, log scales, logit opacities and the SH coefficients in use."""
        degree = gaussians.sh_degree if sh_degree is None else sh_degree
        if not 0 <= degree <= gaussians.sh_degree:
            raise ValueError(
                f"sh_degree must be between 0 and the Gaussians' {gaussians.sh_degree},"
                f" got {degree}"
            )
        if gaussians.sh_degree > 3:
            raise ValueError(
                f"spherical harmonics up to degree 3 expected, got {gaussians.sh_degree}"
            )
        shapes = {
            "means": (3,),
            "quaternions": (4,),
            "log_scales": (3,),
            "logit_opacities": (),
            "sh": (gaussians.sh.shape[1], 3),
        }
        for name, shape in shapes.items():
            field = getattr(gaussians, name)
            self._check(f"gaussians.{name}", field, (len(gaussians), *shape))
        if self._values and bool((gaussians.quaternions.detach() == 0).all(-1).any()):
            raise ValueError("gaussians.quaternions must not be zero")
        return (
            gaussians.means,
            gaussians.quaternions,
            gaussians.log_scales,
            gaussians.logit_opacities,
            gaussians.sh[:, : (degree + 1) ** 2],
        )

    def views(self, views: Views) -> None:
        """Raise unless the cameras have no skew and at least one pixel."""
        if views.width < 1 or views.height < 1:
            raise ValueError(f"image size must be positive, got {views.width}x{views.height}")
        if views.projection not in ("perspective", "orthographic"):
            raise ValueError(
                f"views.projection must be perspective or orthographic, got {views.projection!r}"
            )
        self._check("views.world_from_camera", views.world_from_camera, (len(views), 4, 4))
        self._check("views.matrices", views.matrices, (len(views), 3, 3))
        for matrix in views.matrices.detach().tolist() if self._values else ():
            (fx, skew, _), (skew_y, fy, _), last = matrix
            if not (fx > 0 and fy > 0 and skew == skew_y == 0 and last == [0, 0, 1]):
                raise ValueError(f"views.matrices must be of pinholes without skew, got {matrix}")

    def background(
        self, color: Float[Tensor, " 3"] | Float[Tensor, "c 3"] | None, count: int
    ) -> Float[Tensor, "c 3"]:
        """The background of every view; black for None."""
        if color is None:
            return self._like.new_zeros(count, 3)
        shape = (3,) if color.ndim == 1 else (count, 3)
        self._check("background", color, shape)
        return color.expand(count, 3)

    def receiver(self, name: str, zeros: Float[Tensor, "c n 2"] | None, count: int) -> None:
        """Raise unless there is a place for the gradient of every projected centre."""
        if zeros is None:
            return
        self._check(name, zeros, (count, len(self._like), 2))
        if self._values and bool(zeros.detach().any()):
            raise ValueError(f"{name} must be zero; it only receives gradients")

    def outputs(self, outputs: RasterOutputs) -> None:
        """Raise unless features and codes fit the Gaussians."""
        features, codes = outputs.features, outputs.codes
        if features is not None:
            width = features.shape[1] if features.ndim == 2 else 0
            if not 1 <= width <= _MAX_FEATURES:
                raise ValueError(
                    f"outputs.features must be [n, 1 to {_MAX_FEATURES}],"
                    f" got {tuple(features.shape)}"
                )
            self._check("outputs.features", features, (len(self._like), width))
        if codes is not None:
            self._codes(codes)

    def _codes(self, codes: SparseCodes) -> None:
        if not 1 <= codes.count <= _MAX_CODES:
            raise ValueError(f"codes.count must be 1 to {_MAX_CODES}, got {codes.count}")
        shape = (len(self._like), codes.weights.shape[-1])
        if codes.weights.ndim != 2 or shape[1] < 1 or codes.indices.shape != shape:
            raise ValueError(
                "codes.indices and codes.weights must be of one shape [n, 1 or more],"
                f" got {tuple(codes.indices.shape)} and {tuple(codes.weights.shape)}"
            )
        self._check("codes.weights", codes.weights, shape)
        if codes.indices.device != self._like.device:
            raise ValueError(f"codes.indices must be on {self._like.device}")
        outside = (codes.indices < 0) | (codes.indices >= codes.count)
        if self._values and bool(outside.any()):
            raise ValueError(f"codes.indices must be 0 to {codes.count - 1}")

    def _check(self, name: str, tensor: Tensor, shape: tuple[int, ...]) -> None:
        like = self._like
        if tensor.shape != shape:
            raise ValueError(f"{name} must have shape {shape}, got {tuple(tensor.shape)}")
        if tensor.dtype != like.dtype or tensor.device != like.device:
            raise ValueError(
                f"{name} must be {like.dtype} on {like.device} as gaussians.means,"
                f" got {tensor.dtype} on {tensor.device}"
            )
        if self._values and not _all_finite(tensor.detach()):
            raise ValueError(f"{name} must be finite, got nan or infinity")


def options(chosen: RasterOptions) -> None:
    """Raise unless the rules make sense."""
    if not chosen.near > 0:
        raise ValueError(f"near must be positive, got {chosen.near}")
    if not 0 < chosen.blur < math.inf:
        raise ValueError(f"blur must be positive and finite, got {chosen.blur}")
    if not 1 / 255 < chosen.max_alpha < 1:
        raise ValueError(f"max_alpha must be between 1/255 and 1, got {chosen.max_alpha}")
    if chosen.surfels and chosen.antialiased:
        raise ValueError("antialiased is not defined for surfels, which are not blurred")


def region(wanted: Region | None, views: Views) -> Bool[Tensor, "rows columns"] | None:
    """Which tiles a region meets; all if None.

    Raises:
        ValueError: If a rectangle is empty or leaves the image, or a mask does not fit.
    """
    if wanted is None:
        return None
    grid = (math.ceil(views.height / 16), math.ceil(views.width / 16))
    if isinstance(wanted, Tensor):
        if wanted.shape != grid or wanted.dtype != torch.bool:
            raise ValueError(
                f"region must hold one bool a tile, {grid}, got {tuple(wanted.shape)}"
                f" of {wanted.dtype}"
            )
        return wanted.to(views.matrices.device)
    x, y, width, height = wanted
    inside = min(x, y) >= 0 and x + width <= views.width and y + height <= views.height
    if width < 1 or height < 1 or not inside:
        raise ValueError(
            f"region must be x, y, width, height within {views.width}x{views.height}, got {wanted}"
        )
    tiles = torch.zeros(grid, dtype=torch.bool, device=views.matrices.device)
    tiles[y // 16 : (y + height - 1) // 16 + 1, x // 16 : (x + width - 1) // 16 + 1] = True
    return tiles


def _all_finite(tensor: Tensor) -> bool:
    # A sum is cheaper than a mask, and finite unless values are not or it overflows.
    return bool(torch.isfinite(tensor.sum())) or bool(torch.isfinite(tensor).all())
