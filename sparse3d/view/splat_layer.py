"""Gaussians as a layer of a picture, drawn by our own rasteriser: true splats on any machine."""

import torch

from sparse3d.geometry.views import Views
from sparse3d.ops.rasterize import rasterize
from sparse3d.scene import Gaussians
from sparse3d.view.layers import SplatLayer
from sparse3d.view.viewpoint import Viewpoint

__all__ = ["draw_splats"]


@torch.no_grad()
def draw_splats(gaussians: tuple[Gaussians, ...], viewpoint: Viewpoint) -> SplatLayer:
    """Draw the Gaussians of one or several splats together, sorted by depth among each other."""
    views = Views.of([viewpoint.intrinsics], viewpoint.world_from_camera[None])
    render = rasterize(_joined(gaussians), views)
    return SplatLayer(render.colors[0], render.alphas[0], render.depths[0])


def _joined(splats: tuple[Gaussians, ...]) -> Gaussians:
    widest = max(splat.sh.shape[1] for splat in splats)
    padded = [
        torch.nn.functional.pad(splat.sh.float(), (0, 0, 0, widest - splat.sh.shape[1]))
        for splat in splats
    ]
    return Gaussians(
        torch.cat([splat.means.float() for splat in splats]),
        torch.cat([splat.quaternions.float() for splat in splats]),
        torch.cat([splat.log_scales.float() for splat in splats]),
        torch.cat([splat.logit_opacities.float() for splat in splats]),
        torch.cat(padded),
    )
