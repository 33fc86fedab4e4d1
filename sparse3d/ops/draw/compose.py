"""Put a splat and a drawing of the same views together."""

import torch
from jaxtyping import Float
from torch import Tensor

from sparse3d.ops.draw.drawing import Drawing

__all__ = ["compose"]


def compose(
    colors: Float[Tensor, "c h w 3"],
    alphas: Float[Tensor, "c h w"],
    depths: Float[Tensor, "c h w"],
    drawing: Drawing,
) -> Float[Tensor, "c h w 3"]:
    """One picture a view of Gaussians and a drawing, the nearer in front, pixel by pixel.

    The Gaussians of a pixel stand at one depth, the mean of what covers it. Where the drawing is
    nearer, it hides them; elsewhere it is seen through them: ``colors + (1 - alphas) * drawing``.
    What of the drawing lies between Gaussians of a pixel is therefore wholly before or behind them.
    Where both are equally near, the Gaussians are in front.

    Args:
        colors: Of a render over black, ``Render.colors``: RGB times alpha.
        alphas: Share of a pixel that Gaussians cover, ``Render.alphas``.
        depths: Mean z-depth of the Gaussians of a pixel, ``Render.depths``; any value where there
            are none.
        drawing: Of the same views; its background is that of the picture.

    Returns:
        RGB.

    Raises:
        ValueError: If sizes differ.
    """
    if not colors.shape[:-1] == alphas.shape == depths.shape == drawing.depths.shape:
        sizes = [tuple(t.shape) for t in (colors, alphas, depths, drawing.depths)]
        raise ValueError(f"render and drawing must be of one size, got {sizes}")
    hidden = drawing.depths < depths
    behind = colors + (1 - alphas)[..., None] * drawing.colors
    return torch.where(hidden[..., None], drawing.colors, behind)
