"""What a caller of the rasteriser chooses, and what it gets."""

from dataclasses import dataclass

from jaxtyping import Bool, Float, Int32, Integer
from torch import Tensor

__all__ = ["RasterOptions", "RasterOutputs", "Region", "Render", "SparseCodes", "StageSeconds"]

Region = tuple[int, int, int, int] | Bool[Tensor, "rows columns"]
"""A rectangle x, y, width, height in pixels, or which tiles of 16 by 16 pixels to draw."""


@dataclass(frozen=True, slots=True)
class RasterOptions:
    """By which rules Gaussians become pixels; the defaults are those of gsplat 1.4.0."""

    sh_degree: int | None = None
    """Use spherical harmonics up to this degree only; all of them if None."""
    near: float = 0.01
    """Gaussians whose centre has this z-depth or less are not drawn, scene units."""
    blur: float = 0.3
    """Added to the diagonal of each covariance, square pixels; surfels have no such blur."""
    max_alpha: float = 0.999
    """A Gaussian never covers more of a pixel; gsplat says 0.999 up to 1.4.0, 0.99 later."""
    antialiased: bool = False
    """Keep the volume of blurred Gaussians: opacity times ``sqrt(det S / det(S + blur I))``
    (Yu et al. 2024, equation 9)."""
    surfels: bool = False
    """Flat discs in the plane of the first two axes, hit by the ray exactly (2D Gaussian
    Splatting, Huang et al. 2024); the third scale is ignored."""


@dataclass(frozen=True, slots=True)
class SparseCodes:
    """Each Gaussian as a sparse combination of dictionary codes (LangSplatV2, Li et al. 2025).

    The render holds one coefficient map a code; features are ``coefficients @ dictionary``.
    """

    indices: Integer[Tensor, "n k"]
    """Which codes, 0 to ``count`` - 1; a code that comes twice counts with both weights."""
    weights: Float[Tensor, "n k"]
    """How much of each; differentiable."""
    count: int
    """Size of the dictionary."""


@dataclass(frozen=True, slots=True)
class RasterOutputs:
    """What to draw besides colours, alphas, depths and radii; what is asked for costs time."""

    features: Float[Tensor, "n k"] | None = None
    """Any values, up to 64 a Gaussian, blended as colours are, over zero; differentiable."""
    codes: SparseCodes | None = None
    """Sparse codes to blend into coefficient maps."""
    normals: bool = False
    """Blended normals: shortest axis (third axis of surfels) turned to the camera."""
    median_depths: bool = False
    """Depth of the Gaussian behind which less than half of the background is visible."""
    dominant: bool = False
    """Which Gaussian has the largest weight."""
    weights: bool = False
    """How much each Gaussian shows."""
    region: Region | None = None
    """Draw this part of the images only. A rectangle gives images of its size, with the same bits
    as that part of whole images (but from gsplat); tiles give whole images that show the
    background elsewhere."""


@dataclass(frozen=True, slots=True)
class StageSeconds:
    """How long the stages of drawing took, summed over the views."""

    project: float
    """Gaussians to pixels, with their colours."""
    sort: float
    """By depth, and into a list a tile."""
    blend: float
    """The tiles, front to back."""


@dataclass(frozen=True, slots=True)
class Render:
    """Pictures of Gaussians, one a view; what was not asked for is None."""

    colors: Float[Tensor, "c h w 3"]
    """RGB over the background; not clamped, spherical harmonics may exceed 1."""
    alphas: Float[Tensor, "c h w"]
    """Share of a pixel that Gaussians cover, 0 to 1: the sum of the weights of all Gaussians."""
    depths: Float[Tensor, "c h w"]
    """Mean z-depth of what covers a pixel, ``sum(w z) / alpha``, scene units; 0 where nothing."""
    radii: Int32[Tensor, "c n"]
    """Three standard deviations along the long axis, pixels rounded up; 0 if not in the image."""
    features: Float[Tensor, "c h w k"] | None = None
    """``sum(w f)``; divide by ``alphas`` for means."""
    coefficients: Float[Tensor, "c h w d"] | None = None
    """``sum(w c)`` of sparse codes, one map a code of the dictionary."""
    normals: Float[Tensor, "c h w 3"] | None = None
    """``sum(w normal)`` in the world frame, not normalised."""
    median_depths: Float[Tensor, "c h w"] | None = None
    """z-depth of the median Gaussian's centre, differentiable; 0 where less than half is
    covered."""
    dominant: Int32[Tensor, "c h w"] | None = None
    """Row of the Gaussian with the largest weight, the nearer of equals; -1 where nothing."""
    weights: Float[Tensor, "c n"] | None = None
    """Sum of a Gaussian's weights over the pixels drawn; no gradient."""
    stages: StageSeconds | None = None
    """Where the time went, colours, alphas and depths only; None from backends that do not look at
    the clock, all but ``native``."""

    @property
    def visible(self) -> Bool[Tensor, "c n"]:
        """Which Gaussians show in a pixel; by their radius if no ``weights`` were asked for."""
        return self.radii > 0 if self.weights is None else self.weights > 0
