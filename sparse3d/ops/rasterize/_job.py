"""What the backends of the rasteriser are given, checked, and what they give back."""

from dataclasses import dataclass
from typing import NamedTuple

from jaxtyping import Bool, Float, Int32
from torch import Tensor

from sparse3d.ops.rasterize._options import StageSeconds

__all__ = ["Channels", "Drawn", "Job", "Parameters", "Rules"]

Parameters = tuple[Tensor, Tensor, Tensor, Tensor, Tensor]
"""Means, quaternions, log scales, logit opacities and SH coefficients."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The constants of a picture; see ``RasterOptions`` and ``Views``."""

    size: tuple[int, int]
    """Width and height of the image, pixels."""
    near: float
    blur: float
    max_alpha: float
    antialiased: bool
    surfels: bool
    orthographic: bool
    tiles: Bool[Tensor, "rows columns"] | None = None
    """Which tiles of 16 by 16 pixels to draw, all if None; others show the background."""


@dataclass(frozen=True, slots=True)
class Channels:
    """Values of Gaussians to blend over zero."""

    values: tuple[Float[Tensor, "n k"], ...]
    """One a view, often the same for all."""
    indices: Int32[Tensor, "n k"] | None
    """Which channel each value belongs to; if None, value j is of channel j."""
    count: int
    """Number of channels."""

    def dense(self, view: int) -> Float[Tensor, "n d"]:
        """One value a channel, in one view."""
        values = self.values[view]
        if self.indices is None:
            return values
        zeros = values.new_zeros(len(values), self.count)
        return zeros.scatter_add(1, self.indices.long(), values)


@dataclass(frozen=True, slots=True)
class Job:
    """One call of the rasteriser."""

    parameters: Parameters
    world_from_camera: Float[Tensor, "c 4 4"]
    matrices: Float[Tensor, "c 3 3"]
    background: Float[Tensor, "c 3"]
    rules: Rules
    channels: tuple[Channels, ...] = ()
    rows: bool = False
    """Whether to find the median and the dominant Gaussian of each pixel."""
    weights: bool = False
    """Whether to sum each Gaussian's weights."""
    mean_gradients: Float[Tensor, "c n 2"] | None = None
    absolute_gradients: Float[Tensor, "c n 2"] | None = None


class Drawn(NamedTuple):
    """Pictures of all views."""

    colors: Float[Tensor, "c h w 3"]
    alphas: Float[Tensor, "c h w"]
    depths: Float[Tensor, "c h w"]
    radii: Int32[Tensor, "c n"]
    channels: tuple[Tensor, ...] = ()
    """Float [c, h, w, channels], one for each of the job's."""
    median_rows: Int32[Tensor, "c h w"] | None = None
    """-1 where less than half is covered."""
    dominant_rows: Int32[Tensor, "c h w"] | None = None
    """-1 where nothing is drawn."""
    weights: Float[Tensor, "c n"] | None = None
    stages: StageSeconds | None = None
